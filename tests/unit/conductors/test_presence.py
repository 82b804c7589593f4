# SPDX-License-Identifier: Apache-2.0
"""When it is noted that a process conducts, and what becomes of a note that cannot be made."""

from __future__ import annotations

from collections.abc import Sequence

from tests.unit.jobs.boards import BoardTestCase
from tfd import exceptions
from tfd.conductors.presence import Presence, Process
from tfd.jobs import record
from tfd.testing.ensemble import FakeCoordinator

_PROCESS = Process('machine', 7, '1.2.3')
_DAY = 86400.0


class FakeRoster:
    """Takes down what is noted and forgotten.

    :ivar error: to be raised by every call.
    """

    def __init__(self) -> None:
        self.noted: list[record.Incarnation] = []
        self.forgotten: list[float] = []
        self.error: Exception | None = None

    def note(self, seen: record.Incarnation) -> None:
        self.noted.append(seen)
        if self.error is not None:
            raise self.error

    def latest(self, limit: int) -> Sequence[record.Incarnation]:
        return self.noted[-limit:]

    def forget(self, before: float, limit: int) -> int:
        self.forgotten.append(before)
        return 0


class PresenceTest(BoardTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.roster = FakeRoster()
        self.presence = self.present(self.member)

    def present(self, member: FakeCoordinator, keep_days: float = 90.0) -> Presence:
        return Presence(self.roster, member, _PROCESS, keep_days, self.clock)

    def test_a_session_is_noted_when_it_begins(self) -> None:
        self.presence.note()
        now = self.clock.wall()
        self.assertEqual([record.Incarnation(self.me(), 'machine', 7, '1.2.3', now, now)], self.roster.noted)

    def test_once_a_minute(self) -> None:
        began = self.clock.wall()
        for _ in range(600):
            self.presence.note()
            self.clock.advance(1.0)
        self.assertEqual(10, len(self.roster.noted))
        self.assertEqual(({began}, began + 540), (
            {seen.started_at for seen in self.roster.noted}, self.roster.noted[-1].seen_at))

    def test_a_new_session_at_once(self) -> None:
        self.presence.note()
        first = self.me()
        self.ensemble.expire(first)
        self.clock.advance(1.0)
        self.presence.note()
        self.assertEqual([first, self.me()], [seen.incarnation for seen in self.roster.noted])
        self.assertEqual(self.clock.wall(), self.roster.noted[-1].started_at)

    def test_without_a_session_nothing_is_noted(self) -> None:
        self.member.stop()
        self.presence.note()
        self.assertEqual([], self.roster.noted)

    def test_what_cannot_be_noted_is_tried_again_later(self) -> None:
        self.roster.error = exceptions.StorageUnavailable('away')
        for _ in range(61):
            self.presence.note()
            self.clock.advance(1.0)
        self.assertEqual(2, len(self.roster.noted))
        self.assertIn('is not noted as seen now: away', self.log.output)
        self.assertEqual([], self.roster.forgotten)

    def test_others_are_forgotten_once(self) -> None:
        began = self.clock.wall()
        for _ in range(3):
            self.presence.note()
            self.clock.advance(60.0)
        self.assertEqual([began - 90 * _DAY], self.roster.forgotten)

    def test_or_never(self) -> None:
        self.present(self.member, keep_days=0.0).note()
        self.assertEqual(([], 1), (self.roster.forgotten, len(self.roster.noted)))
