# SPDX-License-Identifier: Apache-2.0
"""The scheduler does what the rules say, on random flows: with and without barrier, windows, suspends and crashes.

TFD_PROPERTY_RUNS is the number of random flows per test, or, as x5, how many times as many; TFD_PROPERTY_SEED is the
first seed.
"""

from __future__ import annotations

import random

import testtools

from tests.property import runs
from tests.property.lockstep import Lockstep, Mode
from tests.property.shrink import shrink
from tests.reference.generator import OWN_PROFILES, random_spec
from tests.reference.spec import Spec

_UNBOUNDED = 1 << 30


def _play(spec: Spec, seed: int, mode: Mode) -> Exception | None:
    """Return what is wrong with a spec's run, if anything is."""
    try:
        Lockstep(spec, random.Random(seed), mode).play()
    except Exception as error:
        return error
    return None


class _Profiles:
    """One test for each profile of odds."""

    mode: Mode

    def check(self, profile: str) -> None:
        for seed in runs.seeds(500):
            rng = random.Random(seed)
            spec = random_spec(rng, size=rng.choice((4, 8, 8, 14)), odds=OWN_PROFILES[profile])
            error = _play(spec, seed, self.mode)
            if error is not None:
                smaller = shrink(spec, lambda candidate, seed=seed: _play(candidate, seed, self.mode) is not None)
                self.fail(f'seed {seed}, {profile}, {self.mode}: {error}\n  shows in {smaller}:\n'
                          f'  {_play(smaller, seed, self.mode)}')

    def test_mixed(self):
        self.check('mixed')

    def test_deciders(self):
        self.check('deciders')

    def test_verdicts(self):
        self.check('verdicts')

    def test_raising(self):
        self.check('raising')

    def test_gates(self):
        self.check('gates')


class BarrierTest(_Profiles, testtools.TestCase):
    mode = Mode(barrier=True)


class BarrierOneTest(_Profiles, testtools.TestCase):
    mode = Mode(barrier=True, window=1)


class BarrierTwoTest(_Profiles, testtools.TestCase):
    mode = Mode(barrier=True, window=2)


class ParallelTest(_Profiles, testtools.TestCase):
    mode = Mode(barrier=False)


class ParallelOneTest(_Profiles, testtools.TestCase):
    mode = Mode(barrier=False, window=1)


class ParallelTwoTest(_Profiles, testtools.TestCase):
    mode = Mode(barrier=False, window=2)


class BarrierCrashTest(_Profiles, testtools.TestCase):
    mode = Mode(barrier=True, crashes=0.3)


class BarrierOneCrashTest(_Profiles, testtools.TestCase):
    mode = Mode(barrier=True, window=1, crashes=0.3)


class ParallelCrashTest(_Profiles, testtools.TestCase):
    mode = Mode(barrier=False, crashes=0.3)


class ParallelTwoCrashTest(_Profiles, testtools.TestCase):
    mode = Mode(barrier=False, window=2, crashes=0.3)


class RareTest(testtools.TestCase):
    """Runs that come to what few runs come to: found by what no other test had covered."""

    def _check(self, profile: str, mode: Mode, seed: int) -> None:
        rng = random.Random(seed)
        spec = random_spec(rng, size=rng.choice((4, 8, 8, 14)), odds=OWN_PROFILES[profile])
        self.assertIsNone(_play(spec, seed, mode), f'seed {seed}')

    def test_a_retry_fails_again_in_the_way_it_has_failed_before(self):
        self._check('raising', Mode(barrier=True, crashes=0.3), 38)

    def test_something_wider_is_decided_while_a_retry_waits_for_its_turn(self):
        self._check('mixed', Mode(barrier=False, window=1), 90)

    def test_a_wider_verdict_is_recorded_before_a_crash(self):
        self._check('verdicts', Mode(barrier=True, crashes=0.3), 100)

    def test_a_forgotten_answer_frees_what_it_ignored(self):
        self._check('verdicts', Mode(barrier=False), 146)

    def test_a_retry_that_is_ignored_is_not_asked(self):
        self._check('gates', Mode(barrier=False, window=1), 135)

    def test_atoms_that_never_began_are_reset(self):
        self._check('gates', Mode(barrier=True), 228)

    def test_an_answer_reaches_what_has_begun(self):
        self._check('deciders', Mode(barrier=True), 199)


class CrashAtEachStepTest(testtools.TestCase):
    """One crash, after the first step, the second, and so on to the end of the run."""

    def _check(self, mode: Mode, seed: int) -> None:
        spec = random_spec(random.Random(seed), odds=OWN_PROFILES['raising'])
        for step in range(200):
            lockstep = _CrashAt(spec, random.Random(seed), mode, step)
            try:
                lockstep.play()
            except Exception as error:
                self.fail(f'seed {seed}, {mode}, crash after step {step}: {error}\n  {spec}\n  {lockstep.calls}')
            if not lockstep.crashed:
                return

    def test_serial(self):
        for seed in runs.seeds(60):
            self._check(Mode(barrier=True, window=1), seed)

    def test_parallel(self):
        for seed in runs.seeds(60):
            self._check(Mode(barrier=False), seed)


class _CrashAt(Lockstep):
    def __init__(self, spec: Spec, rng: random.Random, mode: Mode, step: int) -> None:
        super().__init__(spec, rng, mode)
        self.step = step
        self.crashed = False

    def crashes(self) -> bool:
        if self.number != self.step:
            return False
        self.crashed = True
        return True
