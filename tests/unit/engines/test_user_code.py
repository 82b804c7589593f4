# SPDX-License-Identifier: Apache-2.0
"""Errors in retries, in deciders and around calls."""

from __future__ import annotations

from typing import Any

from tests.unit.engines.tracing import KINDS, EngineTestCase, Traced, raising
from tfd import engines, exceptions, retry, task
from tfd.patterns import graph_flow, linear_flow, unordered_flow
from tfd.persistence import memory, models
from tfd.types.failure import Failure


class _Ask(retry.Retry):
    """Answers what it is told."""

    def __init__(self, answer: Any) -> None:
        super().__init__('r')
        self.answer = answer

    def execute(self, *args: Any, **kwargs: Any) -> None:
        """Provide nothing."""

    def on_failure(self, *args: Any, **kwargs: Any) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class UserCodeTest(EngineTestCase):
    """Errors in retries, deciders and around calls are failures, which are decided about as any other."""

    def _asked(self, answer: Any, kind: str, outer: Any = None) -> Any:
        inner = linear_flow.Flow('inner', retry=_Ask(answer)).add(
            Traced('b', self.calls, raising(ValueError('b'))))
        return engines.load(
            linear_flow.Flow('outer', retry=outer).add(Traced('a', self.calls), inner), engine=kind)

    def test_an_on_failure_that_raises_reverts_everything(self):
        for kind in KINDS:
            self.calls.clear()
            engine = self._asked(KeyError('asked'), kind)
            error = self.assertRaises(exceptions.WrappedFailure, engine.run)
            self.assertIs(KeyError, error.check(KeyError))
            self.assertIs(ValueError, error.check(ValueError))
            self.assertEqual(['a.x', 'b.x', 'b.r', 'a.r'], self.calls)
            self.assertEqual('REVERTED', engine.storage.get_flow_state())

    def test_an_on_failure_that_raises_twice_failed_once(self):
        errors = [KeyError('first'), KeyError('second')]
        asked = _Ask(None)
        asked.on_failure = lambda **kwargs: raising(errors.pop(0))()  # type: ignore[method-assign]
        flow = unordered_flow.Flow('f', retry=asked).add(
            *(Traced(name, self.calls, raising(ValueError(name))) for name in 'ab'))
        engine = engines.load(flow, backend=memory.MemoryBackend())
        error = self.assertRaises(exceptions.WrappedFailure, engine.run)
        self.assertEqual(3, len(error))
        self.assertEqual("'first'", engine.storage.get('r').exception_str)
        self.assertEqual([], errors)

    def test_an_answer_that_is_none_is_named(self):
        for answer in ('AGAIN', None, True):
            error = self.assertRaises(exceptions.WrappedFailure, self._asked(answer, 'serial').run)
            texts = [failure.exception_str for failure in error]
            self.assertIn(f"retry 'r' answered {answer!r}", ''.join(texts))

    def test_an_answer_may_be_the_word(self):
        for answer, calls in (('REVERT', ['a.x', 'b.x', 'b.r']), ('REVERT_ALL', ['a.x', 'b.x', 'b.r', 'a.r'])):
            self.calls.clear()
            self.assertRaises(ValueError, self._asked(answer, 'serial').run)
            self.assertEqual(calls, self.calls)

    def test_an_on_failure_that_raises_is_decided_by_the_retry_around(self):
        for kind in KINDS:
            self.calls.clear()
            engine = self._asked(KeyError('asked'), kind, retry.Times(2, 'outer'))
            self.assertRaises(exceptions.WrappedFailure, engine.run)
            self.assertEqual(2, self.calls.count('a.x'))

    def test_an_on_failure_without_the_arguments_of_execute_is_a_failure(self):
        class Narrow(retry.Times):
            def on_failure(self, history: Any, x: Any) -> Any:  # type: ignore[override]
                return retry.RETRY

        flow = linear_flow.Flow('f', retry=Narrow(2, 'r')).add(Traced('b', self.calls, raising(ValueError('b'))))
        error = self.assertRaises(exceptions.WrappedFailure, engines.run, flow, store={'x': 1})
        self.assertIs(TypeError, error.check(TypeError))

    def _decided(self, decider: Any, kind: str, controller: Any = None) -> Any:
        flow = graph_flow.Flow('g', retry=controller)
        a, b = Traced('a', self.calls), Traced('b', self.calls)
        flow.add(a, b)
        flow.link(a, b, decider=decider)
        return engines.load(flow, engine=kind)

    def test_a_decider_that_raises_reverts(self):
        for kind in KINDS:
            self.calls.clear()
            engine = self._decided(lambda history: 1 // 0, kind)
            self.assertRaises(ZeroDivisionError, engine.run)
            self.assertEqual(['a.x', 'a.r'], self.calls)
            self.assertEqual('PENDING', engine.storage.get_atom_state('b'))
            self.assertEqual(['b'], list(engine.storage.get_execute_failures()))

    def test_a_decider_that_raises_is_asked_again_by_a_retry(self):
        answers = [0, 1]
        for kind in KINDS:
            self.calls.clear()
            answers[:] = [0, 1]
            engine = self._decided(lambda history: 1 // answers.pop(0), kind, retry.Times(2, 'r'))
            engine.run()
            self.assertEqual(['a.x', 'a.r', 'a.x', 'b.x'], self.calls)
            self.assertEqual({}, engine.storage.get_failures())

    def test_deciders_are_called_with_a_history_each_of_their_own(self):
        seen = []

        def spoil(history: dict[str, Any]) -> bool:
            seen.append(dict(history))
            history.clear()
            return True

        flow = graph_flow.Flow('g')
        a, b, c = (Traced(name, self.calls) for name in 'abc')
        flow.add(a, b, c)
        flow.link(a, c, decider=spoil)
        flow.link(b, c, decider=spoil)
        engines.run(flow)
        self.assertEqual([{'a': 'a', 'b': 'b'}] * 2, seen)

    def test_post_execute_that_raises_is_a_failure(self):
        class Posted(Traced):
            def post_execute(self) -> None:
                raise ValueError('post')

        for kind in KINDS:
            self.calls.clear()
            flow = linear_flow.Flow('f').add(Traced('a', self.calls), Posted('b', self.calls))
            self.assertRaises(ValueError, engines.run, flow, engine=kind)
            self.assertEqual(['a.x', 'b.x', 'b.r', 'a.r'], self.calls)

    def test_post_execute_is_called_after_a_failure_which_stays(self):
        class Posted(Traced):
            def pre_execute(self) -> None:
                raise KeyError('pre')

            def post_execute(self) -> None:
                self.calls.append('post')
                raise ValueError('post')

        self.assertRaises(KeyError, engines.run, linear_flow.Flow('f').add(Posted('a', self.calls)))
        self.assertEqual(['post', 'a.r'], self.calls)

    def test_a_revert_that_raises_leaves_what_was_before(self):
        for kind in KINDS:
            self.calls.clear()
            flow = linear_flow.Flow('f').add(
                Traced('a', self.calls), Traced('b', self.calls, None, raising(KeyError('b'))),
                Traced('c', self.calls, raising(ValueError('c'))))
            engine = engines.load(flow, engine=kind)
            self.assertRaises(KeyError, engine.run)
            self.assertEqual(['a.x', 'b.x', 'c.x', 'c.r', 'b.r'], self.calls)
            self.assertEqual(['SUCCESS', 'REVERT_FAILURE', 'REVERTED'], self.states(engine, 'a', 'b', 'c'))
            self.assertIsInstance(engine.storage.get_revert_result('b'), Failure)

    def test_never_resolve_asks_and_reverts_nothing(self):
        for kind in KINDS:
            self.calls.clear()
            flow = linear_flow.Flow('f', retry=_Ask(retry.RETRY)).add(
                Traced('a', self.calls), Traced('b', self.calls, raising(ValueError('b'))), Traced('c', self.calls))
            engine = engines.load(flow, engine=kind, never_resolve=True)
            self.assertRaises(ValueError, engine.run)
            self.assertEqual(['a.x', 'b.x'], self.calls)
            self.assertEqual('FAILURE', engine.storage.get_flow_state())
            self.assertEqual({'b': ('FAILURE', 'EXECUTE')}, engine.storage.get_atoms_states(['b']))

    def test_an_argument_that_cannot_be_had_is_a_failure_of_its_task(self):
        class Takes(task.Task):
            def execute(self, y: Any) -> None:
                """Take."""

        for kind in KINDS:
            self.calls.clear()
            short = task.FunctorTask(lambda: (1,), name='s', provides=('x', 'y'))
            flow = linear_flow.Flow('f').add(Traced('a', self.calls), short, Takes('t'))
            error = self.assertRaises(exceptions.NotFound, engines.run, flow, engine=kind)
            self.assertIn("'y'", str(error))
            self.assertEqual(['a.x', 'a.r'], self.calls)


class Takes(task.Task):
    """Needs the same to be executed and to be reverted; raises when it is told to."""

    def __init__(self, name: str, calls: list[str], error: Exception | None = None, inject: Any = None) -> None:
        super().__init__(name, inject=inject)
        self.calls = calls
        self.error = error

    def execute(self, y: Any) -> None:
        self.calls.append(f'{self.name}.x')
        if self.error is not None:
            raise self.error

    def revert(self, y: Any, **kwargs: Any) -> None:
        self.calls.append(f'{self.name}.r')


class _NeedsY(retry.Times):
    """A retry that cannot be called either."""

    def execute(self, y: Any, history: Any, *args: Any, **kwargs: Any) -> None:
        """Provide nothing."""

    def revert(self, y: Any, history: Any, *args: Any, **kwargs: Any) -> None:
        """Undo nothing."""


class NotCalledTest(EngineTestCase):
    """What could not be called has nothing to revert: its revert, which may need the same, is not called either."""

    def _flow(self, last: Any, outer: Any = None, provides: Any = ('x', 'y')) -> linear_flow.Flow:
        short = task.FunctorTask(lambda: (1,), name='s', provides=provides)
        return linear_flow.Flow('f', retry=outer).add(Traced('a', self.calls), short, last)

    def _ends_reverted(self, engine: Any, name: str) -> None:
        self.assertRaises((exceptions.NotFound, exceptions.WrappedFailure), engine.run)
        self.assertEqual('REVERTED', engine.storage.get_flow_state())
        self.assertEqual(['REVERTED'] * 3, self.states(engine, 'a', 's', name))
        self.assertEqual(['a.x', 'a.r'], self.calls)

    def test_a_task_counts_as_reverted(self):
        for kind in KINDS:
            self.calls.clear()
            self._ends_reverted(engines.load(self._flow(Takes('t', self.calls)), engine=kind), 't')

    def test_a_retry_counts_as_reverted(self):
        for kind in KINDS:
            self.calls.clear()
            inner = linear_flow.Flow('inner', retry=_NeedsY(2, 'r')).add(Traced('b', self.calls))
            self._ends_reverted(engines.load(self._flow(inner), engine=kind), 'r')

    def test_so_it_does_for_who_goes_on(self):
        for backend in (None, memory.MemoryBackend()):
            self.calls.clear()
            detail = models.FlowDetail('f')
            if backend is not None:
                book = models.LogBook('b')
                book.add(detail)
                backend.get_connection().save_logbook(book)
            first = engines.load(self._flow(Takes('t', self.calls)), flow_detail=detail, backend=backend)
            first.atom_notifier.register('FAILURE', lambda state, details: first.suspend())  # noqa: B023
            first.run()
            self.assertEqual(('SUSPENDED', ['a.x']), (first.storage.get_flow_state(), self.calls))
            if backend is not None:
                detail = backend.get_connection().get_flow_details(detail.uuid)
            self._ends_reverted(
                engines.load(self._flow(Takes('t', self.calls)), flow_detail=detail, backend=backend), 't')

    def test_one_that_was_called_is_reverted_with_a_call(self):
        own = exceptions.NotFound('of its own')
        flow = linear_flow.Flow('f').add(Takes('t', self.calls, own, inject={'y': 1}))
        self.assertRaises(exceptions.NotFound, engines.run, flow)
        self.assertEqual(['t.x', 't.r'], self.calls)

    def test_another_attempt_may_call_it(self):
        """It cannot be called, is made as it was, and called; a successor reverts that."""
        for kind in KINDS:
            self.calls.clear()
            backend, results = memory.MemoryBackend(), [(1,), (1, 2)]

            def flow(results: list[Any] = results) -> linear_flow.Flow:
                short = task.FunctorTask(lambda: results.pop(0), name='s', provides=('x', 'y'))
                return linear_flow.Flow('f', retry=retry.Times(2, 'r')).add(
                    short, Takes('t', self.calls, ValueError('called')))

            first = engines.load(flow(), engine=kind, backend=backend)
            first.atom_notifier.register(
                'FAILURE', lambda state, details: first.suspend() if self.calls else None)  # noqa: B023
            first.run()
            self.assertEqual(['t.x'], self.calls)
            detail = backend.get_connection().get_flow_details(first.storage.flow_uuid)
            self.assertEqual([], [one.name for one in detail if 'uncalled' in (one.meta or {})])
            second = engines.load(flow(), engine=kind, backend=backend, flow_detail=detail)
            self.assertRaises(ValueError, second.run)
            self.assertEqual(['t.x', 't.r'], self.calls)
