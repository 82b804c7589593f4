# SPDX-License-Identifier: Apache-2.0
# Read by the scripts beside it: what they need of the machine, installed where it is missing.
# Every function is silent when there is nothing to do, and quick.

# as_root COMMAND...
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "needs root or sudo: $*" >&2
        return 1
    fi
}

# install_packages PACKAGE...: from Debian, without starting the services that they bring.
install_packages() {
    [ $# -gt 0 ] || return 0
    if ! command -v apt-get >/dev/null; then
        echo "not a Debian machine; install by hand what does the work of: $*" >&2
        return 1
    fi
    echo "installing: $*" >&2
    as_root bash -s -- "$@" >&2 <<'SCRIPT'
set -eu
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
install() {
    apt-get install --yes --quiet=2 --no-install-recommends \
        -o DPkg::Lock::Timeout=120 "$@"
}
# The lists may be missing, or older than what the archive still has.
install "$@" >/dev/null 2>&1 </dev/null || { apt-get update --quiet=2 && install "$@"; } </dev/null
SCRIPT
}

# find_python: print a Python that is new enough and can make virtual environments.
find_python() {
    local python
    for python in ${PYTHON:-python3 /usr/bin/python3}; do
        "$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' \
            2>/dev/null && { echo "$python"; return; }
    done
    return 1
}

# make_environment FOLDER EXTRAS: a virtual environment with this tree and its extras
# ("test,lint"), installed in place; brought up to date when the project's declaration changed.
make_environment() {
    local folder=$1 extras=$2 python stamp digest
    if [ ! -x "$folder/bin/python" ]; then
        if ! python=$(find_python); then
            install_packages python3-venv || return
            python=$(find_python) || { echo "no Python 3.11 or newer with venv" >&2; return 1; }
        fi
        "$python" -m venv "$folder" || return
    fi
    stamp=$folder/.installed-$extras
    digest=$(cat setup.cfg setup.py pyproject.toml "$folder/pyvenv.cfg" | sha256sum; pwd)
    if [ "$(cat "$stamp" 2>/dev/null)" != "$digest" ]; then
        echo "installing tfd[$extras] in $folder" >&2
        "$folder/bin/python" -m pip install -qq --disable-pip-version-check \
            --editable ".[$extras]" || return
        echo "$digest" >"$stamp"
    fi
}

# make_other PYTHON FOLDER PACKAGE...: a virtual environment with these packages, and nothing of this tree.
make_other() {
    local python=$1 folder=$2
    shift 2
    [ "$(cat "$folder/.installed" 2>/dev/null)" = "$*" ] && return
    echo "installing $* in $folder" >&2
    "$python" -m venv "$folder" &&
        "$folder/bin/python" -m pip install -qq --disable-pip-version-check "$@" || return
    echo "$*" >"$folder/.installed"
}

# install_bindep FOLDER PROFILE...: the system packages of these profiles of bindep.txt.
install_bindep() {
    local folder=$1 missing
    shift
    missing=$("$folder/bin/bindep" --brief --file bindep.txt "$@") && return
    # shellcheck disable=SC2086
    install_packages $missing
}
