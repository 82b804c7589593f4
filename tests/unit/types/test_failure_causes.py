# SPDX-License-Identifier: Apache-2.0
"""The causes of failures, and the form in which they are stored."""

from __future__ import annotations

import pickle

import testtools

from tfd import exceptions
from tfd.types.failure import Failure


def _chained(*messages: str) -> Failure:
    """Return the failure of the first message, caused by that of the second, and so on."""
    error: Exception | None = None
    for message in reversed(messages):
        try:
            raise ValueError(message) from error
        except ValueError as err:
            error = err
    assert error is not None
    return Failure.from_exception(error)


def _texts(failure: Failure) -> list[str]:
    return [cause.exception_str for cause in failure.causes]


class CausesTest(testtools.TestCase):
    def _check(self, failure: Failure) -> None:
        self.assertEqual(['b', 'c', 'd'], _texts(failure))
        self.assertEqual(['c', 'd'], _texts(failure.causes[0]))
        self.assertEqual(['d'], _texts(failure.causes[0].causes[0]))
        self.assertEqual([], _texts(failure.causes[2]))

    def test_a_cause_has_those_after_it(self) -> None:
        self._check(_chained(*'abcd'))

    def test_causes_are_stored(self) -> None:
        self._check(Failure.from_dict(_chained(*'abcd').to_dict()))

    def test_causes_are_pickled(self) -> None:
        self._check(pickle.loads(pickle.dumps(_chained(*'abcd'))))

    def test_each_is_stored_once(self) -> None:
        stored = _chained(*(str(number) for number in range(40))).to_dict()
        self.assertEqual(39, len(stored['causes']))
        self.assertEqual({0}, {len(cause['causes']) for cause in stored['causes']})

    def test_causes_are_compared(self) -> None:
        stored = _chained('a', 'b').to_dict()
        self.assertTrue(Failure.from_dict(stored).matches(Failure.from_dict(stored)))
        other = {**stored, 'causes': [{**stored['causes'][0], 'exception_str': 'c'}]}
        self.assertFalse(Failure.from_dict(stored).matches(Failure.from_dict(other)))


class ValidateTest(testtools.TestCase):
    _GOOD = {'exception_str': 'x', 'traceback_str': 'y', 'exc_type_names': ['Special', 'Exception']}

    def test_a_failure_is_an_exception(self) -> None:
        Failure.validate(self._GOOD)
        for names in (['Junk'], ['ValueError'], ['KeyboardInterrupt']):
            self.assertRaises(exceptions.InvalidFormat, Failure.validate, {**self._GOOD, 'exc_type_names': names})

    def test_a_version_is_a_number(self) -> None:
        for version in (-1, 'x', None):
            self.assertRaises(exceptions.InvalidFormat, Failure.validate, {**self._GOOD, 'version': version})

    def test_another_version_cannot_be_read(self) -> None:
        Failure.validate({**self._GOOD, 'version': 99})
        self.assertRaises(ValueError, Failure.from_dict, {**self._GOOD, 'version': 99})


class WrappedFailureTest(testtools.TestCase):
    def test_shows_failures_as_they_are(self) -> None:
        wrapped = exceptions.WrappedFailure([Failure.from_exception(ValueError('嗨'))])
        self.assertEqual('WrappedFailure: [Failure: ValueError: 嗨]', str(wrapped))

    def test_what_is_not_allowed_keeps_a_flow_from_running(self) -> None:
        for kind in (exceptions.InvalidState, exceptions.RequestTimeout):
            self.assertTrue(issubclass(kind, exceptions.ExecutionFailure))
