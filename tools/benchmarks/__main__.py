# SPDX-License-Identifier: Apache-2.0
"""Called by tools/bench, which makes the environments and explains the options."""

from __future__ import annotations

import argparse
import pathlib
import sys

from benchmarks import engine, report

_DATA = pathlib.Path('build', 'bench', 'data')


def main() -> int:
    """Measure, print, and judge where asked to."""
    parser = argparse.ArgumentParser(prog='tools/bench engine')
    parser.add_argument('--tfd', required=True, help='the Python that has tfd')
    parser.add_argument('--taskflow', required=True, help='the Python that has TaskFlow')
    for flag in ('--check', '--full', '--quick', '--json'):
        parser.add_argument(flag, action='store_true')
    args = parser.parse_args()
    measured = engine.run({'tfd': args.tfd, 'taskflow': args.taskflow}, _DATA, args.full, args.quick)
    missed = engine.check(measured)
    print(report.as_json(measured, missed) if args.json else report.as_text(measured))
    for bar in missed:
        print(f'missed: {bar}', file=sys.stderr)
    return 1 if args.check and missed else 0


if __name__ == '__main__':
    sys.exit(main())
