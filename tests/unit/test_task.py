# SPDX-License-Identifier: Apache-2.0
"""Tasks: names, functors, progress, copies."""

from __future__ import annotations

import logging
import math
import operator
from typing import Any

import testtools

from tfd import engines, task
from tfd.patterns import linear_flow
from tfd.types.failure import Failure


def plus_one(x: int) -> int:
    return x + 1


class Progressing(task.Task):
    def __init__(self, name: str, *steps: float) -> None:
        super().__init__(name)
        self.steps = steps

    def execute(self) -> None:
        for step in self.steps:
            self.update_progress(step)


class RevertTest(testtools.TestCase):
    def _revert(self, cls: Any, fails: bool) -> Any:
        flow = linear_flow.Flow('f').add(cls('t'))
        if not fails:
            flow.add(task.FunctorTask(lambda: 1 // 0, name='last'))
        engine = engines.load(flow)
        self.assertRaises(ZeroDivisionError, engine.run)
        return engine

    def test_result_and_failures_are_given(self):
        given: list[Any] = []

        class Result(task.Task):
            def execute(self) -> str:
                return 'value'

            def revert(self, result: Any, flow_failures: Any) -> None:
                given.append((result, {name: type(failure) for name, failure in flow_failures.items()}))

        self._revert(Result, False)
        self.assertEqual([('value', {'last': Failure})], given)

    def test_its_own_failure_is_its_result(self):
        given: list[Any] = []

        class Failing(task.Task):
            def execute(self) -> None:
                raise ZeroDivisionError

            def revert(self, result: Any, flow_failures: Any) -> None:
                given.append((type(result), list(flow_failures)))

        self._revert(Failing, True)
        self.assertEqual([(Failure, ['t'])], given)

    def test_values_of_symbols_are_given(self):
        given: list[Any] = []

        class Values(task.Task):
            def execute(self, x: Any) -> None:
                """Take x."""

            def revert(self, x: Any, y: Any = 'none', **kwargs: Any) -> None:
                given.append((x, y, sorted(kwargs)))

        flow = linear_flow.Flow('f').add(Values('t'), task.FunctorTask(lambda: 1 // 0, name='last'))
        self.assertRaises(ZeroDivisionError, engines.run, flow, store={'x': 1})
        self.assertEqual([(1, 'none', ['flow_failures', 'result'])], given)

    def test_a_revert_that_takes_nothing_fails(self):
        class Nothing(task.Task):
            def execute(self) -> None:
                """Do nothing."""

            def revert(self) -> None:  # type: ignore[override]
                """Take nothing."""

        flow = linear_flow.Flow('f').add(Nothing('t'), task.FunctorTask(lambda: 1 // 0, name='last'))
        engine = engines.load(flow)
        self.assertRaises(TypeError, engine.run)
        self.assertEqual('REVERT_FAILURE', engine.storage.get_atom_state('t'))


class ProgressTest(testtools.TestCase):
    def test_a_notifier_is_made_where_it_is_asked_for(self):
        made = Progressing('t', 0.25)
        engines.run(linear_flow.Flow('f').add(made))
        self.assertIsNone(made._made_notifier)
        self.assertIs(made.notifier, made._notifier)

    def test_listeners_are_told(self):
        told: list[Any] = []
        made = Progressing('t', 0.25, 0.5)
        made.notifier.register(task.EVENT_UPDATE_PROGRESS, lambda event, details: told.append(details))
        engines.run(linear_flow.Flow('f').add(made))
        self.assertEqual([0.0, 0.25, 0.5, 1.0], [details['progress'] for details in told])

    def test_what_is_too_much_is_cut(self):
        told: list[float] = []
        made = Progressing('t', -1, 2)
        made.notifier.register(task.EVENT_UPDATE_PROGRESS, lambda event, details: told.append(details['progress']))
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)
        made.execute()
        self.assertEqual([0.0, 1.0], told)

    def test_it_is_kept(self):
        seen = []
        made = Progressing('t', 0.25)
        made.notifier.register(
            task.EVENT_UPDATE_PROGRESS,
            lambda event, details: seen.append(engine.storage.get_task_progress('t')))
        engine = engines.load(linear_flow.Flow('f').add(made))
        engine.run()
        self.assertIn(0.25, seen)
        self.assertEqual(1.0, engine.storage.get_task_progress('t'))

    def _steps(self, made: Any) -> list[Any]:
        told: list[Any] = []
        made.notifier.register(task.EVENT_UPDATE_PROGRESS, lambda event, details: told.append(details['progress']))
        engine = engines.load(linear_flow.Flow('f').add(made))
        self.assertRaises(ZeroDivisionError, engine.run)
        return [told, engine.storage.get_task_progress('t'), engine.storage.get_task_progress_details('t')]

    def test_progress_is_a_number(self):
        made = task.FunctorTask(len, 't')
        for progress in ('x', '0.5', None, [1]):
            error = self.assertRaises(TypeError, made.update_progress, progress)
            self.assertEqual(
                f"progress of task 't' must be a number from 0.0 to 1.0, not {progress!r}"
                f' ({type(progress).__name__})', str(error))

    def test_progress_that_is_no_number_is_none(self):
        told: list[float] = []
        made = task.FunctorTask(len, 't')
        made.notifier.register(task.EVENT_UPDATE_PROGRESS, lambda event, details: told.append(details['progress']))
        made.update_progress(math.nan)
        self.assertEqual([0.0], told)

    def test_what_failed_has_not_come_to_its_end(self):
        class Failing(task.Task):
            def execute(self) -> None:
                self.notifier.notify(task.EVENT_UPDATE_PROGRESS, {'progress': 0.25, 'at': 'a'})
                raise ZeroDivisionError

            def revert(self, **kwargs: Any) -> None:
                self.update_progress(0.75)

        class Twice(Failing):
            def revert(self, **kwargs: Any) -> None:
                raise ZeroDivisionError

        self.assertEqual([[0.0, 0.25, 0.0, 0.75, 1.0], 1.0, None], self._steps(Failing('t')))
        self.assertEqual(
            [[0.0, 0.25, 0.0], 0.0, {'at_progress': 0.25, 'details': {'at': 'a'}}], self._steps(Twice('t')))

    def test_other_events_are_refused(self):
        self.assertRaises(ValueError, Progressing('t').notifier.register, 'other', print)

    def test_outside_of_a_run_it_is_told_to_listeners_only(self):
        Progressing('t', 0.5).execute()


class CopyTest(testtools.TestCase):
    def test_listeners_go_with_it_or_not(self):
        made = Progressing('t')
        made.notifier.register(task.EVENT_UPDATE_PROGRESS, print)
        self.assertTrue(made.copy().notifier.is_registered(task.EVENT_UPDATE_PROGRESS, print))
        self.assertFalse(made.copy(retain_listeners=False).notifier.is_registered(task.EVENT_UPDATE_PROGRESS, print))

    def test_its_listeners_are_its_own(self):
        made = Progressing('t')
        other = made.copy()
        other.notifier.register(task.EVENT_UPDATE_PROGRESS, print)
        self.assertFalse(made.notifier.is_registered(task.EVENT_UPDATE_PROGRESS, print))
        self.assertEqual('t', other.name)


class FunctorTest(testtools.TestCase):
    def test_names(self):
        self.assertEqual(f'{__name__}.plus_one', task.FunctorTask(plus_one).name)
        self.assertIn('<lambda>', task.FunctorTask(lambda: None).name)
        self.assertEqual('n', task.FunctorTask(plus_one, name='n').name)

        class Callable:
            def __call__(self, z: int) -> int:
                return z

            def method(self, q: int) -> int:
                return q

        self.assertTrue(task.FunctorTask(Callable()).name.endswith('Callable'))
        self.assertTrue(task.FunctorTask(Callable().method).name.endswith('Callable.method'))
        self.assertEqual(['z'], list(task.FunctorTask(Callable()).requires))
        self.assertEqual(['q'], list(task.FunctorTask(Callable().method).requires))

    def test_arguments_and_revert(self):
        given: list[Any] = []

        def undo(x: int, result: int, flow_failures: Any) -> None:
            given.append((x, result, list(flow_failures)))

        flow = linear_flow.Flow('f').add(
            task.FunctorTask(plus_one, name='t', provides='y', revert=undo),
            task.FunctorTask(lambda y: y // 0, name='last'))
        self.assertRaises(ZeroDivisionError, engines.run, flow, store={'x': 1})
        self.assertEqual([(1, 2, ['last'])], given)

    def test_without_a_revert_nothing_is_called(self):
        flow = linear_flow.Flow('f').add(
            task.FunctorTask(plus_one, name='t'), task.FunctorTask(lambda: 1 // 0, name='last'))
        engine = engines.load(flow, store={'x': 1})
        self.assertRaises(ZeroDivisionError, engine.run)
        self.assertEqual('REVERTED', engine.storage.get_atom_state('t'))
        self.assertIsNone(task.FunctorTask(plus_one).revert(result=1))

    def test_what_cannot_be_called_is_refused(self):
        self.assertRaises(ValueError, task.FunctorTask, 5)
        self.assertRaises(ValueError, task.FunctorTask, plus_one, revert=5)

    def test_version(self):
        self.assertEqual((3, 1), task.FunctorTask(plus_one, version=(3, 1)).version)
        self.assertEqual((1, 0), task.FunctorTask(plus_one).version)


class MapReduceTest(testtools.TestCase):
    def test_map(self):
        made = task.MapFunctorTask(plus_one, requires=['a', 'b', 'c'], provides='out')
        self.assertEqual([2, 3, 4], engines.run(
            linear_flow.Flow('f').add(made), store={'a': 1, 'b': 2, 'c': 3})['out'])

    def test_reduce(self):
        made = task.ReduceFunctorTask(lambda x, y: x - y, requires=['c', 'a', 'b'], provides='out')
        self.assertEqual(0, engines.run(linear_flow.Flow('f').add(made), store={'a': 1, 'b': 2, 'c': 3})['out'])

    def test_what_does_not_fit_is_refused(self):
        self.assertRaises(ValueError, task.MapFunctorTask, 5, requires=['a'])
        self.assertRaises(ValueError, task.MapFunctorTask, lambda x, y: x, requires=['a'])
        self.assertRaises(ValueError, task.ReduceFunctorTask, plus_one, requires=['a', 'b'])
        self.assertRaises(ValueError, task.ReduceFunctorTask, operator.add, requires=['a'])

    def test_optional_arguments_of_the_function_count(self):
        self.assertRaises(ValueError, task.MapFunctorTask, lambda x, y=1: x, requires=['a'])
        made = task.ReduceFunctorTask(lambda x, y=1: x + y, requires=['a', 'b'], provides='out')
        self.assertEqual(3, engines.run(made, store={'a': 1, 'b': 2})['out'])

    def test_a_text_is_one_symbol(self):
        made = task.MapFunctorTask(plus_one, requires='ab', provides='out')
        self.assertEqual([2], engines.run(made, store={'ab': 1})['out'])
        error = self.assertRaises(ValueError, task.ReduceFunctorTask, operator.add, requires='ab')
        self.assertIn("must have at least 2 elements, it has 1: ['ab']", str(error))

    def test_errors_tell_what_the_function_takes(self):
        error = self.assertRaises(ValueError, task.MapFunctorTask, operator.add, requires=['a'])
        self.assertEqual(
            f"Map functor {operator.add!r} must take exactly 1 argument, it takes 2: ['a', 'b']", str(error))
