# SPDX-License-Identifier: Apache-2.0
"""Errors: what they say and carry."""

from __future__ import annotations

import pickle

import testtools

from tfd import exceptions
from tfd.types.failure import Failure


class TaskFlowExceptionTest(testtools.TestCase):
    def test_cause(self):
        cause = ValueError('inside')
        error = exceptions.TaskFlowException('outside', cause=cause)
        self.assertIs(cause, error.cause)
        self.assertIn('outside', error.pformat())
        self.assertIn('inside', error.pformat())
        self.assertIn('ValueError', error.pformat())

    def test_raise_with_cause(self):
        try:
            raise ValueError('inside')
        except ValueError:
            error = self.assertRaises(
                exceptions.NotFound, exceptions.raise_with_cause, exceptions.NotFound, 'outside')
        self.assertEqual('inside', str(error.cause))
        self.assertIs(error.cause, error.__cause__)

    def test_its_text_tells_the_causes_that_were_given(self):
        inner = exceptions.TaskFlowException('middle', cause=OSError('inside'))
        error = exceptions.NotFound('outside', cause=inner)
        self.assertEqual('outside\n  TaskFlowException: middle\n    OSError: inside', str(error))
        self.assertEqual('outside', error.message)

    def test_its_text_leaves_out_what_it_was_raised_from(self):
        error = exceptions.NotFound('outside')
        error.__cause__ = OSError('with a secret of the server')
        self.assertEqual('outside', str(error))
        self.assertEqual('outside\n  OSError: with a secret of the server', error.pformat())

    def test_a_circle_of_causes_is_told_once(self):
        error = exceptions.NotFound('outside')
        error._cause = exceptions.Empty('inside', cause=error)
        self.assertEqual('outside\n  Empty: inside', str(error))

    def test_errors_can_be_pickled(self):
        for error in (
                exceptions.UnknownPlugin('g', 'n', ['a']), exceptions.OwnershipLost('j', 1, 'why'),
                exceptions.MissingDependencies('f', ['a']), exceptions.WorkerDied("task 'a'", 12, -9),
                exceptions.AtomInterrupted("task 'a'", SystemExit(3))):
            found = pickle.loads(pickle.dumps(error))
            self.assertEqual((type(error), str(error), vars(error)), (type(found), str(found), vars(found)))

    def test_carried_failures_are_pickled_with_their_carrier(self):
        error = exceptions.WrappedFailure([Failure.from_exception(ValueError('a'))])
        self.assertEqual(['a'], [failure.exception_str for failure in pickle.loads(pickle.dumps(error))])

    def test_every_error_is_one(self):
        apart = {'WrappedFailure', 'NotImplementedError'}
        for name in exceptions.__all__:
            found = getattr(exceptions, name)
            if isinstance(found, type) and name not in apart:
                self.assertTrue(issubclass(found, exceptions.TaskFlowException), name)


class WrappedFailureTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.failures = [Failure.from_exception(ValueError('v')), Failure.from_exception(KeyError('k'))]

    def test_it_holds_failures(self):
        error = exceptions.WrappedFailure(self.failures)
        self.assertEqual(self.failures, list(error))
        self.assertEqual(2, len(error))
        self.assertIn('Failure: ValueError: v', str(error))
        self.assertIn("Failure: KeyError: 'k'", str(error))

    def test_check(self):
        error = exceptions.WrappedFailure(self.failures)
        self.assertIs(KeyError, error.check(OSError, KeyError))
        self.assertIsNone(error.check(OSError))

    def test_those_inside_are_unwrapped(self):
        inside = Failure.from_exception(exceptions.WrappedFailure(self.failures))
        self.assertEqual(self.failures, list(exceptions.WrappedFailure([inside])))

    def test_it_is_not_an_error_of_tfd(self):
        self.assertFalse(issubclass(exceptions.WrappedFailure, exceptions.TaskFlowException))


class AttributesTest(testtools.TestCase):
    def test_missing_dependencies(self):
        error = exceptions.MissingDependencies('who', ['b', 'a'])
        self.assertEqual(['b', 'a'], error.missing_requirements)
        self.assertIn("'who' requires ['b', 'a'] but no other entity produces said requirements", str(error))

    def test_disallowed_access(self):
        self.assertEqual('RUNNING', exceptions.DisallowedAccess('not now', state='RUNNING').state)
        self.assertIsNone(exceptions.DisallowedAccess('not now').state)

    def test_ownership_lost(self):
        error = exceptions.OwnershipLost('j', 3, 'why')
        self.assertEqual(('j', 3, 'why'), (error.job, error.epoch, error.why))

    def test_not_storable(self):
        error = exceptions.NotStorable("result of atom 'a'", "$['k']", 'socket')
        self.assertEqual(
            "result of atom 'a' cannot be stored: $['k'] is a socket, which has no stored form", str(error))

    def test_not_implemented_is_the_builtin_too(self):
        self.assertTrue(issubclass(exceptions.NotImplementedError, NotImplementedError))
