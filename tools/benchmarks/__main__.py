# SPDX-License-Identifier: Apache-2.0
"""Called by tools/bench, which makes the environments and explains the options."""

from __future__ import annotations

import argparse
import pathlib
import sys

from benchmarks import bars, engine, report

_DATA = pathlib.Path('build', 'bench', 'data')


def main() -> int:
    """Measure, print, and judge where asked to."""
    parser = argparse.ArgumentParser(prog='tools/bench engine')
    parser.add_argument('--tfd', required=True, help='the Python that has tfd')
    parser.add_argument('--taskflow', required=True, help='the Python that has TaskFlow')
    parser.add_argument('--only', action='append', default=[], choices=list(engine.ROWS))
    for flag in ('--check', '--quick', '--json'):
        parser.add_argument(flag, action='store_true')
    args = parser.parse_args()
    measured = engine.run({'tfd': args.tfd, 'taskflow': args.taskflow}, _DATA, args.only, args.quick)
    found = bars.findings(measured)
    print((report.as_json if args.json else report.as_text)(measured, found))
    missed = [finding for finding in found if not finding.met]
    for finding in missed:
        print(f'missed: {finding}', file=sys.stderr)
    return 1 if args.check and (missed or measured.missing) else 0


if __name__ == '__main__':
    sys.exit(main())
