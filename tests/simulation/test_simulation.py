# SPDX-License-Identifier: Apache-2.0
"""Schedules of a simulated fleet keep every promise, and a fleet without its safeguards does not."""

from __future__ import annotations

import logging
import subprocess
import sys

import testtools

from tests.property import runs
from tests.simulation.mutants import MUTANTS, mutated
from tests.simulation.placing import preferred
from tests.simulation.schedule import Schedule
from tfd.jobs import placement

#: Schedules of each class, of which there are four: they are what is spread over processes.
#: TFD_PROPERTY_RUNS=5000 plays 20,000, in five minutes of two processors.
_COUNT = 1000


class _TestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)


class _Schedules:
    part = 0

    def test_every_promise_is_kept(self):
        found = []
        seeds = runs.seeds(_COUNT)
        for seed in range(seeds.start + self.part * len(seeds), seeds.stop + self.part * len(seeds)):
            try:
                Schedule(seed).play()
            except Exception as error:
                found.append(f'python -m tests.simulation --seed {seed} --trace  # {type(error).__name__}: {error}')
        self.assertEqual([], found, '\n'.join(found[:20]))


class FirstSchedulesTest(_Schedules, _TestCase):
    part = 0


class SecondSchedulesTest(_Schedules, _TestCase):
    part = 1


class ThirdSchedulesTest(_Schedules, _TestCase):
    part = 2


class FourthSchedulesTest(_Schedules, _TestCase):
    part = 3


class FoundTest(_TestCase):
    """Schedules in which something was found once."""

    def test_stopped_between_the_board_id_and_the_orphans(self):
        Schedule(18053).play()


class MutantsTest(_TestCase):
    """What takes a safeguard out is found within so many seeds."""

    def _find(self, name, within, what):
        with mutated(MUTANTS[name]) as make_tables:
            for seed in range(within):
                try:
                    Schedule(seed, make_tables=make_tables).play()
                except AssertionError as error:
                    self.assertRegex(f'{type(error).__name__}: {error}', what)
                    return
        self.fail(f'{name}: not missed in {within} schedules')

    def test_without_the_guard(self):
        self._find('no guard', 200, 'Violation: .* epoch . (recorded|settled)')

    def test_without_the_own_clock(self):
        self._find('no own clock', 200, 'Violation: .* its session ended')

    def test_where_settling_keeps_the_epoch(self):
        self._find('settle keeps the epoch', 50, 'Violation: .* after it was COMPLETE')

    def test_where_a_claim_ignores_the_row(self):
        self._find('claim ignores the row', 300, 'Violation: .* (claimed it after it was|took it from)')

    def test_where_claims_are_not_counted(self):
        self._find('claims are not counted', 100, 'Stuck: not at rest')

    def test_without_the_boards_id(self):
        self._find('no board id', 300, 'Violation: .* may believe that it lives')

    def test_where_outages_are_failures(self):
        self._find('outages are failures', 1000, 'Violation: .* blamed for what broke elsewhere')

    def test_without_a_reconciler(self):
        self._find('no reconciler', 500, 'Stuck: not at rest')


class PlacingTest(_TestCase):

    def test_it_is_placed_as_it_is_in_earnest(self):
        for size in (1, 2, 5, 9):
            members = frozenset(f'c{number}/1/{number}' for number in range(size))
            for me in [*members, 'another/1/1']:
                self.assertEqual(placement.preferred(range(64), members, me), preferred(range(64), members, me))


class ReplayTest(_TestCase):

    def test_a_seed_is_one_schedule(self):
        one, other = (
            subprocess.run([sys.executable, '-m', 'tests.simulation', '--seed', '50', '--trace'],
                           env={'PYTHONHASHSEED': seed}, capture_output=True, text=True, check=True).stdout
            for seed in '12')
        self.assertIn('FAULT', one)
        self.assertEqual(one, other)
