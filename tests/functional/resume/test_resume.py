# SPDX-License-Identifier: Apache-2.0
"""Kills the process of a flow at each of its appends, and lets another process go on.

What the flow comes to must be what it comes to undisturbed. TFD_PROPERTY_SEED is the seed of what is left to chance.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
from collections import Counter
from typing import Any

import testtools

from tests.functional.resume import life
from tests.functional.resume.flows import FLOWS
from tests.functional.sql.databases import MigratedDatabase

_SEED = int(os.environ.get('TFD_PROPERTY_SEED', '0'))


class _Places(testtools.TestCase):

    kind = 'serial'

    def _place(self, flow: str) -> life.Place:
        url = self.useFixture(MigratedDatabase('sqlite')).url
        return life.Place(os.path.dirname(url.removeprefix('sqlite:///')), flow, self.kind)


class Resumes(_Places):
    """Kills, and what comes of them.

    :ivar most_at_once: how many calls may be under way at a kill; those are made again.
    :ivar most_kills: at how many appends, left to chance but for the last one.
    """

    most_at_once = 1
    most_kills = 1000

    def setUp(self) -> None:
        super().setUp()
        self.chance = random.Random(_SEED)

    def _undisturbed(self, flow: str) -> tuple[dict[str, Any], list[str]]:
        place = self._place(flow)
        outcome = life.spawn(place)
        assert outcome is not None
        return outcome, place.ledger.calls()

    def _compare(
        self, flow: str, where: str, expected: tuple[dict[str, Any], list[str]], found: dict[str, Any] | None,
        calls: list[str], kills: int,
    ) -> None:
        outcome, undisturbed = expected
        where = f'{self.kind}, {flow}: {where}, seed {_SEED}'
        assert found is not None, where
        for what in outcome.keys() - {'appends'}:
            self.assertEqual(outcome[what], found[what], where)
        again = Counter(calls) - Counter(undisturbed)
        self.assertLessEqual(again.total(), kills * self.most_at_once, f'{where}: {again} too often')
        if self._is_ordered(flow):
            self.assertEqual(
                [call for call, _ in itertools.groupby(undisturbed)], [call for call, _ in itertools.groupby(calls)],
                where)

    def _is_ordered(self, flow: str) -> bool:
        return FLOWS[flow].ordered

    def _check_each(self, flow: str) -> None:
        expected = self._undisturbed(flow)
        last = expected[0]['appends']
        others = self.chance.sample(range(1, last), min(self.most_kills, last) - 1)
        for at in sorted([*others, last]):
            after = self.chance.random() < 0.5
            place = self._place(flow)
            where = f'killed {"after" if after else "before"} append {at}'
            self.assertIsNone(life.spawn(place, at, after), f'{flow}: {where}')
            found = life.spawn(place)
            self._compare(flow, where, expected, found, place.ledger.calls(), kills=1)

    def _check_again_and_again(self, flow: str) -> None:
        expected = self._undisturbed(flow)
        place = self._place(flow)
        kills: list[tuple[int, bool]] = []
        found = None
        while found is None:
            # The first append of a life may be of no news: every second one gets further.
            kills.append((self.chance.randint(2, 4), self.chance.random() < 0.5))
            found = life.spawn(place, *kills[-1])
            assert len(kills) < 100, f'{flow}: no end after {kills}'
        self._compare(flow, f'killed at {kills}', expected, found, place.ledger.calls(), len(kills))


class SerialTest(Resumes):
    """Killed once, at each append."""

    check = Resumes._check_each


class SerialAgainTest(Resumes):
    """Killed again and again."""

    check = Resumes._check_again_and_again


class ParallelAgainTest(Resumes):
    """Killed again and again, with calls under way at the same time."""

    kind = 'parallel'
    most_at_once = 4
    check = Resumes._check_again_and_again

    def _is_ordered(self, flow: str) -> bool:
        return False


def _add_tests() -> None:
    for flow in FLOWS:
        name = flow.replace(', ', '_').replace(' ', '_')
        for case in (SerialTest, SerialAgainTest, ParallelAgainTest):
            setattr(case, f'test_{name}', lambda self, flow=flow: self.check(flow))


_add_tests()


class NewPythonTest(_Places):
    """A Python that has never seen the flow goes on with it."""

    def test_every_flow(self) -> None:
        chance = random.Random(_SEED)
        for flow in chance.sample(sorted(FLOWS), 3):
            undisturbed = life.spawn(self._place(flow))
            assert undisturbed is not None
            place = self._place(flow)
            at = chance.randint(1, undisturbed['appends'])
            self.assertIsNone(life.spawn(place, at))
            ended = subprocess.run(
                [sys.executable, '-m', life.__name__, place.folder, flow, 'serial', '0', 'before'],
                stdout=subprocess.PIPE, check=True, timeout=120)
            found = json.loads(ended.stdout)
            for what in ('flow', 'atoms', 'failures', 'values'):
                self.assertEqual(undisturbed[what], found[what], f'{flow}, killed at {at}, seed {_SEED}')
