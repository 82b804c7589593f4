# SPDX-License-Identifier: Apache-2.0
"""Start the servers of the tests, run a command beside them, and end them.

The command finds their addresses in its environment. Without a command the addresses are
printed, as lines for a shell, and the servers run until this process is interrupted.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence

import psutil

from tests.functional.servers import process, shared

#: Of prctl(2): descendants whose parent has ended become children of this process.
_PR_SET_CHILD_SUBREAPER = 36


def main() -> int:
    """Return the command's exit status."""
    arguments = _parse()
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    kinds = [kind for kind in arguments.kinds if _is_usable(kind)]
    servers = shared.start_all(kinds)
    try:
        addresses = {shared.VARIABLES[kind]: server.address for kind, server in servers.items()}
        if arguments.command:
            return _run(arguments.command, addresses, {each.pid for each in servers.values()})
        for variable, address in addresses.items():
            print(f"export {variable}='{address}'", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        for server in servers.values():
            server.destroy()
    return 0


def _run(command: Sequence[str], addresses: Mapping[str, str], kept: Collection[int]) -> int:
    """Run it; end what it leaves behind: processes, except those kept, and temporary files."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory(prefix='tfd-tests-', ignore_cleanup_errors=True) as folder:
        # Servers that tests start may run under another user.
        pathlib.Path(folder).chmod(0o711)
        try:
            running = subprocess.Popen(
                command, env={**os.environ, **addresses, 'TMPDIR': folder}
            )
            # Meanwhile nothing of what has ended stays: tests wait for processes to be gone.
            while (ended := _wait_for_any()) != running.pid:
                os.waitpid(ended, 0)
            return running.wait()
        finally:
            _end_strays(kept)


def _wait_for_any() -> int:
    """Return the id of a child that has ended."""
    found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
    assert found is not None
    return found.si_pid


def _end_strays(kept: Collection[int]) -> None:
    """Kill children until none is left; those of a killed one come here in turn."""
    while strays := [each for each in psutil.Process().children() if each.pid not in kept]:
        for stray in strays:
            stray.kill()
        psutil.wait_procs(strays)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python -m tests.functional.servers', description=__doc__)
    parser.add_argument(
        '--kinds', type=lambda text: text.split(','), default=list(shared.KINDS), help='a,b,…'
    )
    parser.add_argument('command', nargs='*', metavar='COMMAND', help='after --')
    return parser.parse_args()


def _is_usable(kind: str) -> bool:
    """Say why a server is not started, except one that somebody else has started."""
    if shared.VARIABLES[kind] in os.environ:
        return False
    reason = shared.KINDS[kind].missing()
    if reason is None:
        return True
    if process.is_ci():
        raise process.ServerMissing(f'{kind}: {reason}')
    print(f'The tests of {kind} are skipped: {reason}.', file=sys.stderr)
    return False


def _interrupt(number: int, frame: object) -> None:
    # Once: the second signal, of whoever signals a whole group, would break off the cleaning up.
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == '__main__':
    sys.exit(main())
