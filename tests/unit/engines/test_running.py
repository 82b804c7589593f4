# SPDX-License-Identifier: Apache-2.0
"""Runs that come again, resets, what is refused, and whose executor is closed."""

from __future__ import annotations

import threading
from concurrent import futures
from typing import Any
from unittest import mock

from tests.unit.engines.tracing import KINDS, EngineTestCase, Traced, raising
from tfd import engines, exceptions, retry, task
from tfd import plan as planning
from tfd.patterns import graph_flow, linear_flow, unordered_flow
from tfd.persistence import memory


class RunAgainTest(EngineTestCase):
    def test_after_success_nothing_is_called(self):
        for kind in KINDS:
            self.calls.clear()
            engine = engines.load(self.linear('a', 'b'), engine=kind)
            engine.run()
            engine.run()
            self.assertEqual(['a.x', 'b.x'], self.calls)
            self.assertEqual('SUCCESS', engine.storage.get_flow_state())

    def test_after_success_the_flow_tells_of_running_and_success(self):
        engine = engines.load(self.linear('a'))
        engine.run()
        heard: list[Any] = []
        engine.notifier.register('*', lambda state, details: heard.append((details['old_state'], state)))
        engine.run()
        self.assertEqual([('SUCCESS', 'RUNNING'), ('RUNNING', 'SUCCESS')], heard)

    def test_after_reverted_everything_begins_anew(self):
        errors = [ValueError('b')]

        def once() -> None:
            if errors:
                raise errors.pop()

        flow = linear_flow.Flow('f', retry=retry.AlwaysRevert('r'))
        flow.add(Traced('a', self.calls), Traced('b', self.calls, once))
        engine = engines.load(flow, backend=memory.MemoryBackend())
        self.assertRaises(ValueError, engine.run)
        self.assertEqual('REVERTED', engine.storage.get_flow_state())
        heard: list[Any] = []
        engine.notifier.register('*', lambda state, details: heard.append(state))
        engine.run()
        self.assertEqual(['a.x', 'b.x', 'b.r', 'a.r', 'a.x', 'b.x'], self.calls)
        self.assertEqual(['PENDING', 'RUNNING', 'SUCCESS'], heard)
        self.assertEqual(1, len(engine.storage.get_retry_history('r')))
        self.assertEqual({}, engine.storage.get_failures())

    def test_after_a_failed_revert_nothing_is_called_and_it_is_raised_again(self):
        for kind in KINDS:
            self.calls.clear()
            a = Traced('a', self.calls, None, raising(KeyError('a')))
            engine = engines.load(
                linear_flow.Flow('f').add(a, Traced('b', self.calls, raising(ValueError('b')))), engine=kind)
            self.assertRaises(KeyError, engine.run)
            called = list(self.calls)
            self.assertRaises(KeyError, engine.run)
            self.assertEqual(called, self.calls)
            self.assertEqual('FAILURE', engine.storage.get_flow_state())
            self.assertEqual(['REVERT_FAILURE', 'REVERTED'], self.states(engine, 'a', 'b'))

    def test_several_failed_reverts_are_raised_together(self):
        flow = linear_flow.Flow('f').add(
            unordered_flow.Flow('u').add(*(Traced(n, self.calls, None, raising(KeyError(n))) for n in 'ab')),
            Traced('c', self.calls, raising(ValueError('c'))))
        error = self.assertRaises(exceptions.WrappedFailure, engines.load(flow).run)
        self.assertEqual(2, len(error))
        self.assertIs(KeyError, error.check(ValueError, KeyError))

    def test_one_failure_is_raised_as_itself(self):
        failure = ValueError('b')
        for kind in KINDS:
            error = self.assertRaises(
                ValueError, engines.run, self.linear('a', 'b', b=raising(failure)), engine=kind)
            self.assertIs(failure, error)

    def test_two_runs_at_once_are_refused(self):
        engine = engines.load(self.linear('a', a=lambda: engine.run()))
        error = self.assertRaises(exceptions.ExecutionFailure, engine.run)
        self.assertIn("'f' is being run", str(error))

    def test_what_is_refused_during_a_write_has_touched_nothing(self):
        for kind in KINDS:
            backend = memory.MemoryBackend()
            engine = engines.load(self.linear('a', 'b'), engine=kind, backend=backend)
            engine.prepare()
            columns, record, refused = engine.storage.columns, engine.storage.record, []

            def while_another_runs(*args: Any, engine=engine, record=record, refused=refused) -> None:
                refused.append(self.assertRaises(exceptions.ExecutionFailure, engine.run))
                engine.prepare()
                record(*args)

            with mock.patch.object(engine.storage, 'record', while_another_runs):
                engine.run()
            self.assertNotEqual([], refused)
            self.assertIs(columns, engine.storage.columns)

    def test_a_run_that_is_not_valid_leaves_the_engine_free(self):
        engine = engines.load(linear_flow.Flow('f').add(task.FunctorTask(lambda missing: missing, name='a')))
        self.assertRaises(exceptions.MissingDependencies, engine.run)
        engine.storage.inject({'missing': 1})
        engine.run()
        self.assertEqual('SUCCESS', engine.storage.get_flow_state())


class TimeoutTest(EngineTestCase):
    def test_what_is_no_number_is_refused_before_anything_begins(self):
        for kind in KINDS:
            for timeout, error in (('2', TypeError), ([], TypeError), (float('nan'), ValueError)):
                engine = engines.load(self.linear('a'), engine=kind)
                self.assertRaisesRegex(error, 'timeout must be a number', engine.run, timeout=timeout)
                self.assertRaisesRegex(error, 'timeout must be a number', next, engine.run_iter(timeout=timeout))
                self.assertEqual([], self.calls)
                engine.run()
                self.calls.clear()

    def test_any_number_will_do(self):
        for kind in KINDS:
            for timeout in (-1, 0, 10 ** 400, 1e300, float('inf')):
                engine = engines.load(self.linear('a', 'b'), engine=kind)
                engine.run(timeout=timeout)
                self.assertEqual(['SUCCESS', 'SUCCESS'], self.states(engine, 'a', 'b'))


    def test_a_run_that_waits_makes_pauses(self):
        for given, waited in ((0, 0.01), (-1, 0.01), (1e-9, 0.01), (0.5, 0.5), (None, 0.1)):
            executor = _Slow()
            engines.load(self.linear('a'), engine='parallel', executor=executor).run(timeout=given)
            self.assertEqual([waited] * 3, executor.waited)

    def test_who_takes_the_steps_makes_the_pauses(self):
        executor = _Slow()
        list(engines.load(self.linear('a'), engine='parallel', executor=executor).run_iter(timeout=0))
        self.assertEqual([0] * 3, executor.waited)


class _Slow:
    """An executor whose only call ends when it has been waited for three times; it is its own carrier."""

    def __init__(self) -> None:
        self.waited: list[float | None] = []
        self._nodes: list[int] = []

    def submit(self, node: int, *call: Any) -> None:
        self._nodes.append(node)

    def carrier(self, *args: Any) -> Any:
        return self

    def take(self, timeout: float | None, most: int) -> list[Any]:
        self.waited.append(timeout)
        return [(node, None) for node in self._nodes] if len(self.waited) == 3 else []

    def close(self) -> bool:
        return False


class _WatchedLock:
    """A lock that tells who wants to have it."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock
        self.wanted = threading.Semaphore(0)

    def __enter__(self) -> None:
        self.wanted.release()
        self._lock.acquire()

    def __exit__(self, *error: Any) -> None:
        self._lock.release()


class SeveralThreadsTest(EngineTestCase):
    def _at_once(self, engine: Any, call: Any, where: Any, name: str) -> int:
        """Let a second thread make a call while the first is at something; return how often that was done."""
        lock = engine._preparing = _WatchedLock(engine._preparing)
        original = getattr(where, name)
        done: list[int] = []
        second = threading.Thread(target=call)

        def meanwhile(*args: Any) -> Any:
            done.append(1)
            if len(done) == 1:
                while lock.wanted.acquire(blocking=False):
                    pass
                second.start()
                self.assertTrue(lock.wanted.acquire(timeout=60))
            return original(*args)

        with mock.patch.object(where, name, meanwhile):
            call()
            second.join()
        return len(done)

    def test_compile_once(self):
        engine = engines.load(self.linear('a'))
        self.assertEqual(1, self._at_once(engine, engine.compile, planning, 'compile_flow'))

    def test_prepare_once(self):
        for backend in (None, memory.MemoryBackend()):
            engine = engines.load(self.linear('a'), backend=backend)
            engine.compile()
            self.assertEqual(1, self._at_once(engine, engine.prepare, engine.storage, 'bind'))
            engine.run()


class ResetTest(EngineTestCase):
    def test_reset_after_success_and_failure(self):
        for last in (None, raising(ValueError('b'))):
            self.calls.clear()
            flow = linear_flow.Flow('f', retry=retry.Times(1, 'r', provides='n'))
            flow.add(Traced('a', self.calls), Traced('b', self.calls, last))
            engine = engines.load(flow, backend=memory.MemoryBackend())
            try:
                engine.run()
            except ValueError:
                pass
            engine.reset()
            self.assertEqual('PENDING', engine.storage.get_flow_state())
            self.assertEqual(['PENDING'] * 3, self.states(engine, 'a', 'b', 'r'))
            self.assertEqual({}, engine.storage.get_failures())
            self.assertEqual([], list(engine.storage.get_retry_history('r')))
            self.calls.clear()
            try:
                engine.run()
            except ValueError:
                pass
            self.assertEqual(['a.x', 'b.x'], self.calls[:2])
            self.assertEqual(1, engine.storage.get_retry_history('r')[0][0] if last is None else 1)

    def test_reset_of_what_was_not_prepared(self):
        engine = engines.load(self.linear('a'))
        self.assertRaises(exceptions.InvalidState, engine.reset)

    def test_reset_of_a_suspended_flow_is_refused(self):
        engine = engines.load(self.linear('a', 'b', a=lambda: engine.suspend()))
        engine.run()
        self.assertRaises(exceptions.InvalidState, engine.reset)
        engine.run()
        self.assertEqual(['a.x', 'b.x'], self.calls)

    def test_reset_forgets_a_decider_that_raised(self):
        answers = [0, 1]
        flow = graph_flow.Flow('g')
        a, b = Traced('a', self.calls), Traced('b', self.calls)
        flow.add(a, b)
        flow.link(a, b, decider=lambda history: 1 // answers.pop(0))
        engine = engines.load(flow, backend=memory.MemoryBackend(), never_resolve=True)
        self.assertRaises(ZeroDivisionError, engine.run)
        self.assertRaises(ZeroDivisionError, engine.run)
        engine.reset()
        self.assertEqual({}, engine.storage.get_failures())
        engine.run()
        self.assertEqual(['a.x', 'a.x', 'b.x'], self.calls)

    def test_reset_forgets_deciders(self):
        asked: list[Any] = []
        flow = graph_flow.Flow('g')
        a, b = Traced('a', self.calls), Traced('b', self.calls)
        flow.add(a, b)
        flow.link(a, b, decider=lambda history: bool(asked.append(history)))
        engine = engines.load(flow, backend=memory.MemoryBackend())
        engine.run()
        self.assertEqual('IGNORE', engine.storage.get_atom_state('b'))
        engine.reset()
        self.assertEqual('PENDING', engine.storage.get_atom_state('b'))
        engine.run()
        self.assertEqual([{'a': 'a'}] * 2, asked)


class ValidateTest(EngineTestCase):
    def test_what_is_missing_is_named(self):
        class Needs(task.Task):
            def execute(self, foo: Any, bar: Any) -> None:
                """Need."""

        engine = engines.load(linear_flow.Flow('L').add(Needs('n')))
        error = self.assertRaises(exceptions.MissingDependencies, engine.run)
        self.assertEqual(['bar', 'foo'], error.missing_requirements)
        self.assertIn('linear_flow.Flow: L(len=1)', str(error))
        self.assertIn("'execute' method on \"n==1.0\"", str(error.cause))

    def test_what_a_revert_needs_is_missing_too(self):
        class Needs(task.Task):
            def execute(self) -> None:
                """Need nothing."""

            def revert(self, foo: Any, **kwargs: Any) -> None:
                """Need foo."""

        error = self.assertRaises(
            exceptions.MissingDependencies, engines.load(linear_flow.Flow('L').add(Needs('n'))).validate)
        self.assertIn("'revert' method", str(error.cause))
        engines.run(linear_flow.Flow('L').add(Needs('n')), store={'foo': 1})

    def test_duplicate_names_are_found_at_compile(self):
        engine = engines.load(linear_flow.Flow('f').add(Traced('a', []), Traced('a', [])))
        error = self.assertRaises(exceptions.Duplicate, engine.compile)
        self.assertIn("['a']", str(error))

    def test_values_injected_after_prepare_count(self):
        class Needs(task.Task):
            def execute(self, foo: Any) -> Any:
                return foo

        engine = engines.load(linear_flow.Flow('f').add(Needs('n', provides='out')))
        engine.prepare()
        engine.storage.inject({'foo': 5})
        engine.run()
        self.assertEqual(5, engine.storage.fetch('out'))

    def test_an_unknown_engine_is_refused(self):
        error = self.assertRaises(exceptions.NotFound, engines.load, self.linear('a'), engine='nope')
        self.assertIn("'nope'", str(error))

    def test_an_empty_flow_runs(self):
        for kind in KINDS:
            self.assertEqual({}, engines.run(linear_flow.Flow('f'), engine=kind))


class ExecutorTest(EngineTestCase):
    def test_the_callers_executor_is_used_and_not_shut_down(self):
        names = set()

        def note() -> None:
            names.add(threading.current_thread().name.partition('_')[0])

        with futures.ThreadPoolExecutor(1, thread_name_prefix='mine') as pool:
            for _ in range(2):
                engines.run(self.linear('a', a=note), engine='parallel', executor=pool)
            self.assertRaises(
                ValueError, engines.run, self.linear('a', a=raising(ValueError())), engine='parallel', executor=pool)
            self.assertEqual(3, pool.submit(lambda: 3).result())
        self.assertEqual({'mine'}, names)

    def test_its_own_executor_is_shut_down(self):
        before = set(threading.enumerate())
        engines.run(self.linear('a', 'b'), engine='parallel', max_workers=2)
        self.assertEqual(set(), {thread for thread in set(threading.enumerate()) - before if thread.is_alive()})

    def test_names_and_kinds(self):
        for name in ('thread', 'threads', 'threaded'):
            engines.run(self.linear('a'), engine='parallel', executor=name)
        self.assertRaises(ValueError, engines.load, self.linear('a'), engine='parallel', executor='foo')
        self.assertRaises(TypeError, engines.load, self.linear('a'), engine='parallel', executor=5)
