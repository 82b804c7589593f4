# SPDX-License-Identifier: Apache-2.0
"""The ZooKeeper driver keeps the contract of a coordinator, on a real server."""

from __future__ import annotations

import time
import uuid

import testtools
from kazoo.client import KazooClient

from tests.functional import servers
from tests.functional.zookeeper.proxy import Wire
from tfd.jobs.ports import Capability, Coordinator
from tfd.testing.coordinator import CoordinatorContract
from tfd.types.clock import BootClock
from tfd_drivers.zookeeper.coordinator import ZookeeperCoordinator

_SESSION = 1.0


class ZookeeperCoordinatorTest(CoordinatorContract, testtools.TestCase):
    """One server for all of the tests here; each has a root, and each member a wire, of its own."""

    capabilities = frozenset(Capability)
    server: servers.ZooKeeper

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        if servers.ZooKeeper.missing() is not None:
            # Skips, or fails in CI.
            servers.require('zookeeper')
        cls.server = servers.ZooKeeper(tick_time=0.1)
        cls.server.start()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.destroy()
        super().tearDownClass()

    def setUp(self) -> None:
        super().setUp()
        self.clock = BootClock()
        self._path = f'/{uuid.uuid4().hex}'
        self._wires: dict[Coordinator, Wire] = {}

    def make(self, conductor: str) -> Coordinator:
        wire = self.useFixture(Wire(self.server.hosts))
        conf = {
            'hosts': wire.hosts,
            'path': self._path,
            'session_timeout': _SESSION,
            'connect_timeout': 1.0 if self._frozen() else 10.0,
        }
        coordinator = ZookeeperCoordinator(conf, conductor=conductor, worker='1')
        self._wires[coordinator] = wire
        self.addCleanup(coordinator.stop)
        return coordinator

    def pass_time(self, seconds: float) -> None:
        time.sleep(seconds)

    def end_session(self, coordinator: Coordinator) -> None:
        # Whoever knows a session's id and password can end it.
        client = coordinator._keeper.membership().client
        killer = KazooClient(self.server.hosts, timeout=_SESSION, client_id=client.client_id)
        self.cut(coordinator)
        killer.start()
        killer.stop()
        killer.close()
        self.heal(coordinator)

    def cut(self, coordinator: Coordinator) -> None:
        self._wires[coordinator].cut()

    def heal(self, coordinator: Coordinator) -> None:
        self._wires[coordinator].heal()

    def freeze(self) -> None:
        self.server.pause()
        self.addCleanup(self.server.resume)

    def thaw(self) -> None:
        self.server.resume()

    def restart(self) -> None:
        self.server.restart(wipe=True)

    def _frozen(self) -> bool:
        return any(process.status() == 'stopped' for process in self.server._processes())
