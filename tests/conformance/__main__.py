# SPDX-License-Identifier: Apache-2.0
"""Called by tools/conformance, which makes the environment and explains the options."""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import pathlib
import sys

from tests.conformance import exclusions, report, running
from tests.functional.servers.process import is_ci
from tests.functional.servers.zookeeper import ZooKeeper

_DATA = pathlib.Path(__file__).with_name('exclusions.toml')
#: Of the expected tests, how many must pass.
_BAR = 0.99


def main() -> int:
    """Run the tests, print what came of them, and judge."""
    options = _options()
    with contextlib.ExitStack() as stack:
        return _judge(options, _zookeeper(stack))


def _zookeeper(stack: contextlib.ExitStack) -> str:
    """Start a private server until the end; return its address, '' where it is not installed."""
    reason = ZooKeeper.missing()
    if reason is not None:
        if is_ci():
            raise RuntimeError(f'ZooKeeper is needed in CI: {reason}')
        print(f'The tests of boards are skipped: {reason}.', file=sys.stderr)
        return ''
    # The wheel's tests ask for the version by a four-letter word before anything else.
    server = ZooKeeper(settings={'4lw.commands.whitelist': 'srvr,envi'})
    stack.callback(server.destroy)
    server.start()
    return server.hosts


def _judge(options: argparse.Namespace, zookeeper: str) -> int:
    settings = exclusions.read(_DATA)
    suite = running.of_wheel(options.wheel, settings.helpers, settings.stand_ins, options.seconds, zookeeper)
    tests = running.census(suite, options.census, options.jobs)
    expected, excluded = exclusions.sort_out(
        [name for names in tests.values() for name in names], settings.exclusions)
    if options.only:
        expected = [name for name in expected if fnmatch.fnmatchcase(name, options.only)]
    chosen = set(expected)
    orders = {module: [name for name in names if name in chosen] for module, names in tests.items()}
    outcomes, answered = running.run(suite, {module: names for module, names in orders.items() if names}, options.jobs)
    if options.json:
        print(report.as_json(outcomes))
    else:
        print(report.as_text(tests, outcomes, excluded, settings.kinds, answered, options.failures))
    passed = sum(outcome.kind == 'passed' for outcome in outcomes.values())
    return 0 if outcomes and passed >= _BAR * len(outcomes) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='tools/conformance')
    parser.add_argument('--wheel', type=pathlib.Path, required=True, help="the folder of the wheel's package")
    parser.add_argument('--census', type=pathlib.Path, required=True, help='where the list of its tests is kept')
    parser.add_argument('--only', default='')
    report.add_options(parser, seconds=20.0)
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(main())
