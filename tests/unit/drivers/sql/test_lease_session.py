# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import testtools

from tfd.testing.clock import FakeClock
from tfd_drivers.sql.lease_session import LeaseSession


class LeaseSessionTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = FakeClock(now=100.0)
        self.ends: list[float] = []
        self.session = LeaseSession(
            'a/1/beef', 10.0, self.clock, 100.0, lambda: self.ends.append(self.clock.now()))

    def test_counts_from_when_a_renewal_was_sent(self) -> None:
        self.clock.advance(4)
        self.session.renewed(103.0)
        self.session.renewed(102.0)
        self.assertEqual(113.0, self.session.deadline())

    def test_deadline_that_has_passed_is_final(self) -> None:
        self.clock.advance(10)
        self.session.renewed(109.0)
        self.assertFalse(self.session.lives())
        self.assertEqual(float('-inf'), self.session.deadline())
        self.assertEqual([110.0], self.ends)
