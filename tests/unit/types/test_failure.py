# SPDX-License-Identifier: Apache-2.0
"""Failures: kept, compared, stored, raised again."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import testtools

from tfd import exceptions
from tfd.types.failure import Failure


class Special(ValueError):
    """An error with a class of its own."""


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError('no text')


def caught(error: BaseException) -> Failure:
    try:
        raise error
    except BaseException:
        return Failure()


def reloaded(failure: Failure) -> Failure:
    return Failure.from_dict(json.loads(json.dumps(failure.to_dict())))


class OddArguments(Exception):
    @property  # type: ignore[misc]
    def args(self) -> tuple[object, ...]:
        raise LookupError('no arguments')


class MadeTest(testtools.TestCase):
    def test_arguments_that_cannot_be_had_are_none(self) -> None:
        failure = Failure.from_exception(OddArguments())
        self.assertEqual((), failure.exception_args)
        self.assertEqual((), Failure.from_dict(failure.to_dict()).exception_args)

    def test_of_what_is_being_handled(self):
        error = Special('x', 3)
        failure = caught(error)
        self.assertIs(error, failure.exception)
        self.assertEqual(('x', 3), failure.exception_args)
        self.assertEqual("('x', 3)", failure.exception_str)
        self.assertIn('in caught', failure.traceback_str)
        self.assertEqual((Special, error), failure.exc_info[:2])
        self.assertEqual([f'{__name__}.Special', 'ValueError', 'Exception'], list(failure))

    def test_of_an_exception(self):
        failure = Failure.from_exception(ValueError('v'))
        self.assertEqual(('v', ''), (failure.exception_str, failure.traceback_str))

    def test_not_of_nothing_nor_of_an_interrupt(self):
        self.assertRaises(TypeError, Failure)
        self.assertRaises(TypeError, caught, KeyboardInterrupt())
        self.assertRaises(TypeError, Failure.from_exception, SystemExit())
        self.assertRaises(TypeError, Failure.from_exception, 5)

    def test_unknown_arguments_are_refused(self):
        error = self.assertRaises(TypeError, Failure, other=1)
        self.assertIn('other', str(error))

    def test_of_an_exception_that_cannot_be_printed(self):
        self.assertEqual("('a',)", caught(Unprintable('a')).exception_str)

    def test_causes(self):
        try:
            try:
                raise KeyError('first')
            except KeyError as error:
                raise ValueError('second') from error
        except ValueError:
            failure = Failure()
        self.assertEqual(["'first'"], [cause.exception_str for cause in failure.causes])
        self.assertEqual((), failure.causes[0].causes)

    def test_a_context_that_was_suppressed_is_no_cause(self):
        try:
            try:
                raise KeyError('first')
            except KeyError:
                raise ValueError('second') from None
        except ValueError:
            failure = Failure()
        self.assertEqual((), failure.causes)

    def test_causes_in_a_circle_end(self):
        first, second = ValueError('1'), ValueError('2')
        first.__cause__, second.__cause__ = second, first
        self.assertEqual(['2'], [cause.exception_str for cause in caught(first).causes])


class CheckTest(testtools.TestCase):
    def test_a_class_inside_of_something_has_its_own_name(self):
        class Inside(Exception):
            """It has the name that it has in TaskFlow, and in records that TaskFlow made."""

        failure = Failure.from_exception(Inside('x'))
        self.assertEqual([f'{__name__}.Inside', 'Exception'], list(failure))
        self.assertIs(Inside, failure.check(Inside))

    def test_classes_and_names(self):
        for failure in (caught(Special('x')), reloaded(caught(Special('x')))):
            self.assertIs(Special, failure.check(KeyError, Special))
            self.assertIs(ValueError, failure.check(ValueError))
            self.assertIs(Exception, failure.check(Exception))
            self.assertEqual('ValueError', failure.check('KeyError', 'ValueError'))
            self.assertIsNone(failure.check(KeyError, 'OSError'))
            self.assertIsNone(failure.check())


class ComparedTest(testtools.TestCase):
    def test_one_that_was_reloaded_matches_and_is_not_equal(self):
        failure = caught(Special('x'))
        again = reloaded(failure)
        self.assertTrue(failure.matches(again))
        self.assertTrue(again.matches(failure))
        self.assertNotEqual(failure, again)
        self.assertEqual(again, reloaded(failure))

    def test_others_do_not(self):
        failure = caught(ValueError('x'))
        for other in (caught(ValueError('y')), caught(KeyError('x')), 'x', None):
            self.assertFalse(failure.matches(other))
            self.assertNotEqual(failure, other)

    def test_copies_are_equal(self):
        failure = caught(ValueError('x'))
        for other in (failure.copy(), copy.copy(failure)):
            self.assertEqual(failure, other)
            self.assertIs(failure.exception, other.exception)

    def test_it_can_be_a_key(self):
        failure = caught(ValueError('x'))
        self.assertIn(failure, {failure: 1})


class RaisedTest(testtools.TestCase):
    def test_as_itself(self):
        error = ValueError('x')
        self.assertIs(error, self.assertRaises(ValueError, caught(error).reraise))

    def test_wrapped_once_it_was_reloaded(self):
        failure = reloaded(caught(ValueError('x')))
        error = self.assertRaises(exceptions.WrappedFailure, failure.reraise)
        self.assertEqual([failure], list(error))

    def test_if_any(self):
        one, two = caught(ValueError('1')), caught(KeyError('2'))
        Failure.reraise_if_any([])
        self.assertIs(one.exception, self.assertRaises(ValueError, Failure.reraise_if_any, [one]))
        error = self.assertRaises(exceptions.WrappedFailure, Failure.reraise_if_any, iter([one, two]))
        self.assertEqual([one, two], list(error))


class StoredTest(testtools.TestCase):
    def test_as_a_dictionary_and_back(self):
        try:
            try:
                raise KeyError('first')
            except KeyError as error:
                raise Special('x') from error
        except ValueError:
            failure = Failure()
        again = reloaded(failure)
        for name in ('exception_str', 'traceback_str'):
            self.assertEqual(getattr(failure, name), getattr(again, name))
        self.assertEqual(list(failure), list(again))
        self.assertIsNone(again.exception)
        self.assertIsNone(again.exc_info)
        self.assertEqual(["'first'"], [cause.exception_str for cause in again.causes])

    def test_without_arguments(self):
        failure = caught(ValueError(object()))
        self.assertEqual((), failure.to_dict(include_args=False)['exc_args'])

    def test_what_is_no_failure_is_refused(self):
        good = caught(ValueError('x')).to_dict()
        for key, wrong in (('exception_str', 5), ('traceback_str', None), ('exc_type_names', []),
                           ('exc_type_names', [5]), ('exc_type_names', 'ValueError')):
            error = self.assertRaises(exceptions.InvalidFormat, Failure.from_dict, {**good, key: wrong})
            self.assertIn(key, str(error))
        self.assertRaises(exceptions.InvalidFormat, Failure.validate, 5)
        self.assertRaises(ValueError, Failure.from_dict, {**good, 'version': 5})
        Failure.validate(good)

    def test_pickled(self):
        failure = caught(ValueError('x'))
        again = pickle.loads(pickle.dumps(failure))
        self.assertIsInstance(again.exception, ValueError)
        self.assertEqual(('x', list(failure)), (again.exception_str, list(again)))
        self.assertEqual(failure.traceback_str, again.traceback_str)
        self.assertIsNone(pickle.loads(pickle.dumps(reloaded(failure))).exception)


class TextTest(testtools.TestCase):
    def test_pformat(self):
        failure: Any = caught(ValueError('x'))
        self.assertEqual('Failure: ValueError: x', failure.pformat())
        self.assertEqual('Failure: ValueError: x', str(failure))
        self.assertIn('Traceback (most recent call last):', failure.pformat(traceback=True))
        self.assertIn('in caught', failure.pformat(traceback=True))
        self.assertIn('Traceback not available', Failure.from_exception(ValueError('x')).pformat(traceback=True))
