# SPDX-License-Identifier: Apache-2.0
"""The options of ``tools/demo``."""

from __future__ import annotations

import argparse
import dataclasses
import pathlib

__all__ = ['Options', 'parse']

_ABOUT = """\
Show tfd at work, on this machine, with nothing set up before.

Two conductor daemons of two worker processes each run 30 jobs that make a server with a volume in
a small cloud. Half-way one daemon is killed (SIGKILL), and the other takes over its jobs. Five jobs
cannot attach their volume and must be rolled back. In the end every job must have reached its right
end, and the cloud must hold exactly what it should: exit status 0 says that this is so."""

_SETUP = """\
What is missing on the machine (python3-venv, and with --zookeeper a Java runtime, ZooKeeper and
MariaDB) is installed with apt-get, through sudo where this is not root. No system service is
started or touched. The virtual environment .venv-demo is kept for the next time."""


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What was asked for.

    :ivar work: the folder to work in, None for a temporary one.
    :ivar limit: seconds after which the show is broken off, set-up aside.
    """

    zookeeper: bool
    keep: bool
    plain: bool
    work: pathlib.Path | None
    limit: float


def parse(argv: list[str]) -> Options:
    """Return the options; prints help or complains, and exits, as argparse does."""
    parser = argparse.ArgumentParser(
        prog='tools/demo', description=_ABOUT, epilog=_SETUP,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--zookeeper', action='store_true',
                        help='use a real ZooKeeper and a real MariaDB, started privately on free '
                             'ports, in place of SQLite alone')
    parser.add_argument('--keep', action='store_true',
                        help='leave everything running, and say how to talk to it')
    parser.add_argument('--plain', action='store_true',
                        help='print plain lines, even on a terminal')
    parser.add_argument('--work', type=pathlib.Path, metavar='DIR',
                        help='a new or empty folder for configuration, data and logs, which is not '
                             'removed (default: a temporary one)')
    parser.add_argument('--limit', type=float, default=120.0, metavar='SECONDS',
                        help='break off after this time, set-up aside (default: %(default)g)')
    args = parser.parse_args(argv)
    if args.limit <= 0:
        parser.error(f'--limit must be more than 0 seconds, not {args.limit:g}')
    if args.work and args.work.exists() and (not args.work.is_dir() or any(args.work.iterdir())):
        parser.error(f'--work must be a new or empty folder: {args.work}')
    return Options(**vars(args))
