# SPDX-License-Identifier: Apache-2.0
"""Whole engines do what the rules say: states, results, histories, what each call is given, and what is raised.

Killed at every append, before it and after it, and suspended anywhere, they come to an end that the rules allow, and
nothing that was recorded is called again.
"""

from __future__ import annotations

import logging
import random
from typing import Any

import testtools

from tests.property import runs
from tests.property.engines import CrashingBackend, EngineRun
from tests.property.shrink import shrink
from tests.reference.generator import OWN_PROFILES, random_spec
from tests.reference.spec import Spec
from tfd.persistence.memory import MemoryBackend
from tfd_drivers.sql.backend import SqlBackend

_MOST_APPENDS = 400


def _sqlite() -> CrashingBackend:
    backend = SqlBackend('sqlite://')
    backend.get_connection().upgrade()
    return CrashingBackend(backend)


def _memory() -> CrashingBackend:
    return CrashingBackend(MemoryBackend())


def _nothing() -> None:
    return None


class _Engines(testtools.TestCase):
    kind = 'serial'

    def setUp(self) -> None:
        super().setUp()
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)

    def check(self, count: int, play: Any) -> None:
        """Play random specs of all profiles; show the first that goes wrong, made smaller."""
        for seed in runs.seeds(count):
            for profile, odds in OWN_PROFILES.items():
                spec = random_spec(random.Random(seed), odds=odds)
                error = _error(play, spec, seed)
                if error is not None:
                    smaller = shrink(spec, lambda candidate, seed=seed: _error(play, candidate, seed) is not None)
                    self.fail(f'seed {seed}, {profile}, {self.kind}: {error!r}\n  shows in {smaller}:\n'
                              f'  {_error(play, smaller, seed)!r}')


def _error(play: Any, spec: Spec, seed: int) -> Exception | None:
    try:
        play(spec, random.Random(seed))
    except Exception as error:
        return error
    return None


class _Tests:
    kind: str
    check: Any

    def _play(self, backend: Any, suspend: float = 0.0) -> Any:
        def play(spec: Spec, rng: random.Random) -> None:
            place = backend()
            run = EngineRun(spec, self.kind, place, suspends=lambda: rng.random() < suspend)
            run.play(anew=lambda: place is not None and rng.random() < 0.5).check()

        return play

    def test_in_memory(self):
        self.check(40, self._play(_nothing))

    def test_recorded(self):
        self.check(40, self._play(_memory))

    def test_recorded_in_sqlite(self):
        self.check(8, self._play(_sqlite))

    def test_suspended_in_memory(self):
        self.check(40, self._play(_nothing, 0.1))

    def test_suspended_and_recorded(self):
        self.check(40, self._play(_memory, 0.1))

    def test_suspended_at_each_notification(self):
        self.check(8, self._play(_memory, 1.0))

    def test_crash_at_each_append(self):
        self.check(3, lambda spec, rng: self._crash_everywhere(spec, _memory))

    def test_crash_at_each_append_to_sqlite(self):
        self.check(1, lambda spec, rng: self._crash_everywhere(spec, _sqlite))

    def _crash_everywhere(self, spec: Spec, backend: Any) -> None:
        for after in (False, True):
            for at in range(1, _MOST_APPENDS):
                place = backend()
                place.at, place.after = at, after
                run = EngineRun(spec, self.kind, place)
                run.play().check()
                if run.lives == 2:  # one life, and one that only looks
                    break

    def test_crashes_anywhere(self):
        def play(spec: Spec, rng: random.Random) -> None:
            place = _memory()

            def suspends() -> bool:
                if not place.at and rng.random() < 0.2:
                    place.at, place.after = place.appends + rng.randint(1, 4), rng.random() < 0.5
                return rng.random() < 0.05

            EngineRun(spec, self.kind, place, suspends=suspends).play(anew=lambda: rng.random() < 0.5).check()

        self.check(40, play)


class SerialTest(_Tests, _Engines):
    kind = 'serial'


class ParallelTest(_Tests, _Engines):
    kind = 'parallel'
