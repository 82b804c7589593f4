# SPDX-License-Identifier: Apache-2.0
"""The fake coordinator keeps the contract that the drivers keep."""

from __future__ import annotations

import time

import testtools

from tfd.jobs.ports import Capability, Coordinator
from tfd.testing.coordinator import CoordinatorContract
from tfd.testing.ensemble import FakeCoordinator, FakeEnsemble


class FakeCoordinatorTest(CoordinatorContract, testtools.TestCase):
    """In memory, by a fake clock."""

    capabilities = frozenset(Capability)
    # Listeners are called on threads, which take real time.
    patience = 200.0

    def setUp(self) -> None:
        super().setUp()
        self.ensemble = FakeEnsemble()
        self.clock = self.ensemble.clock

    def make(self, conductor: str) -> Coordinator:
        coordinator = self.ensemble.member(conductor)
        self.addCleanup(coordinator.stop)
        return coordinator

    def pass_time(self, seconds: float) -> None:
        self.ensemble.clock.advance(seconds)
        time.sleep(0.0005)

    def end_session(self, coordinator: Coordinator) -> None:
        self.ensemble.expire(coordinator.session().incarnation)

    def cut(self, coordinator: FakeCoordinator) -> None:
        coordinator.cut()

    def heal(self, coordinator: FakeCoordinator) -> None:
        coordinator.heal()

    def freeze(self) -> None:
        self.ensemble.freeze()

    def thaw(self) -> None:
        self.ensemble.thaw()

    def restart(self) -> None:
        self.ensemble.wipe()
