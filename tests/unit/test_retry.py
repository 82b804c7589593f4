# SPDX-License-Identifier: Apache-2.0
"""Retries that come with tfd, and the history that all retries are given."""

from __future__ import annotations

import math
from typing import Any

import testtools

from tfd import engines, exceptions, retry, task
from tfd.patterns import linear_flow
from tfd.types.failure import Failure


def failure(error: Exception) -> Failure:
    return Failure.from_exception(error)


class HistoryTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.value, self.key = failure(ValueError('v')), failure(KeyError('k'))
        self.history = retry.History([(1, {'a': self.value}), (2, {'b': self.key})], failure(OSError('own')))

    def test_it_is_a_sequence_of_attempts(self):
        self.assertEqual(2, len(self.history))
        self.assertEqual((1, {'a': self.value}), self.history[0])
        self.assertEqual((2, {'b': self.key}), self.history[-1])
        self.assertEqual([1, 2], [provided for provided, _outcomes in self.history])
        self.assertEqual([('b', self.key)], list(self.history[-1][1].items()))

    def test_parts(self):
        self.assertEqual([1, 2], list(self.history.provided_iter()))
        self.assertEqual([('a', self.value), ('b', self.key)], list(self.history.outcomes_iter()))
        self.assertEqual([('b', self.key)], list(self.history.outcomes_iter(1)))

    def test_caused_by(self):
        self.assertTrue(self.history.caused_by(ValueError))
        self.assertTrue(self.history.caused_by('KeyError'))
        self.assertFalse(self.history.caused_by(ValueError, index=1))
        self.assertFalse(self.history.caused_by(OSError))
        self.assertTrue(self.history.caused_by(OSError, include_retry=True))

    def test_own_failure(self):
        self.assertEqual('own', self.history.failure.exception_str)
        self.assertIsNone(retry.History([]).failure)


class DecisionsTest(testtools.TestCase):
    def test_they_are_words(self):
        self.assertEqual(['REVERT', 'REVERT_ALL', 'RETRY'], list(retry.Decision))
        self.assertEqual('RETRY', f'{retry.RETRY}')

    def _history(self, *provided: Any) -> retry.History:
        return retry.History([(value, {'a': failure(ValueError())}) for value in provided])

    def test_always_revert(self):
        self.assertIs(retry.REVERT, retry.AlwaysRevert('r').on_failure(self._history(None)))
        self.assertIs(retry.REVERT_ALL, retry.AlwaysRevertAll('r').on_failure(history=self._history(None)))
        self.assertIsNone(retry.AlwaysRevert('r').execute(self._history()))
        self.assertIsNone(retry.AlwaysRevertAll('r').execute(self._history()))

    def test_times(self):
        times = retry.Times(2, 'r')
        self.assertEqual(1, times.execute(self._history()))
        self.assertIs(retry.RETRY, times.on_failure(self._history(1)))
        self.assertEqual(2, times.execute(self._history(1)))
        self.assertIs(retry.REVERT, times.on_failure(self._history(1, 2)))
        self.assertIs(retry.REVERT_ALL, retry.Times(1, 'r', revert_all=True).on_failure(self._history(1)))

    def test_for_each(self):
        each = retry.ForEach(['x', 'y', 'x'], 'r')
        self.assertEqual('x', each.execute(self._history()))
        self.assertIs(retry.RETRY, each.on_failure(self._history('x')))
        self.assertEqual('y', each.execute(self._history('x')))
        self.assertEqual('x', each.execute(self._history('x', 'y')))
        self.assertIs(retry.REVERT, each.on_failure(self._history('x', 'y', 'x')))
        self.assertRaises(exceptions.NotFound, each.execute, self._history('x', 'y', 'x'))

    def test_attempts_are_a_number(self):
        for attempts in ('x', '2', None, [1]):
            error = self.assertRaises(TypeError, retry.Times, attempts)
            self.assertEqual(
                f'attempts of a retry must be a number, not {attempts!r} ({type(attempts).__name__})', str(error))
        for number in (-1, math.nan):
            error = self.assertRaises(ValueError, retry.Times, number)
            self.assertEqual(f'attempts of a retry must be 0 at least, not {number}', str(error))
        for attempts, answer in ((0, 'REVERT'), (1, 'REVERT'), (1.5, 'RETRY'), (math.inf, 'RETRY')):
            self.assertEqual(answer, retry.Times(attempts).on_failure(retry.History([(1, {})])))

    def test_values_are_iterable(self):
        for values in (5, None):
            error = self.assertRaises(TypeError, retry.ForEach, values)
            self.assertEqual(
                f'values of a retry must be iterable, not {values!r} ({type(values).__name__})', str(error))

    def test_values_of_a_symbol_are_iterable(self):
        flow = linear_flow.Flow('f', retry=retry.ParameterizedForEach('r'))
        error = self.assertRaises(TypeError, engines.run, flow, store={'values': 5})
        self.assertEqual("values of retry 'r' must be iterable, not this int", str(error))

    def test_for_each_of_values_that_cannot_be_hashed(self):
        each = retry.ForEach([{'a': 1}, [2]], 'r', revert_all=True)
        self.assertEqual([2], each.execute(self._history({'a': 1})))
        self.assertIs(retry.REVERT_ALL, each.on_failure(self._history({'a': 1}, [2])))

    def test_parameterized_for_each(self):
        each = retry.ParameterizedForEach('r')
        self.assertEqual(['values'], list(each.requires))
        self.assertEqual(1, each.execute([1, 2], self._history()))
        self.assertIs(retry.RETRY, each.on_failure([1, 2], self._history(1)))
        self.assertIs(retry.REVERT, each.on_failure([1, 2], self._history(1, 2)))


class InFlowsTest(testtools.TestCase):
    def _run(self, controller: Any, good: Any, **store: Any) -> list[Any]:
        tried: list[Any] = []

        def attempt(value: Any) -> None:
            tried.append(value)
            if value != good:
                raise ValueError(value)

        flow = linear_flow.Flow('f', retry=controller).add(task.FunctorTask(attempt, name='t'))
        try:
            engines.run(flow, store=store)
        except ValueError:
            tried.append('failed')
        return tried

    def test_times(self):
        self.assertEqual([1, 2], self._run(retry.Times(3, provides='value'), 2))
        self.assertEqual([1, 2, 'failed'], self._run(retry.Times(2, provides='value'), 3))

    def test_for_each(self):
        self.assertEqual([5, 6], self._run(retry.ForEach([5, 6, 7], provides='value'), 6))
        self.assertEqual([5, 5, 'failed'], self._run(retry.ForEach([5, 5], provides='value'), 6))

    def test_parameterized_for_each(self):
        self.assertEqual([5, 6], self._run(retry.ParameterizedForEach(provides='value'), 6, values=[5, 6, 7]))
        self.assertEqual(
            [8, 9], self._run(retry.ParameterizedForEach(rebind={'values': 'v'}, provides='value'), 9, v=[8, 9]))

    def test_an_answer_may_be_its_text(self):
        class Texts(retry.Retry):
            def execute(self, history: Any) -> int:  # type: ignore[override]
                return len(history)

            def on_failure(self, history: Any) -> Any:  # type: ignore[override]
                return 'RETRY' if len(history) < 3 else 'REVERT'

        self.assertEqual([0, 1, 2], self._run(Texts('r', provides='value'), 2))
        self.assertEqual([0, 1, 2, 'failed'], self._run(Texts('r', provides='value'), 9))

    def test_the_name_comes_from_the_flow(self):
        flow = linear_flow.Flow('f', retry=retry.Times(1))
        self.assertEqual('f_retry', flow.retry.name)
        self.assertEqual('mine', linear_flow.Flow('f', retry=retry.Times(1, name='mine')).retry.name)

    def test_on_failure_and_revert_are_given_history_and_failures(self):
        given: list[Any] = []

        class Watched(retry.Retry):
            def execute(self, history: Any, x: Any) -> Any:  # type: ignore[override]
                given.append(('execute', len(history), x))
                return 'provided'

            def on_failure(self, history: Any, x: Any) -> Any:  # type: ignore[override]
                given.append(('asked', [(value, list(failures)) for value, failures in history], x))
                return retry.REVERT

            def revert(self, history: Any, flow_failures: Any, **kwargs: Any) -> None:
                given.append(('revert', len(history), list(flow_failures), sorted(kwargs)))

        flow = linear_flow.Flow('f', retry=Watched('r')).add(task.FunctorTask(lambda: 1 // 0, name='t'))
        self.assertRaises(ZeroDivisionError, engines.run, flow, store={'x': 4})
        self.assertEqual([
            ('execute', 0, 4), ('asked', [('provided', ['t'])], 4), ('revert', 1, ['t'], [])], given)
