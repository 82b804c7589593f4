# SPDX-License-Identifier: Apache-2.0
"""Suspending, from wherever, and the states that run_iter yields."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import testtools

from tests.unit.engines.tracing import KINDS, EngineTestCase, Traced, raising
from tfd import engines, exceptions
from tfd.patterns import graph_flow, unordered_flow


class SuspendTest(EngineTestCase):
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
        for kind in KINDS:
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
        for kind in KINDS:
            engine = self._engine(kind, 'SUCCESS', 'b', self.linear('a', 'b'))
            engine.run()
            self.assertEqual('SUCCESS', engine.storage.get_flow_state())

    def test_from_a_task(self):
        for kind in KINDS:
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
        for kind in KINDS:
            self.calls.clear()
            engine = self._engine(kind, 'FAILURE', 'b', self.linear('a', 'b', b=raising(ValueError('b'))))
            engine.run()
            self.assertEqual('SUSPENDED', engine.storage.get_flow_state())
            self.assertEqual(['a.x', 'b.x'], self.calls)
            self.assertEqual(['SUCCESS', 'FAILURE'], self.states(engine, 'a', 'b'))
            self.assertRaises(ValueError, engine.run)
            self.assertEqual(['a.x', 'b.x', 'b.r', 'a.r'], self.calls)

    def test_from_another_thread_while_a_task_runs(self):
        for kind in KINDS:
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


class RunIterTest(EngineTestCase):
    def test_a_linear_flow(self):
        for kind in KINDS:
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


class SuspendingDeciderTest(testtools.TestCase):
    """A decider that has the flow suspended is not asked again, whatever it answered."""

    def _asked(self, answer: bool) -> tuple[list[str], str]:
        asked: list[str] = []
        tasks = [Traced(name, []) for name in 'abc']
        flow = graph_flow.Flow('f').add(*tasks).link(tasks[0], tasks[1])

        def decide(history: Any) -> bool:
            asked.append('asked')
            engine.suspend()
            return answer

        flow.link(tasks[1], tasks[2], decider=decide)
        engine = engines.load(flow)
        engine.run()
        engine.run()
        return asked, engine.storage.get_atom_state('c')

    def test_yes(self):
        self.assertEqual((['asked'], 'SUCCESS'), self._asked(True))

    def test_no(self):
        self.assertEqual((['asked'], 'IGNORE'), self._asked(False))

    def test_those_that_a_chain_has_passed_are_asked_again_after_a_reset_only(self):
        asked: list[Any] = []
        tasks = [Traced(name, []) for name in 'abc']
        flow = graph_flow.Flow('f').add(*tasks)
        for before, after in itertools.pairwise(tasks):
            flow.link(before, after, decider=lambda history: not asked.append(list(history)))
        engine = engines.load(flow)

        def suspend(state: str, details: Any) -> None:
            if details['task_name'] == 'b':
                engine.suspend()

        engine.atom_notifier.register('SUCCESS', suspend)
        engine.run()
        self.assertEqual([['a']], asked)
        engine.run()
        self.assertEqual([['a'], ['b']], asked)
        engine.reset()
        engine.run()
        self.assertEqual([['a'], ['b'], ['a']], asked)
        # Another engine goes on with what this one has left.
        engines.load(flow, flow_detail=engine.storage._flow_detail).run()
        self.assertEqual([['a'], ['b'], ['a'], ['b']], asked)
