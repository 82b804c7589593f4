# SPDX-License-Identifier: Apache-2.0
"""The driver on three servers."""

from __future__ import annotations

import time

import testtools

from tests.functional.zookeeper.ensemble import Ensemble
from tfd import exceptions
from tfd.types.clock import BootClock
from tfd_drivers.zookeeper.coordinator import ZookeeperCoordinator


class CutFollowerTest(testtools.TestCase):
    """A server that is cut off from the leader answers reads for syncLimit ticks, here 4 s."""

    def setUp(self) -> None:
        super().setUp()
        self.ensemble = self.useFixture(Ensemble())

    def _joined(self, conductor: str, hosts: str) -> ZookeeperCoordinator:
        coordinator = ZookeeperCoordinator(
            {'hosts': hosts, 'session_timeout': 1.0}, conductor=conductor, worker='1')
        self.addCleanup(coordinator.stop)
        coordinator.start()
        return coordinator

    def test_its_client_stops_believing_before_another_has_the_lock(self) -> None:
        mine = self._joined('mine', self.ensemble.follower)
        peer = self._joined('peer', self.ensemble.leader)
        lock = mine.acquire(mine.session(), 'job')
        time.sleep(1.0)
        self.assertIs(lock.session, mine.session())
        self.ensemble.to_leader.cut()
        began, clock = time.monotonic(), BootClock()
        while not self._takes(peer, 'job'):
            self.assertLess(time.monotonic() - began, 10)
            time.sleep(0.01)
        self.assertLess(lock.session.deadline(), clock.now())
        self.assertIsNot(lock.session, mine.session())
        self.assertLess(time.monotonic() - began, 3.5)

    def test_session_outlives_the_server_that_it_was_on(self) -> None:
        mine = self._joined('mine', f'{self.ensemble.follower},{self.ensemble.leader}')
        session = mine.session()
        lock = mine.acquire(session, 'job')
        self.ensemble._peers[1].kill()
        time.sleep(1.5)
        self.assertIs(session, mine.session())
        mine.release(lock)
        self.assertIsNone(mine.holder('job'))

    def _takes(self, coordinator: ZookeeperCoordinator, name: str) -> bool:
        try:
            coordinator.acquire(coordinator.session(), name)
        except exceptions.LockHeld:
            return False
        return True
