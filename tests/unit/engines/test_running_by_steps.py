# SPDX-License-Identifier: Apache-2.0
"""What an engine takes as a flow, and how a run is driven step by step."""

from __future__ import annotations

from typing import Any

import testtools

from tfd import engines, exceptions, retry, task
from tfd.patterns import linear_flow
from tfd.persistence import backends, models


class Give(task.Task):
    """Gives what it takes."""

    default_provides = 'given'

    def execute(self, taken: Any = 1) -> Any:
        return taken


class Need(task.Task):
    def execute(self, taken: Any) -> Any:
        return taken


class Refuse(task.Task):
    def execute(self) -> None:
        raise OSError('no')


class Call(task.Task):
    """Notes that it was called."""

    def __init__(self, name: str, calls: list[str]) -> None:
        super().__init__(name)
        self.calls = calls

    def execute(self) -> None:
        self.calls.append(self.name)


class WhatIsAFlowTest(testtools.TestCase):
    def test_a_task_is_a_flow_of_its_name(self) -> None:
        engine = engines.load(Give('one'))
        told = []
        engine.notifier.register('*', lambda state, details: told.append((details['flow_name'], state)))
        engine.run()
        self.assertEqual([('one', 'RUNNING'), ('one', 'SUCCESS')], told)
        self.assertEqual({'given': 1}, engine.storage.fetch_all())

    def test_the_arguments_of_a_task_are_found(self) -> None:
        self.assertEqual({'taken': 3, 'given': 3}, engines.run(Give('one'), store={'taken': 3}))
        self.assertRaises(exceptions.MissingDependencies, engines.run, Need('one'))

    def test_nothing_else_is(self) -> None:
        for other in ('a text', 5, Give, retry.Times(1, 'r')):
            error = self.assertRaises(TypeError, engines.load(other).compile)
            self.assertIn(repr(other), str(error))

    def test_a_retry_is_no_item_of_a_flow(self) -> None:
        engine = engines.load(linear_flow.Flow('f').add(retry.Times(1, 'r')))
        error = self.assertRaises(TypeError, engine.run)
        self.assertIn("flow 'f' can hold flows and tasks, not", str(error))


class StepsTest(testtools.TestCase):
    def _engine(self, *names: str) -> Any:
        return engines.load(linear_flow.Flow('f').add(*(Give(name) for name in names)))

    def test_a_flow_without_tasks_takes_the_same_steps(self) -> None:
        self.assertEqual(
            ['RESUMING', 'SCHEDULING', 'WAITING', 'ANALYZING', 'SUCCESS'], list(self._engine().run_iter()))

    def test_suspends_at_whatever_step_it_is_told_to(self) -> None:
        for at in range(6):
            engine = self._engine('a', 'b', 'c')
            seen = []
            for step in engine.run_iter():
                if len(seen) == at:
                    engine.suspend()
                seen.append(step)
            self.assertEqual('SUSPENDED', seen[-1], f'told at step {at}, {seen}')
            self.assertEqual('SUSPENDED', engine.storage.get_flow_state())
            engine.run()
            self.assertEqual('SUCCESS', engine.storage.get_flow_state())

    def test_who_leaves_suspends(self) -> None:
        for kind in ('serial', 'parallel'):
            for left_after in range(2, 11):
                calls: list[str] = []
                engine = engines.load(linear_flow.Flow('f').add(*(Call(name, calls) for name in 'abc')), engine=kind)
                steps = engine.run_iter()
                for _ in range(left_after):
                    next(steps)
                steps.close()
                # Where nothing was left to do the flow has ended.
                expected = 'SUSPENDED' if len(calls) < 3 else 'SUCCESS'
                self.assertEqual(expected, engine.storage.get_flow_state(), (kind, left_after))
                engine.run()
                self.assertEqual('abc', ''.join(calls), (kind, left_after))

    def test_what_has_ended_is_kept_when_an_exception_is_thrown_in(self) -> None:
        for thrown_after in range(2, 11):
            calls: list[str] = []
            engine = engines.load(linear_flow.Flow('f').add(*(Call(name, calls) for name in 'abc')))
            steps = engine.run_iter()
            for _ in range(thrown_after):
                next(steps)
            self.assertRaises(OSError, steps.throw, OSError('no'))
            self.assertEqual('FAILURE', engine.storage.get_flow_state(), thrown_after)
            engine.run()
            self.assertEqual('abc', ''.join(calls), thrown_after)

    def test_an_exception_thrown_in_fails_the_flow(self) -> None:
        engine = self._engine('a', 'b')
        steps = engine.run_iter()
        for _ in range(5):
            next(steps)
        self.assertRaises(OSError, steps.throw, OSError('no'))
        self.assertEqual('FAILURE', engine.storage.get_flow_state())
        engine.run()
        self.assertEqual('SUCCESS', engine.storage.get_flow_state())

    def test_what_is_required_is_looked_for_at_each_run(self) -> None:
        engine = engines.load(linear_flow.Flow('f').add(Give('a'), Need('b')), store={'taken': 1})
        steps = engine.run_iter()
        next(steps)
        engine.suspend()
        for _ in steps:
            pass
        engine.storage.save(engine.storage.injector_name, {})
        self.assertRaises(exceptions.MissingDependencies, engine.run)


class Tell(task.Task):
    """Tells of its progress, and what it is at."""

    def execute(self) -> None:
        self.notifier.notify(task.EVENT_UPDATE_PROGRESS, {'progress': 0.5, 'at': 'the middle'})


class ToldTest(testtools.TestCase):
    def test_what_a_task_tells_beside_its_progress_is_kept(self) -> None:
        for kind in ('serial', 'parallel'):
            engine = engines.load(Tell('t'), engine=kind)
            engine.run()
            self.assertEqual(
                {'at_progress': 0.5, 'details': {'at': 'the middle'}}, engine.storage.get_task_progress_details('t'))
            self.assertEqual(1.0, engine.storage.get_task_progress('t'))

    def test_a_copy_tells_of_itself(self) -> None:
        tell = Tell('t')
        tell.notifier.register(task.EVENT_UPDATE_PROGRESS, lambda event, details: None)
        other = tell.copy()
        other.name = 'other'
        engine = engines.load(other)
        engine.run()
        self.assertIsNotNone(engine.storage.get_task_progress_details('other'))

    def test_a_flow_runs_before_its_atoms_do_anything(self) -> None:
        engine = engines.load(linear_flow.Flow('f', retry=retry.Times(2, 'r')).add(Give('a')))
        engine.prepare()
        engine.storage.set_atom_intention('r', 'RETRY')
        engine.storage.set_atom_state('r', 'SUCCESS')
        engine.storage.set_atom_state('a', 'REVERTED')
        told = []
        for where in (engine.notifier, engine.atom_notifier):
            where.register('*', lambda state, details: told.append(state))
        engine.run()
        self.assertEqual(['RUNNING', 'RETRYING', 'PENDING', 'RUNNING', 'SUCCESS'], told[:5])

    def test_the_failure_of_an_atom_that_is_gone_is_raised(self) -> None:
        backend = backends.fetch('memory')
        self.addCleanup(backend.close)
        detail = models.FlowDetail('f')
        engine = engines.load(
            linear_flow.Flow('f').add(Give('a'), Refuse('b')), flow_detail=detail, backend=backend)
        engine.atom_notifier.register('FAILURE', lambda state, details: engine.suspend())
        engine.run()
        self.assertEqual('SUSPENDED', engine.storage.get_flow_state())
        again = engines.load(linear_flow.Flow('f').add(Give('a')), flow_detail=detail, backend=backend)
        again.prepare()
        self.assertEqual(['b'], list(again.storage.get_failures()))
        self.assertTrue(again.storage.has_failures())
