# SPDX-License-Identifier: Apache-2.0
"""What the fake does beyond the contract that it keeps (tests/contract)."""

from __future__ import annotations

import testtools

from tfd import exceptions
from tfd.jobs.ports import Ring
from tfd.testing.ensemble import FakeCoordinator, FakeEnsemble


class FakeEnsembleTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.ensemble = FakeEnsemble(inline=True)

    def _joined(self, conductor: str, observer: bool = False) -> FakeCoordinator:
        member = self.ensemble.member(conductor, observer=observer)
        member.start()
        return member

    def test_lost_reply_leaves_a_lock_in_doubt_until_time_passes(self) -> None:
        a, b = self._joined('a'), self._joined('b')
        session = a.session()
        a.lose_reply()
        self.assertRaises(exceptions.CoordinatorUnavailable, a.acquire, session, 'job')
        self.assertEqual(session.incarnation, b.holder('job'))
        self.ensemble.clock.advance(0.1)
        self.assertIsNone(b.holder('job'))

    def test_lock_in_doubt_can_be_taken_again(self) -> None:
        a = self._joined('a')
        a.lose_reply()
        self.assertRaises(exceptions.CoordinatorUnavailable, a.acquire, a.session(), 'job')
        a.acquire(a.session(), 'job')
        self.ensemble.clock.advance(0.1)
        self.assertEqual(a.session().incarnation, a.holder('job'))

    def test_lost_reply_to_a_release_is_settled(self) -> None:
        a = self._joined('a')
        lock = a.acquire(a.session(), 'job')
        a.lose_reply()
        a.release(lock)
        self.assertEqual(a.session().incarnation, a.holder('job'))
        self.ensemble.clock.advance(0.1)
        self.assertIsNone(a.holder('job'))

    def test_day_passes_without_harm_to_who_is_reachable(self) -> None:
        a, b = self._joined('a'), self._joined('b')
        session = a.session()
        b.cut()
        self.ensemble.clock.advance(86400)
        self.assertIs(session, a.session())
        self.assertIsNone(b.session())
        self.assertEqual({session.incarnation}, a.members())

    def test_rings_come_in_the_thread_that_causes_them(self) -> None:
        heard: list[Ring] = []
        member = self.ensemble.member('a')
        member.listen(heard.append)
        member.start()
        member.ring(1)
        self.assertEqual([Ring.MEMBERS, Ring.SESSION, Ring.DOORBELL], heard)

    def test_observer_is_no_member(self) -> None:
        member, observer = self._joined('a'), self._joined('poster', observer=True)
        self.assertEqual({member.session().incarnation}, observer.members())
        self.assertRaises(exceptions.InvalidState, observer.acquire, observer.session(), 'job')
        self.ensemble.clock.advance(100)
        self.assertIsNotNone(observer.session())
