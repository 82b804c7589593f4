# SPDX-License-Identifier: Apache-2.0
"""Engines that go on with what another one, or an earlier run, has left."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import testtools

from tfd import engines, exceptions, retry, task
from tfd.patterns import linear_flow
from tfd.persistence import memory, models


class Traced(task.Task):
    """Writes down its calls; the last of a flow may be told to fail."""

    def __init__(self, name: str, calls: list[Any], fails: bool = False) -> None:
        super().__init__(name)
        self.calls = calls
        self.fails = fails

    def execute(self) -> str:
        self.calls.append(f'{self.name}.x')
        if self.fails:
            raise ValueError(self.name)
        return f'{self.name}-result'

    def revert(self, result: Any, **kwargs: Any) -> None:
        self.calls.append((f'{self.name}.r', result if isinstance(result, str) else type(result).__name__))


class Stuck(Traced):
    """Cannot be reverted."""

    stuck = True

    def revert(self, result: Any, **kwargs: Any) -> None:
        super().revert(result)
        if self.stuck:
            raise OSError(f'{self.name} is stuck')


class Unreliable:
    """A journal whose appends from the n-th on are refused for as long as asked."""

    def __init__(self, journal: Any, refused: set[int]) -> None:
        self._journal = journal
        self._refused = refused
        self.number = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def append(self, entry: Any) -> None:
        self.number += 1
        if self.number in self._refused:
            raise exceptions.StorageUnavailable('away')
        self._journal.append(entry)


def _suspend_at(engine: Any, state: str, name: str) -> None:
    def look(found: str, details: dict[str, Any]) -> None:
        if found == state and details.get('task_name') == name:
            engine.suspend()

    engine.atom_notifier.register('*', look)


class HandOverTest(testtools.TestCase):

    def _flow(self, calls: list[Any], fails: bool) -> linear_flow.Flow:
        return linear_flow.Flow('f').add(Traced('a', calls), Traced('b', calls), Traced('c', calls, fails))

    def test_a_revert_that_is_withdrawn_keeps_the_result(self) -> None:
        backend, calls = memory.MemoryBackend(), []
        first = engines.load(self._flow(calls, True), backend=backend)
        _suspend_at(first, 'REVERTED', 'c')
        first.run()
        detail = backend.get_connection().get_flow_details(first.storage.flow_uuid)
        self.assertEqual('SUSPENDED', detail.state)
        second = engines.load(self._flow(calls, True), backend=backend, flow_detail=detail)
        self.assertRaises(ValueError, second.run)
        self.assertEqual(
            ['a.x', 'b.x', 'c.x', ('c.r', 'Failure'), ('b.r', 'b-result'), ('a.r', 'a-result')], calls)

    def test_a_flow_detail_without_a_backend_is_gone_on_with(self) -> None:
        for state, name, fails in (('SUCCESS', 'a', False), ('REVERTED', 'c', True)):
            calls: list[Any] = []
            detail = models.FlowDetail('f')
            first = engines.load(self._flow(calls, fails), flow_detail=detail)
            _suspend_at(first, state, name)
            first.run()
            second = engines.load(self._flow(calls, fails), flow_detail=detail)
            if fails:
                self.assertRaises(ValueError, second.run)
            else:
                second.run()
            self.assertEqual(['a.x', 'b.x', 'c.x'], calls[:3])
            self.assertEqual(6 if fails else 3, len(calls))


def _loaded(first: Any, flow: Any, backend: Any) -> Any:
    """Return an engine without options that loads what another one has recorded."""
    detail = backend.get_connection().get_flow_details(first.storage.flow_uuid)
    return engines.load(flow, backend=backend, flow_detail=detail)


class FailureTest(testtools.TestCase):
    """Another run of a flow in FAILURE: by the same engine, and by one that loads its record."""

    def setUp(self) -> None:
        super().setUp()
        self.calls: list[Any] = []

    def _engines(
        self, fails: bool = False, stuck: bool = False, **options: Any
    ) -> Iterator[tuple[Any, Callable[[], Any]]]:
        """Yield engines, made with the options, each with what returns the engine to go on with."""
        for another in (False, True):
            self.calls.clear()
            middle = Stuck('b', self.calls) if stuck else Traced('b', self.calls)
            flow = linear_flow.Flow('f').add(Traced('a', self.calls), middle, Traced('c', self.calls, fails))
            backend = memory.MemoryBackend()
            first = engines.load(flow, backend=backend, **options)
            yield first, functools.partial(_loaded, first, flow, backend) if another else lambda: first  # noqa: B023

    def _run(self, engine: Any) -> tuple[str, str, list[Any]]:
        """Run; return the flow's state, what was raised, and the calls."""
        self.calls.clear()
        error = self.assertRaises((exceptions.WrappedFailure, ValueError, OSError), engine.run)
        texts = [failure.exception_str for failure in error] if isinstance(
            error, exceptions.WrappedFailure) else [str(error)]
        return engine.storage.get_flow_state(), ' '.join(texts), [
            call if isinstance(call, str) else call[0] for call in self.calls]

    def test_after_a_failed_revert_nothing_is_done_and_the_same_is_raised(self) -> None:
        for first, following in self._engines(fails=True, stuck=True):
            self.assertEqual(('FAILURE', 'b is stuck', ['a.x', 'b.x', 'c.x', 'c.r', 'b.r']), self._run(first))
            for _ in range(2):
                self.assertEqual(('FAILURE', 'b is stuck', []), self._run(following()))

    def test_what_was_undone_by_hand_lets_the_rest_be_undone(self) -> None:
        for state, calls in (('REVERTED', ['a.r']), ('REVERTING', ['b.r', 'a.r'])):
            for first, following in self._engines(fails=True, stuck=True):
                self._run(first)
                engine = following()
                engine.prepare()
                engine.storage.set_atom_state('b', state)
                Stuck.stuck = False
                self.addCleanup(setattr, Stuck, 'stuck', True)
                self.assertEqual(('REVERTED', 'c', calls), self._run(engine))
                Stuck.stuck = True

    def test_after_never_resolve_nothing_is_done_and_the_same_is_raised(self) -> None:
        for first, following in self._engines(fails=True, never_resolve=True):
            self.assertEqual(('FAILURE', 'c', ['a.x', 'b.x', 'c.x']), self._run(first))
            engine = following()
            # Another one is made without the option: it decides about the failure.
            expected = ('FAILURE', 'c', []) if engine is first else ('REVERTED', 'c', ['c.r', 'b.r', 'a.r'])
            self.assertEqual(expected, self._run(engine))

    def test_after_an_error_thrown_into_run_iter_it_goes_on(self) -> None:
        for first, following in self._engines():
            steps = first.run_iter()
            for _ in steps:
                if self.calls:
                    break
            self.assertRaises(OSError, steps.throw, OSError('thrown'))
            self.assertEqual(('FAILURE', ['a.x']), (first.storage.get_flow_state(), self.calls))
            engine = following()
            engine.run()
            self.assertEqual(('SUCCESS', ['a.x', 'b.x', 'c.x']), (engine.storage.get_flow_state(), self.calls))

    def test_a_reset_begins_it_anew(self) -> None:
        for first, following in self._engines(fails=True, stuck=True):
            self._run(first)
            engine = following()
            engine.prepare()
            engine.reset()
            self.assertEqual(['a.x', 'b.x', 'c.x', 'c.r', 'b.r'], self._run(engine)[2])


class UnrecordedTest(testtools.TestCase):

    def test_an_attempt_that_could_not_be_recorded_counts_once(self) -> None:
        lengths: list[int] = []

        class Watched(retry.Times):
            def execute(self, history: Any, *args: Any, **kwargs: Any) -> int:
                lengths.append(len(history))
                return super().execute(history)

        for refused in range(1, 8):
            lengths.clear()
            calls: list[Any] = []
            backend = memory.MemoryBackend()
            journal = Unreliable(backend.journal(), {refused})
            backend.journal = lambda journal=journal: journal  # type: ignore[method-assign]
            failing = Traced('a', calls, fails=True)
            flow = linear_flow.Flow('f', retry=Watched(2, 'r')).add(failing)
            engine = engines.load(flow, backend=backend, patience=0)
            self.assertRaises(exceptions.StorageUnavailable, engine.run)
            failing.fails = len([call for call in calls if call == 'a.x']) == 0
            try:
                engine.run()
            except ValueError:
                failing.fails = False
            self.assertEqual(max(lengths), len(engine.storage.get_retry_history('r')) - 1, lengths)

    def test_the_other_flows_of_a_book_are_left_alone(self) -> None:
        backend, calls = memory.MemoryBackend(), []
        book = models.LogBook('b')
        first = engines.load(linear_flow.Flow('one').add(Traced('a', calls)), book=book, backend=backend)
        connection = backend.get_connection()
        old_copy = connection.get_logbook(book.uuid)
        first.run()
        engines.load(linear_flow.Flow('two').add(Traced('b', calls)), book=old_copy, backend=backend)
        stored = connection.get_flow_details(first.storage.flow_uuid)
        self.assertEqual('SUCCESS', stored.state)
        self.assertEqual(['SUCCESS'], [atom.state for atom in stored])


class OptionsTest(testtools.TestCase):

    def test_an_option_of_another_engine_is_left_alone(self) -> None:
        self.assertEqual({}, engines.run(linear_flow.Flow('f'), engine='serial', max_workers=3))

    def test_an_option_that_no_engine_knows_is_refused(self) -> None:
        self.assertRaisesRegex(ValueError, 'bogus', engines.load, linear_flow.Flow('f'), bogus=3)

    def test_options_in_a_url_are_read_as_what_they_are(self) -> None:
        engine = engines.load(linear_flow.Flow('f'), engine='parallel://?defer_reverts=false&max_workers=2')
        self.assertEqual({'defer_reverts': False, 'max_workers': 2}, engine.options)

    def test_switches_may_be_text(self) -> None:
        for name in ('defer_reverts', 'never_resolve', 'refuse_changed'):
            for text, expected in (('false', False), ('no', False), ('true', True), ('1', True)):
                engine = engines.load(linear_flow.Flow('f'), **{name: text})  # type: ignore[arg-type]
                self.assertEqual({name: expected}, engine.options)
            self.assertRaisesRegex(
                ValueError, 'maybe', engines.load, linear_flow.Flow('f'), **{name: 'maybe'})  # type: ignore[arg-type]


class HalfResetTest(testtools.TestCase):
    """A scope that is to run again, some of whose atoms were not reset: as a hand, or TaskFlow, leaves it."""

    def test_all_of_it_runs_again(self) -> None:
        calls: list[Any] = []
        flow = linear_flow.Flow('f', retry=retry.Times(3, name='r')).add(
            *(Traced(name, calls) for name in ('first', 'second')))
        engine = engines.load(flow)
        engine.compile()
        engine.prepare()
        engine.storage.set_atom_state('r', 'RETRYING')
        engine.storage.set_atom_state('second', 'REVERTED')
        told: list[Any] = []
        engine.atom_notifier.register(
            'PENDING', lambda state, details: told.append((details['task_name'], details['old_state'])))
        engine.run()
        self.assertEqual(['first.x', 'second.x'], calls)
        self.assertEqual([('second', 'REVERTED')], told)
        self.assertEqual('SUCCESS', engine.storage.get_flow_state())
