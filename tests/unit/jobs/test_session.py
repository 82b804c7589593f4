# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import testtools

from tfd.jobs.session import OwnClockSession
from tfd.testing.clock import FakeClock


class OwnClockSessionTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = FakeClock(now=100.0)
        self.ends: list[float] = []
        self.session = OwnClockSession(
            'a/1/beef', 10.0, self.clock, 100.0, lambda: self.ends.append(self.clock.now()))

    def test_counts_from_when_a_request_was_sent(self) -> None:
        self.clock.advance(4)
        self.session.prove(103.0)
        self.session.prove(102.0)
        self.assertEqual(113.0, self.session.deadline())

    def test_deadline_that_has_passed_is_final(self) -> None:
        self.clock.advance(10)
        self.session.prove(109.0)
        self.assertFalse(self.session.lives())
        self.assertEqual(float('-inf'), self.session.deadline())
        self.assertEqual([110.0], self.ends)

    def test_end_is_told_once(self) -> None:
        self.session.end('first')
        self.session.end('second')
        self.assertEqual(([100.0], False), (self.ends, self.session.lives()))
