# SPDX-License-Identifier: Apache-2.0
"""Claims and fences that are lost, and databases that are away."""

from __future__ import annotations

from typing import Any

from tests.unit.engines.tracing import KINDS, EngineTestCase, raising
from tfd import engines, exceptions
from tfd.persistence import memory
from tfd.persistence.record import Fence


class _Claim:
    """An ownership that ends when it is told to."""

    def __init__(self) -> None:
        self.checks = 0
        self.ends_at = 0
        self.settled: list[Any] = []

    fence = Fence('job', 1)

    def check(self) -> None:
        self.checks += 1
        if self.checks == self.ends_at:
            raise exceptions.OwnershipLost('job', 1, 'the test says so')

    def settlement(self, flow_state: str, failures: Any) -> None:
        self.settled.append((flow_state, [str(failure) for failure in failures]))


class _Fences:
    """Knows one job, whose fence holds for so many writes."""

    def __init__(self, writes: int = 1 << 30) -> None:
        self.writes = writes

    def claim_on(self, flow: str) -> None:
        return None

    def guard(self, fence: Fence, progress: bool) -> None:
        self.writes -= 1
        if self.writes < 0:
            raise exceptions.OwnershipLost(fence.job, fence.epoch, 'the job has another epoch')

    def settle(self, fence: Fence, settlement: Any, progress: bool = False) -> None:
        raise AssertionError('no settlement was given')


class OwnershipTest(EngineTestCase):
    def _recorded(self, engine: Any, backend: Any) -> dict[str, str]:
        return {atom.name: atom.state for atom in backend.journal().load(engine.storage.flow_uuid).atoms}

    def test_the_claim_is_checked_before_each_call(self):
        for kind in KINDS:
            claim = _Claim()
            engine = engines.load(self.linear('a', 'b'), engine=kind, ownership=claim,
                                  backend=memory.MemoryBackend(fences=_Fences()))
            engine.run()
            self.assertEqual(2, claim.checks)
            self.assertEqual([('SUCCESS', [])], claim.settled)

    def test_a_lost_check_stops_at_once(self):
        for kind in KINDS:
            self.calls.clear()
            claim, backend = _Claim(), memory.MemoryBackend(fences=_Fences())
            claim.ends_at = 2
            engine = engines.load(self.linear('a', 'b', 'c'), engine=kind, ownership=claim, backend=backend)
            self.assertRaises(exceptions.OwnershipLost, engine.run)
            self.assertEqual(['a.x'], self.calls)
            self.assertEqual([], claim.settled)
            self.assertEqual({'a': 'SUCCESS', 'b': 'RUNNING', 'c': 'PENDING'}, self._recorded(engine, backend))
            self.assertEqual('RUNNING', backend.journal().load(engine.storage.flow_uuid).flow.state)

    def test_a_lost_check_before_a_revert_stops_at_once(self):
        for kind in KINDS:
            self.calls.clear()
            claim, backend = _Claim(), memory.MemoryBackend(fences=_Fences())
            claim.ends_at = 4
            engine = engines.load(
                self.linear('a', 'b', b=raising(ValueError('b'))), engine=kind, ownership=claim, backend=backend)
            self.assertRaises(exceptions.OwnershipLost, engine.run)
            self.assertEqual(['a.x', 'b.x', 'b.r'], self.calls)
            self.assertEqual({'a': 'REVERTING', 'b': 'REVERTED'}, self._recorded(engine, backend))

    def test_a_lost_fence_stops_at_once(self):
        for kind in KINDS:
            for writes in range(4):
                self.calls.clear()
                claim, backend = _Claim(), memory.MemoryBackend(fences=_Fences(writes))
                engine = engines.load(self.linear('a', 'b', 'c'), engine=kind, ownership=claim, backend=backend)
                error = self.assertRaises(exceptions.OwnershipLost, engine.run)
                self.assertEqual(('job', 1), (error.job, error.epoch))
                # One write creates, one starts a, one ends a and starts b.
                self.assertEqual(['a.x', 'b.x', 'c.x'][:max(0, writes - 1)], self.calls)
                self.assertEqual([], claim.settled)

    def test_what_failed_is_told_to_whoever_settles(self):
        claim = _Claim()
        engine = engines.load(self.linear('a', a=raising(ValueError('no'))), ownership=claim,
                              backend=memory.MemoryBackend(fences=_Fences()))
        self.assertRaises(ValueError, engine.run)
        self.assertEqual([('REVERTED', ['Failure: ValueError: no'])], claim.settled)


class _Away:
    """A journal that is away at some of its calls."""

    def __init__(self, journal: Any, away: set[int], recorded: bool) -> None:
        self._journal = journal
        self.away = away
        self.recorded = recorded
        self.number = 0
        self.error: BaseException = exceptions.StorageUnavailable('the database is away')

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def append(self, entry: Any) -> None:
        self.number += 1
        gone = self.number in self.away
        if not gone or self.recorded:
            self._journal.append(entry)
        if gone:
            raise self.error


class OutageTest(EngineTestCase):
    def _engine(self, flow: Any, away: set[int], recorded: bool = False, **options: Any) -> tuple[Any, list[float]]:
        backend = memory.MemoryBackend()
        journal = _Away(backend.journal(), away, recorded)
        backend.journal = lambda: journal  # type: ignore[method-assign]
        slept: list[float] = []
        return engines.load(flow, backend=backend, sleep=slept.append, **options), slept

    def test_an_outage_is_waited_for_and_nothing_is_reverted(self):
        for kind in KINDS:
            for recorded in (False, True):
                for first in range(1, 5):
                    self.calls.clear()
                    engine, slept = self._engine(
                        self.linear('a', 'b', 'c'), {first, first + 1, first + 2}, recorded, engine=kind)
                    engine.run()
                    self.assertEqual(['a.x', 'b.x', 'c.x'], self.calls)
                    self.assertEqual(3, len(slept))
                    self.assertEqual('SUCCESS', engine.storage.get_flow_state())

    def test_an_outage_that_lasts_is_raised_and_the_flow_can_be_resumed(self):
        for kind in KINDS:
            for first in range(1, 5):
                self.calls.clear()
                engine, _slept = self._engine(self.linear('a', 'b', 'c'), {first}, engine=kind, patience=0)
                self.assertRaises(exceptions.StorageUnavailable, engine.run)
                self.assertNotIn('a.r', self.calls)
                engine.run()
                self.assertEqual({'a.x', 'b.x', 'c.x'}, set(self.calls))
                self.assertLessEqual(len(self.calls), 4)
                self.assertEqual('SUCCESS', engine.storage.get_flow_state())

    def test_what_was_recorded_after_all_is_not_called_again(self):
        for kind in KINDS:
            for first in range(1, 5):
                self.calls.clear()
                engine, _slept = self._engine(self.linear('a', 'b', 'c'), {first}, True, engine=kind, patience=0)
                self.assertRaises(exceptions.StorageUnavailable, engine.run)
                engine.run()
                self.assertEqual(['a.x', 'b.x', 'c.x'], self.calls)
                self.assertEqual('SUCCESS', engine.storage.get_flow_state())

    def test_an_interrupt_of_a_write_that_was_recorded(self):
        for first in range(1, 5):
            self.calls.clear()
            engine, _slept = self._engine(self.linear('a', 'b', 'c'), {first}, True)
            engine.storage.backend.journal().error = KeyboardInterrupt()
            self.assertRaises(KeyboardInterrupt, engine.run)
            engine.run()
            self.assertEqual(['a.x', 'b.x', 'c.x'], self.calls)

    def test_a_lost_claim_ends_the_waiting(self):
        claim = _Claim()
        backend = memory.MemoryBackend(fences=_Fences())
        journal = _Away(backend.journal(), set(range(2, 100)), False)
        backend.journal = lambda: journal  # type: ignore[method-assign]
        claim.ends_at = 5
        engine = engines.load(
            self.linear('a', 'b'), backend=backend, ownership=claim, sleep=lambda seconds: None)
        self.assertRaises(exceptions.OwnershipLost, engine.run)
        self.assertEqual(['a.x'], self.calls)
