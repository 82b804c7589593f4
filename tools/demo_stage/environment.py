# SPDX-License-Identifier: Apache-2.0
"""The virtual environment of the demo: made once, renewed when the sources have changed."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import NoReturn

__all__ = ['ROOT', 'VENV', 'enter', 'inside', 'prepare']

ROOT = pathlib.Path(__file__).resolve().parents[2]
VENV = ROOT / '.venv-demo'

#: Here, so that nothing is left elsewhere where this is killed.
_COPY = VENV / 'sources'
_STAMP = VENV / 'demo-sources.sha256'
_FLOWS = ROOT / 'tools' / 'demo_flows'
_SOURCES = ('setup.py', 'setup.cfg', 'pyproject.toml', 'README.rst', 'LICENSE', 'tfd', 'drivers',
            'tools/demo_flows')
#: The extra that has the clients of ZooKeeper and MariaDB, and what starts these servers.
_SERVER_EXTRA = '[test]'
#: Profiles of bindep.txt whose packages ``--zookeeper`` needs.
_SERVER_PROFILES = frozenset({'zookeeper', 'mysql'})
#: Seconds that one command of the set-up may take.
_LIMIT = 900


def inside() -> bool:
    """Return whether this process runs in the demo's virtual environment."""
    return pathlib.Path(sys.prefix) == VENV


def enter(argv: Sequence[str]) -> NoReturn:
    """Run the same command line again, inside."""
    sys.stdout.flush()
    python = str(VENV / 'bin' / 'python')
    os.execv(python, [python, *argv])


def prepare(zookeeper: bool) -> None:
    """Leave behind a virtual environment with tfd and the demo's flows as the sources are now.

    :param zookeeper: whether to install ZooKeeper and MariaDB on the machine too.
    :raises SystemExit: something cannot be installed; says what, and why.
    """
    if any(importlib.util.find_spec(name) is None for name in ('venv', 'ensurepip')):
        _apt_install([_venv_package()])
        importlib.invalidate_caches()
    if zookeeper:
        _apt_install(_missing(_server_packages()))
    root = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(root, fcntl.LOCK_EX)
        digest = _digest()
        there = _STAMP.read_text().split() if _works() and _STAMP.exists() else []
        extra = _SERVER_EXTRA if zookeeper or _SERVER_EXTRA in there else ''
        if there != f'{digest} {extra}'.split():
            _install(extra)
            _STAMP.write_text(f'{digest} {extra}')
    finally:
        os.close(root)


def _say(text: str) -> None:
    print(f'set-up: {text}', flush=True)


def _run(command: Sequence[str | os.PathLike[str]]) -> None:
    """Run a command quietly.

    :raises SystemExit: it failed; its output is shown.
    """
    shown = ' '.join(map(str, command))
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors='replace', timeout=_LIMIT,
            env={**os.environ, 'DEBIAN_FRONTEND': 'noninteractive'})
    except (OSError, subprocess.TimeoutExpired) as err:
        raise SystemExit(f'set-up: {shown}: {err}') from None
    if done.returncode:
        raise SystemExit(f'{done.stdout}\nset-up: exit status {done.returncode} from: {shown}')


def _venv_package() -> str:
    if sys.prefix == '/usr' or sys.base_prefix == '/usr':
        return f'python{sys.version_info[0]}.{sys.version_info[1]}-venv'
    return 'python3-venv'


def _server_packages() -> list[str]:
    """Return the packages that bindep.txt lists under the profiles of the servers."""
    packages = []
    for line in (ROOT / 'bindep.txt').read_text().splitlines():
        name, _, profiles = line.partition('[')
        if not line.startswith('#') and _SERVER_PROFILES & set(profiles.strip(' ]').split()):
            packages.append(name.strip())
    return packages


def _missing(packages: Sequence[str]) -> list[str]:
    """Return the packages that dpkg does not show as installed."""
    def installed(package: str) -> bool:
        try:
            shown = subprocess.run(
                ['dpkg-query', '--show', '--showformat', '${db:Status-Status}', package],
                capture_output=True, text=True, timeout=60)
        except (OSError, subprocess.TimeoutExpired):
            return False
        return shown.stdout == 'installed'

    return [package for package in packages if not installed(package)]


def _apt_install(packages: Sequence[str]) -> None:
    if not packages:
        return
    names = ' '.join(packages)
    if shutil.which('apt-get') is None:
        raise SystemExit(f'set-up: there is no apt-get here; install what Debian calls: {names}')
    sudo = [] if os.geteuid() == 0 else ['sudo']
    if sudo and shutil.which('sudo') is None:
        raise SystemExit(f'set-up: neither root nor sudo; as root: apt-get install {names}')
    _say(f'installing {names}')
    apt = [*sudo, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q', '-y',
           '-o', 'DPkg::Lock::Timeout=120']
    _run([*apt, 'update'])
    _run([*apt, 'install', '--no-install-recommends', *packages])


def _digest() -> str:
    """Return a digest of the sources and of the interpreter."""
    total = hashlib.sha256(f'{sys.version}\n{sys.base_prefix}\n'.encode())
    for path in _files():
        total.update(f'{path.relative_to(ROOT)}\n'.encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _files() -> Iterator[pathlib.Path]:
    for name in _SOURCES:
        top = ROOT / name
        found = [top] if top.is_file() else sorted(p for p in top.rglob('*') if p.is_file())
        yield from (path for path in found if not _is_made(path.relative_to(ROOT)))


def _is_made(path: pathlib.Path) -> bool:
    """Return whether a path is something that tools leave behind in a source tree."""
    return any(part in ('__pycache__', 'build') or part.endswith('.egg-info')
               for part in path.parts)


def _works() -> bool:
    python = VENV / 'bin' / 'python'
    try:
        subprocess.run([python, '-c', 'import pip'], check=True, timeout=60, capture_output=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _install(extra: str) -> None:
    """Install from a copy: a build in the clone would leave files there, and use old ones.

    :param extra: of tfd's, in brackets, or ''.
    """
    _STAMP.unlink(missing_ok=True)
    version = '.'.join(map(str, sys.version_info[:3]))
    fresh = not _works() or not _same_python()
    if fresh:
        _say(f'making {VENV.name} (Python {version})')
        _run([sys.executable, '-m', 'venv', '--clear', VENV])
    pip = [str(VENV / 'bin' / 'python'), '-m', 'pip', '--quiet', '--disable-pip-version-check']
    if not fresh:
        _run([*pip, 'uninstall', '--yes', 'tfd', 'tfd-demo-flows'])
    _say('installing tfd and the flows of the demo')
    shutil.rmtree(_COPY, ignore_errors=True)
    for path in _files():
        target = _COPY / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    _run([*pip, 'install', f'{_COPY}{extra}', _COPY / _FLOWS.relative_to(ROOT)])
    shutil.rmtree(_COPY)


def _same_python() -> bool:
    """Return whether the environment was made with the interpreter that runs this."""
    shown = subprocess.run(
        [VENV / 'bin' / 'python', '-c', 'import sys; print(sys.base_prefix, sys.version)'],
        capture_output=True, text=True, timeout=60)
    return shown.stdout.strip() == f'{sys.base_prefix} {sys.version}'
