# SPDX-License-Identifier: Apache-2.0
"""Play schedules: ``python -m tests.simulation --help``."""

from __future__ import annotations

import argparse
import logging
import sys
import time
import traceback

from tests.simulation.hub import Hub
from tests.simulation.schedule import Schedule

__all__ = ['main']


class _Trace(logging.Handler):
    """Adds what is logged to a trace."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(logging.INFO)
        self._hub = hub

    def emit(self, record: logging.LogRecord) -> None:
        self._hub.tell('  log', '%s: %s', record.levelname, record.getMessage())


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m tests.simulation', description='Plays schedules of a simulated fleet of conductors.')
    parser.add_argument('--seed', type=int, help='play this one')
    parser.add_argument('--trace', action='store_true', help='with --seed: print what happens')
    parser.add_argument('--first', type=int, default=0, help='the first of several seeds [0]')
    parser.add_argument('--count', type=int, default=1000, help='how many seeds [1000]')
    return parser.parse_args(arguments)


def _play_one(seed: int, traced: bool) -> int:
    schedule = Schedule(seed, traced)
    if traced:
        logging.getLogger('tfd').addHandler(_Trace(schedule.hub))
        logging.getLogger('tfd').setLevel(logging.INFO)
    error: BaseException | None = None
    try:
        schedule.play()
    except Exception as err:
        error = err
    for line in schedule.trace:
        print(line)
    print(f'seed {seed}: {len(schedule.hosts)} conductors, {schedule.world.engine} engine, '
          f'{len(schedule.scripts)} jobs, faults: {"; ".join(map(str, schedule.plan)) or "none"}')
    if error is None:
        print(f'at rest after {schedule.hub.now:.1f} s, {schedule.hub.steps} steps')
        return 0
    if not isinstance(error, AssertionError):
        traceback.print_exception(error)
    print(f'{type(error).__name__}: {error}')
    return 1


def _play_many(seeds: range) -> int:
    logging.disable(logging.CRITICAL)
    began = time.process_time()
    failed = steps = 0
    for seed in seeds:
        schedule = Schedule(seed)
        try:
            schedule.play()
        except Exception as error:
            failed += 1
            print(f'seed {seed}: {type(error).__name__}: {error}')
        steps += schedule.hub.steps
    spent = time.process_time() - began
    print(f'{len(seeds)} schedules, {failed} failed; {spent:.1f} s of CPU, {1000 * spent / len(seeds):.1f} ms '
          f'and {steps / len(seeds):.0f} steps each')
    return 1 if failed else 0


def main(arguments: list[str]) -> int:
    """Return the exit status."""
    options = _parse(arguments)
    if options.seed is not None:
        return _play_one(options.seed, options.trace)
    return _play_many(range(options.first, options.first + options.count))


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
