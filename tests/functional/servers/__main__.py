# SPDX-License-Identifier: Apache-2.0
"""Start the servers of the tests, run a command beside them, and end them.

The command finds their addresses in its environment. Without a command the addresses are
printed, as lines for a shell, and the servers run until this process is interrupted.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys

from tests.functional.servers import process, shared


def main() -> int:
    """Return the command's exit status."""
    arguments = _parse()
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    kinds = [kind for kind in arguments.kinds if _is_usable(kind)]
    servers = shared.start_all(kinds)
    try:
        addresses = {shared.VARIABLES[kind]: server.address for kind, server in servers.items()}
        if arguments.command:
            return subprocess.run(arguments.command, env={**os.environ, **addresses}).returncode
        for variable, address in addresses.items():
            print(f"export {variable}='{address}'", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        for server in servers.values():
            server.destroy()
    return 0


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
    raise KeyboardInterrupt


if __name__ == '__main__':
    sys.exit(main())
