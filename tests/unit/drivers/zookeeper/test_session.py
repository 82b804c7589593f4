# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import testtools

from tfd.testing.clock import FakeClock
from tfd_drivers.zookeeper.client import Handshake
from tfd_drivers.zookeeper.session import ZookeeperSession

_TIMEOUT = 10.0
_BEAT = 2.5


class ZookeeperSessionTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = FakeClock(now=100.0)
        self.ends: list[float] = []
        self.session = ZookeeperSession(
            None, 'a/1/beef', Handshake('beef', _TIMEOUT, sent=100.0), self.clock,
            lambda: self.ends.append(self.clock.now()))

    def test_handshake_counts_from_when_it_was_sent(self) -> None:
        self.clock.advance(3)
        self.assertEqual(110.0, self.session.deadline())
        self.session.shook(Handshake('beef', _TIMEOUT, sent=101.5))
        self.assertEqual(111.5, self.session.deadline())

    def test_heartbeat_proves_the_one_before_it(self) -> None:
        for number, expected in ((1, 110.0), (2, 112.5), (3, 115.0)):
            self.clock.advance(_BEAT)
            self.session.heard(100.0 + number * _BEAT)
            self.assertEqual(expected, self.session.deadline())

    def test_heartbeats_close_together_prove_nothing(self) -> None:
        self.clock.advance(5)
        for sent in (102.5, 102.6, 102.7, 104.0):
            self.session.heard(sent)
        self.assertEqual(110.0, self.session.deadline())
        self.session.heard(104.5)
        self.assertEqual(112.5, self.session.deadline())

    def test_deadline_that_has_passed_is_final(self) -> None:
        self.clock.advance(_TIMEOUT)
        self.assertFalse(self.session.lives())
        self.session.heard(105.0)
        self.session.heard(109.0)
        self.session.shook(Handshake('beef', _TIMEOUT, sent=109.0))
        self.assertFalse(self.session.lives())
        self.assertEqual(float('-inf'), self.session.deadline())
        self.assertEqual([110.0], self.ends)

    def test_answer_that_comes_too_late_revives_nothing(self) -> None:
        self.clock.advance(_TIMEOUT + 1)
        self.session.heard(109.9)
        self.assertFalse(self.session.lives())

    def test_another_session_of_the_client_ends_this_one(self) -> None:
        self.session.shook(Handshake('cafe', _TIMEOUT, sent=100.1))
        self.assertFalse(self.session.lives())

    def test_end_is_told_once(self) -> None:
        self.session.end('first')
        self.session.end('second')
        self.assertEqual([100.0], self.ends)
