# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import testtools

from tfd.types import timing


class FakeEvent:
    """An event that remembers how long it was waited for."""

    def __init__(self) -> None:
        self.waited: list[float] = []
        self.happened = False

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)

    def set(self) -> None:
        self.happened = True

    def clear(self) -> None:
        self.happened = False

    def is_set(self) -> bool:
        return self.happened


class TimeoutTest(testtools.TestCase):
    def test_waits_for_its_time(self) -> None:
        event = FakeEvent()
        timing.Timeout(1.5, event_factory=lambda: event).wait()
        self.assertEqual([1.5], event.waited)

    def test_can_be_interrupted_and_reset(self) -> None:
        timeout = timing.Timeout(1000)
        timeout.interrupt()
        timeout.wait()
        self.assertTrue(timeout.is_stopped())
        timeout.reset()
        self.assertFalse(timeout.is_stopped())

    def test_no_time_is_less_than_none(self) -> None:
        self.assertEqual(0, timing.Timeout(0).value)
        self.assertRaises(ValueError, timing.Timeout, -1)

    def test_is_made_of_numbers_and_texts(self) -> None:
        self.assertEqual([1.0, 1.5], [timing.convert_to_timeout(value).value for value in (1, '1.5')])

    def test_a_timeout_is_one_already(self) -> None:
        timeout = timing.Timeout(1)
        self.assertIs(timeout, timing.convert_to_timeout(timeout))
        self.assertIs(timeout, timing.convert_to_timeout(None, timeout))

    def test_a_default_takes_the_place_of_none(self) -> None:
        self.assertEqual(4.0, timing.convert_to_timeout(None, '4').value)
        self.assertEqual(0.0, timing.convert_to_timeout(0, 5).value)

    def test_nothing_else_is_a_time(self) -> None:
        for value in (None, '', 'soon', -1, object()):
            self.assertRaises(ValueError, timing.convert_to_timeout, value)
