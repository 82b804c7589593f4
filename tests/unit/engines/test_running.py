# SPDX-License-Identifier: Apache-2.0
"""What an engine does beside the rules of a run: interrupts, runs again, suspends, refuses, pauses."""

from __future__ import annotations

import logging
import threading
from concurrent import futures
from typing import Any

import testtools

from tfd import engines, exceptions, retry, task
from tfd.patterns import graph_flow, linear_flow, unordered_flow
from tfd.persistence import memory
from tfd.persistence.record import Fence
from tfd.types.failure import Failure

_KINDS = ('serial', 'parallel')


class Traced(task.Task):
    """Writes down its calls; does what it is told."""

    def __init__(self, name: str, calls: list[str], execute: Any = None, revert: Any = None, **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        self.calls = calls
        self.on_execute = execute
        self.on_revert = revert

    def execute(self) -> Any:
        self.calls.append(f'{self.name}.x')
        return self.on_execute() if self.on_execute is not None else self.name

    def revert(self, **kwargs: Any) -> Any:
        self.calls.append(f'{self.name}.r')
        return self.on_revert() if self.on_revert is not None else None


def raising(error: BaseException) -> Any:
    def call() -> None:
        raise error

    return call


class _Engines(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.calls: list[str] = []
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)

    def linear(self, *names: str, **executes: Any) -> linear_flow.Flow:
        flow = linear_flow.Flow('f')
        return flow.add(*(Traced(name, self.calls, executes.get(name), provides=f'{name}-out') for name in names))

    def states(self, engine: Any, *names: str) -> list[str]:
        return [engine.storage.get_atom_state(name) for name in names]


class InterruptTest(_Engines):
    def test_an_interrupt_goes_through_and_reverts_nothing(self):
        for kind in _KINDS:
            for interrupt in (KeyboardInterrupt, SystemExit):
                self.calls.clear()
                engine = engines.load(self.linear('a', 'b', b=raising(interrupt())), engine=kind)
                self.assertRaises(interrupt, engine.run)
                self.assertEqual(['a.x', 'b.x'], self.calls)
                self.assertEqual(['SUCCESS', 'RUNNING'], self.states(engine, 'a', 'b'))
                self.assertEqual('RUNNING', engine.storage.get_flow_state())

    def test_a_run_after_an_interrupt_calls_again_what_was_interrupted(self):
        errors: list[Any] = [KeyboardInterrupt()]

        def once() -> None:
            if errors:
                raise errors.pop()

        for kind in _KINDS:
            self.calls.clear()
            errors[:] = [KeyboardInterrupt()]
            engine = engines.load(self.linear('a', 'b', 'c', b=once), engine=kind, backend=memory.MemoryBackend())
            self.assertRaises(KeyboardInterrupt, engine.run)
            engine.run()
            self.assertEqual(['a.x', 'b.x', 'b.x', 'c.x'], self.calls)

    def test_an_interrupt_in_a_revert_goes_through(self):
        for kind in _KINDS:
            self.calls.clear()
            interrupted = Traced('a', self.calls, None, raising(KeyboardInterrupt()))
            engine = engines.load(
                linear_flow.Flow('f').add(interrupted, Traced('b', self.calls, raising(ValueError('b')))), engine=kind)
            self.assertRaises(KeyboardInterrupt, engine.run)
            self.assertEqual(['REVERTING', 'REVERTED'], self.states(engine, 'a', 'b'))

    def test_an_interrupt_in_a_listener_of_a_flow_goes_through(self):
        engine = engines.load(self.linear('a'))
        engine.notifier.register('RUNNING', lambda state, details: raising(KeyboardInterrupt())())
        self.assertRaises(KeyboardInterrupt, engine.run)
        self.assertEqual([], self.calls)


class RunAgainTest(_Engines):
    def test_after_success_nothing_is_called(self):
        for kind in _KINDS:
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
        for kind in _KINDS:
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
        for kind in _KINDS:
            error = self.assertRaises(
                ValueError, engines.run, self.linear('a', 'b', b=raising(failure)), engine=kind)
            self.assertIs(failure, error)

    def test_two_runs_at_once_are_refused(self):
        engine = engines.load(self.linear('a', a=lambda: engine.run()))
        error = self.assertRaises(exceptions.ExecutionFailure, engine.run)
        self.assertIn("'f' is being run", str(error))


class ResetTest(_Engines):
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


class SuspendTest(_Engines):
    def _engine(self, kind: str, state: str, name: str, flow: Any) -> Any:
        engine = engines.load(flow, engine=kind)

        def listen(found: str, details: dict[str, Any]) -> None:
            if (found, details.get('task_name')) == (state, name):
                engine.suspend()

        engine.atom_notifier.register('*', listen)
        return engine

    def test_before_compile(self):
        engine = engines.load(self.linear('a'))
        self.assertRaises(exceptions.InvalidState, engine.suspend)

    def test_before_the_run_has_no_effect(self):
        engine = engines.load(self.linear('a'))
        engine.compile()
        engine.suspend()
        engine.run()
        self.assertEqual('SUCCESS', engine.storage.get_flow_state())

    def test_from_a_listener_at_success_prevents_what_follows(self):
        for kind in _KINDS:
            self.calls.clear()
            engine = self._engine(kind, 'SUCCESS', 'a', self.linear('a', 'b', 'c'))
            heard: list[Any] = []
            engine.notifier.register('*', lambda state, details, heard=heard: heard.append(state))
            told: list[Any] = []
            engine.atom_notifier.register(
                '*', lambda state, details, told=told: told.append((details['task_name'], state)))
            engine.run()
            self.assertEqual(['a.x'], self.calls)
            self.assertEqual(['SUCCESS', 'PENDING', 'PENDING'], self.states(engine, 'a', 'b', 'c'))
            self.assertEqual(['RUNNING', 'SUSPENDING', 'SUSPENDED'], heard)
            self.assertEqual([('a', 'RUNNING'), ('a', 'SUCCESS')], told)
            engine.run()
            self.assertEqual(['a.x', 'b.x', 'c.x'], self.calls)
            self.assertEqual(['RUNNING', 'SUCCESS'], heard[3:])

    def test_from_a_listener_at_the_last_atom_changes_nothing(self):
        for kind in _KINDS:
            engine = self._engine(kind, 'SUCCESS', 'b', self.linear('a', 'b'))
            engine.run()
            self.assertEqual('SUCCESS', engine.storage.get_flow_state())

    def test_from_a_task(self):
        for kind in _KINDS:
            self.calls.clear()
            made: list[Any] = []
            flow = self.linear('a', 'b', a=lambda made=made: made[0].suspend())
            engine = engines.load(flow, engine=kind)
            made.append(engine)
            engine.run()
            self.assertEqual(['a.x'], self.calls)
            self.assertEqual('SUSPENDED', engine.storage.get_flow_state())
            engine.run()
            self.assertEqual(['a.x', 'b.x'], self.calls)

    def test_in_a_failing_flow_the_failure_is_raised_by_the_next_run(self):
        for kind in _KINDS:
            self.calls.clear()
            engine = self._engine(kind, 'FAILURE', 'b', self.linear('a', 'b', b=raising(ValueError('b'))))
            engine.run()
            self.assertEqual('SUSPENDED', engine.storage.get_flow_state())
            self.assertEqual(['a.x', 'b.x'], self.calls)
            self.assertEqual(['SUCCESS', 'FAILURE'], self.states(engine, 'a', 'b'))
            self.assertRaises(ValueError, engine.run)
            self.assertEqual(['a.x', 'b.x', 'b.r', 'a.r'], self.calls)

    def test_from_another_thread_while_a_task_runs(self):
        for kind in _KINDS:
            self.calls.clear()
            begun, go = threading.Event(), threading.Event()

            def block(begun: Any = begun, go: Any = go) -> None:
                begun.set()
                go.wait(10)

            engine = engines.load(self.linear('a', 'b', a=block), engine=kind)
            runner = threading.Thread(target=engine.run)
            runner.start()
            begun.wait(10)
            engine.suspend()
            go.set()
            runner.join(10)
            self.assertEqual(['a.x'], self.calls)
            self.assertEqual('SUSPENDED', engine.storage.get_flow_state())

    def test_what_runs_at_the_same_time_ends_first(self):
        flow = unordered_flow.Flow('f').add(
            Traced('a', self.calls, lambda: engine.suspend()), Traced('b', self.calls), Traced('c', self.calls))
        engine = engines.load(flow, engine='parallel')
        engine.run()
        ended = [name for name in 'abc' if engine.storage.get_atom_state(name) == 'SUCCESS']
        self.assertEqual(sorted(f'{name}.x' for name in ended), sorted(self.calls))
        engine.run()
        self.assertEqual(['a.x', 'b.x', 'c.x'], sorted(self.calls))


class RunIterTest(_Engines):
    def test_a_linear_flow(self):
        for kind in _KINDS:
            found = list(engines.load(self.linear('a', 'b'), engine=kind).run_iter())
            self.assertEqual(['RESUMING'] + ['SCHEDULING', 'WAITING', 'ANALYZING'] * 2 + ['SUCCESS'], found)

    def test_a_task_is_called_between_scheduling_and_waiting(self):
        running = engines.load(self.linear('a')).run_iter()
        while next(running) != 'SCHEDULING':
            pass
        self.assertEqual([], self.calls)
        self.assertEqual('WAITING', next(running))
        self.assertEqual(['a.x'], self.calls)

    def test_a_failing_flow_ends_with_its_state_and_then_raises(self):
        running = engines.load(self.linear('a', 'b', b=raising(ValueError('b')))).run_iter()
        found = []

        def drain() -> None:
            for state in running:
                found.append(state)

        self.assertRaises(ValueError, drain)
        self.assertEqual(['RESUMING'] + ['SCHEDULING', 'WAITING', 'ANALYZING'] * 4 + ['REVERTED'], found)

    def _send_at(self, place: str, number: int) -> tuple[Any, list[str]]:
        engine = engines.load(self.linear('a', 'b', 'c'))
        running = engine.run_iter()
        found = [next(running)]
        met = 0
        try:
            while True:
                met += found[-1] == place
                found.append(running.send(True) if found[-1] == place and met == number else next(running))
        except StopIteration:
            return engine, found

    def test_send_true_at_the_begin_suspends_before_any_call(self):
        for place in ('RESUMING', 'SCHEDULING'):
            engine, found = self._send_at(place, 1)
            self.assertEqual(['RESUMING', 'SCHEDULING', 'WAITING', 'ANALYZING', 'SUSPENDED'], found)
            self.assertEqual([], self.calls)
            engine.run()
            self.assertEqual(['a.x', 'b.x', 'c.x'], self.calls)
            self.calls.clear()

    def test_send_true_later_lets_what_runs_end(self):
        for place, number in (('WAITING', 1), ('ANALYZING', 1), ('SCHEDULING', 2)):
            self.calls.clear()
            engine, found = self._send_at(place, number)
            self.assertEqual('SUSPENDED', found[-1])
            self.assertEqual(['a.x'], self.calls, place)
            engine.run()
            self.assertEqual(['a.x', 'b.x', 'c.x'], self.calls)

    def test_what_is_left_off_can_be_run_again(self):
        engine = engines.load(self.linear('a', 'b'))
        running = engine.run_iter()
        for _ in range(5):
            next(running)
        running.close()
        engine.run()
        self.assertEqual(['a.x', 'b.x'], sorted(set(self.calls)))
        self.assertEqual('SUCCESS', engine.storage.get_flow_state())

    def test_timeout_yields_while_nothing_ends(self):
        go = threading.Event()
        engine = engines.load(self.linear('a', a=lambda: go.wait(10)), engine='parallel')
        found = []
        for state in engine.run_iter(timeout=0.001):
            found.append(state)
            if found.count('ANALYZING') == 3:
                go.set()
        self.assertGreaterEqual(found.count('ANALYZING'), 3)
        self.assertEqual('SUCCESS', found[-1])


class ValidateTest(_Engines):
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
        for kind in _KINDS:
            self.assertEqual({}, engines.run(linear_flow.Flow('f'), engine=kind))


class ExecutorTest(_Engines):
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


class OwnershipTest(_Engines):
    def _recorded(self, engine: Any, backend: Any) -> dict[str, str]:
        return {atom.name: atom.state for atom in backend.journal().load(engine.storage.flow_uuid).atoms}

    def test_the_claim_is_checked_before_each_call(self):
        for kind in _KINDS:
            claim = _Claim()
            engine = engines.load(self.linear('a', 'b'), engine=kind, ownership=claim,
                                  backend=memory.MemoryBackend(fences=_Fences()))
            engine.run()
            self.assertEqual(2, claim.checks)
            self.assertEqual([('SUCCESS', [])], claim.settled)

    def test_a_lost_check_stops_at_once(self):
        for kind in _KINDS:
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
        for kind in _KINDS:
            self.calls.clear()
            claim, backend = _Claim(), memory.MemoryBackend(fences=_Fences())
            claim.ends_at = 4
            engine = engines.load(
                self.linear('a', 'b', b=raising(ValueError('b'))), engine=kind, ownership=claim, backend=backend)
            self.assertRaises(exceptions.OwnershipLost, engine.run)
            self.assertEqual(['a.x', 'b.x', 'b.r'], self.calls)
            self.assertEqual({'a': 'REVERTING', 'b': 'REVERTED'}, self._recorded(engine, backend))

    def test_a_lost_fence_stops_at_once(self):
        for kind in _KINDS:
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

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def append(self, entry: Any) -> None:
        self.number += 1
        gone = self.number in self.away
        if not gone or self.recorded:
            self._journal.append(entry)
        if gone:
            raise exceptions.StorageUnavailable('the database is away')


class OutageTest(_Engines):
    def _engine(self, flow: Any, away: set[int], recorded: bool = False, **options: Any) -> tuple[Any, list[float]]:
        backend = memory.MemoryBackend()
        journal = _Away(backend.journal(), away, recorded)
        backend.journal = lambda: journal  # type: ignore[method-assign]
        slept: list[float] = []
        return engines.load(flow, backend=backend, sleep=slept.append, **options), slept

    def test_an_outage_is_waited_for_and_nothing_is_reverted(self):
        for kind in _KINDS:
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
        for kind in _KINDS:
            for first in range(1, 5):
                self.calls.clear()
                engine, _slept = self._engine(self.linear('a', 'b', 'c'), {first}, engine=kind, patience=0)
                self.assertRaises(exceptions.StorageUnavailable, engine.run)
                self.assertNotIn('a.r', self.calls)
                engine.run()
                self.assertEqual({'a.x', 'b.x', 'c.x'}, set(self.calls))
                self.assertLessEqual(len(self.calls), 4)
                self.assertEqual('SUCCESS', engine.storage.get_flow_state())

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


class UserCodeTest(_Engines):
    """Errors in retries, deciders and around calls are failures, which are decided about as any other."""

    def _asked(self, answer: Any, kind: str, outer: Any = None) -> Any:
        inner = linear_flow.Flow('inner', retry=_Ask(answer)).add(
            Traced('b', self.calls, raising(ValueError('b'))))
        return engines.load(
            linear_flow.Flow('outer', retry=outer).add(Traced('a', self.calls), inner), engine=kind)

    def test_an_on_failure_that_raises_reverts_everything(self):
        for kind in _KINDS:
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
        for answer in ('RETRY', None, True):
            error = self.assertRaises(exceptions.WrappedFailure, self._asked(answer, 'serial').run)
            texts = [failure.exception_str for failure in error]
            self.assertIn(f"retry 'r' answered {answer!r}", ''.join(texts))

    def test_an_on_failure_that_raises_is_decided_by_the_retry_around(self):
        for kind in _KINDS:
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
        for kind in _KINDS:
            self.calls.clear()
            engine = self._decided(lambda history: 1 // 0, kind)
            self.assertRaises(ZeroDivisionError, engine.run)
            self.assertEqual(['a.x', 'a.r'], self.calls)
            self.assertEqual('PENDING', engine.storage.get_atom_state('b'))
            self.assertEqual(['b'], list(engine.storage.get_execute_failures()))

    def test_a_decider_that_raises_is_asked_again_by_a_retry(self):
        answers = [0, 1]
        for kind in _KINDS:
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

        for kind in _KINDS:
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
        for kind in _KINDS:
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
        for kind in _KINDS:
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

        for kind in _KINDS:
            self.calls.clear()
            short = task.FunctorTask(lambda: (1,), name='s', provides=('x', 'y'))
            flow = linear_flow.Flow('f').add(Traced('a', self.calls), short, Takes('t'))
            error = self.assertRaises(exceptions.NotFound, engines.run, flow, engine=kind)
            self.assertIn("'y'", str(error))
            self.assertEqual(['a.x', 'a.r'], self.calls)


class NotificationTest(_Engines):
    def _told(self, flow: Any, **options: Any) -> list[tuple[Any, ...]]:
        told: list[tuple[Any, ...]] = []
        engine = engines.load(flow, **options)

        def listen(state: str, details: dict[str, Any]) -> None:
            name = details.get('task_name') or details.get('retry_name') or 'F'
            told.append((name, state, details['old_state'], details.get('result', '-')))

        engine.notifier.register('*', listen)
        engine.atom_notifier.register('*', listen)
        try:
            engine.run()
        except ValueError:
            pass
        return told

    def test_success(self):
        self.assertEqual([
            ('F', 'RUNNING', 'PENDING', '-'),
            ('a', 'RUNNING', 'PENDING', '-'), ('a', 'SUCCESS', 'RUNNING', 'a'),
            ('b', 'RUNNING', 'PENDING', '-'), ('b', 'SUCCESS', 'RUNNING', 'b'),
            ('F', 'SUCCESS', 'RUNNING', '-'),
        ], self._told(self.linear('a', 'b')))

    def test_failure(self):
        flow = linear_flow.Flow('f').add(
            Traced('a', self.calls, None, lambda: 'undone'), Traced('b', self.calls, raising(ValueError('b'))))
        told = self._told(flow)
        self.assertEqual([
            ('F', 'RUNNING', 'PENDING'),
            ('a', 'RUNNING', 'PENDING'), ('a', 'SUCCESS', 'RUNNING'),
            ('b', 'RUNNING', 'PENDING'), ('b', 'FAILURE', 'RUNNING'),
            ('b', 'REVERTING', 'FAILURE'), ('b', 'REVERTED', 'REVERTING'),
            ('a', 'REVERTING', 'SUCCESS'), ('a', 'REVERTED', 'REVERTING'),
            ('F', 'REVERTED', 'RUNNING'),
        ], [item[:3] for item in told])
        results = {item[:2]: item[3] for item in told}
        self.assertEqual('b', results['b', 'FAILURE'].exception_str)
        self.assertIsNone(results['b', 'REVERTED'])
        self.assertEqual('undone', results['a', 'REVERTED'])

    def test_retry(self):
        errors = [ValueError('a')]

        def once() -> str:
            if errors:
                raise errors.pop()
            return 'done'

        for options in ({}, {'backend': memory.MemoryBackend()}):
            errors[:] = [ValueError('a')]
            flow = linear_flow.Flow('f', retry=retry.Times(2, 'r'))
            flow.add(Traced('a', self.calls, once, lambda: 'undone'))
            told = self._told(flow, **options)
            self.assertEqual([
                ('F', 'RUNNING', 'PENDING'), ('r', 'RUNNING', 'PENDING'), ('r', 'SUCCESS', 'RUNNING'),
                ('a', 'RUNNING', 'PENDING'), ('a', 'FAILURE', 'RUNNING'),
                ('a', 'REVERTING', 'FAILURE'), ('a', 'REVERTED', 'REVERTING'),
                ('r', 'RETRYING', 'SUCCESS'), ('a', 'PENDING', 'REVERTED'),
                ('r', 'RUNNING', 'RETRYING'), ('r', 'SUCCESS', 'RUNNING'),
                ('a', 'RUNNING', 'PENDING'), ('a', 'SUCCESS', 'RUNNING'), ('F', 'SUCCESS', 'RUNNING'),
            ], [item[:3] for item in told])
            self.assertEqual([1, 2], [item[3] for item in told if item[:2] == ('r', 'SUCCESS')])
            # The scope is reset in the same step: what the revert returned is told all the same.
            self.assertEqual(['undone'], [item[3] for item in told if item[:2] == ('a', 'REVERTED')])

    def test_details_name_atoms_and_flow(self):
        keys: dict[str, set[str]] = {}
        flow = linear_flow.Flow('f', retry=retry.Times(1, 'r')).add(Traced('a', self.calls))
        engine = engines.load(flow)
        engine.notifier.register('RUNNING', lambda state, details: keys.update(flow=set(details)))
        engine.atom_notifier.register('SUCCESS', lambda state, details: keys.update(
            {'retry' if 'retry_name' in details else 'task': set(details)}))
        engine.run()
        self.assertEqual({
            'flow': {'engine', 'flow_name', 'flow_uuid', 'old_state'},
            'task': {'task_name', 'task_uuid', 'old_state', 'result'},
            'retry': {'retry_name', 'retry_uuid', 'old_state', 'result'}}, keys)

    def test_what_a_listener_raises_changes_nothing(self):
        engine = engines.load(self.linear('a', 'b'))
        engine.notifier.register('*', lambda state, details: 1 // 0)
        engine.atom_notifier.register('*', lambda state, details: 1 // 0)
        engine.run()
        self.assertEqual(['a.x', 'b.x'], self.calls)
