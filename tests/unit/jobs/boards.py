# SPDX-License-Identifier: Apache-2.0
"""A board in memory, with several members, for tests that turn the clock themselves."""

from __future__ import annotations

from typing import Any

import fixtures
import testtools

from tests.unit.jobs.stores import FaultyStore
from tfd.jobs.board import JobBoard
from tfd.testing.ensemble import FakeCoordinator, FakeEnsemble


class BoardTestCase(testtools.TestCase):
    """One store, one ensemble; ``self.board`` is the board of the member ``self.member``."""

    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.ensemble = FakeEnsemble(session_timeout=10.0, inline=True)
        self.clock = self.ensemble.clock
        self.store = FaultyStore(self.clock)
        self.member = self.join('one')
        self.board = self.board_of(self.member)

    def join(self, name: str) -> FakeCoordinator:
        member = self.ensemble.member(name)
        member.start()
        self.addCleanup(member.stop)
        return member

    def board_of(self, member: FakeCoordinator, **options: Any) -> JobBoard:
        return JobBoard(self.store, member, self.clock, self.clock.advance, max_session=40.0,
                        **options)

    def me(self, member: FakeCoordinator | None = None) -> str:
        session = (member or self.member).session()
        assert session is not None
        return session.incarnation
