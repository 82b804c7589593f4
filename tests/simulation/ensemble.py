# SPDX-License-Identifier: Apache-2.0
"""The server of the coordinators: sessions that time out, locks, members, doorbells."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from tests.simulation.hub import Hub
from tests.simulation.wire import Wire
from tfd import exceptions
from tfd.jobs import placement
from tfd.jobs.ports import Ring

if TYPE_CHECKING:
    from tests.simulation.coordinator import Coordinator

__all__ = ['Ensemble']


class _Member:
    """What the ensemble knows of one session.

    :ivar watches: whether it is to be told of the next change of the members.
    """

    __slots__ = ('coordinator', 'heard', 'watches')

    def __init__(self, coordinator: Coordinator, heard: float) -> None:
        self.coordinator = coordinator
        self.heard = heard
        self.watches = False


class Ensemble:
    """The server: sessions, locks, members, doorbells. Every method is one moment.

    :ivar locks: who holds each lock.
    :ivar ends: when each session that has ended did so, and why: ``silence``, ``left``, ``expired``
        by hand, or ``wiped``.
    """

    def __init__(self, hub: Hub, timeout: float) -> None:
        self.hub = hub
        self.timeout = timeout
        self.wire = Wire(hub, 'zk', exceptions.CoordinatorUnavailable)
        self.locks: dict[str, str] = {}
        self.ends: dict[str, tuple[float, str]] = {}
        self._members: dict[str, _Member] = {}
        self._board: str | None = None
        self._numbers = itertools.count(1)
        self._preferred: dict[int, str] = {}
        self._listed: frozenset[str] | None = None

    # What a schedule does to it.

    def living(self) -> list[str]:
        """Return the incarnations that live."""
        return list(self._members)

    def expire(self, incarnation: str) -> None:
        """End a session by hand."""
        self._end(incarnation, 'expired')

    def wipe(self) -> None:
        """Forget everything, as after a restart with empty data."""
        for incarnation in self.living():
            self._end(incarnation, 'wiped')
        self._board = None

    def thaw(self) -> None:
        """Answer again; a new leader counts every session from now on."""
        self.wire.down = False
        for member in self._members.values():
            member.heard = self.hub.now

    # What members ask for.

    def connect(self, coordinator: Coordinator) -> str:
        """Begin a session."""
        incarnation = f'{coordinator.prefix}/{next(self._numbers)}'
        self._members[incarnation] = _Member(coordinator, self.hub.now)
        self.hub.after(self.timeout, self._look_at, incarnation)
        self._changed()
        return incarnation

    def close(self, incarnation: str) -> None:
        """End a session, as its client wants it."""
        self._end(incarnation, 'left')

    def beat(self, incarnation: str) -> None:
        """Hear of a session."""
        self._hear(incarnation)

    def create(self, incarnation: str, name: str) -> str:
        """Take a lock; return who has it now."""
        self._hear(incarnation)
        return self.locks.setdefault(name, incarnation)

    def delete(self, incarnation: str, name: str) -> None:
        """Let go of a lock."""
        self._hear(incarnation)
        if self.locks.get(name) == incarnation:
            del self.locks[name]

    def read(self, incarnation: str, name: str) -> str | None:
        """Return who has a lock."""
        self._hear(incarnation)
        return self.locks.get(name)

    def members(self, incarnation: str) -> frozenset[str]:
        """Return who lives."""
        self._hear(incarnation)
        return self._list()

    def watch(self, incarnation: str) -> None:
        """Tell a member who lives, and of the next change."""
        member = self._members.get(incarnation)
        if member is not None:
            member.watches = True
            self.hub.after(self.wire.delay(), member.coordinator.listed, incarnation, self._list())

    def _list(self) -> frozenset[str]:
        if self._listed is None:
            self._listed = frozenset(self._members)
        return self._listed

    def board_id(self, incarnation: str, propose: str | None) -> str | None:
        """Return the board's id."""
        self._hear(incarnation)
        if self._board is None:
            self._board = propose
        return self._board

    def ring(self, shard: int) -> None:
        """Wake who prefers a shard."""
        if shard not in self._preferred:
            for incarnation in self._members:
                if placement.preferred((shard,), self._list(), incarnation):
                    self._preferred[shard] = incarnation
        preferred = self._members.get(self._preferred.get(shard, ''))
        if preferred is not None and not self.wire.down:
            self.wire.counts['event'] += 1
            self.hub.after(self.wire.delay(), preferred.coordinator.hear, Ring.DOORBELL)

    def _hear(self, incarnation: str) -> None:
        member = self._members.get(incarnation)
        if member is None:
            raise exceptions.SessionLost(f'session {incarnation} has ended')
        member.heard = self.hub.now

    def _look_at(self, incarnation: str) -> None:
        """End a session that was silent for too long; look again later otherwise."""
        member = self._members.get(incarnation)
        if member is None:
            return
        ends = member.heard + self.timeout
        if self.hub.now < ends or self.wire.down:
            self.hub.at(max(ends, self.hub.now + 0.5), self._look_at, incarnation)
        else:
            self._end(incarnation, 'silence')

    def _end(self, incarnation: str, why: str) -> None:
        if self._members.pop(incarnation, None) is None:
            return
        self.ends[incarnation] = (self.hub.now, why)
        self.hub.tell('ensemble', 'session %s ends: %s', incarnation, why)
        for name in [name for name, owner in self.locks.items() if owner == incarnation]:
            del self.locks[name]
        self._changed()

    def _changed(self) -> None:
        self._preferred.clear()
        self._listed = None
        for incarnation, member in self._members.items():
            if member.watches:
                member.watches = False
                self.wire.counts['event'] += 1
                self.hub.after(self.wire.delay(), member.coordinator.changed, incarnation)
