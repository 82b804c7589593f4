# SPDX-License-Identifier: Apache-2.0
"""ZooKeeper as the coordinator's port shows it, with heartbeats that take time and sessions that time out."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

from tests.simulation.hub import Event, Hub, Process
from tests.simulation.wire import Wire
from tfd import exceptions
from tfd.jobs import placement
from tfd.jobs.ports import Capability, Lock, Ring
from tfd.jobs.session import OwnClockSession

__all__ = ['Coordinator', 'Ensemble']

_ALL = frozenset(Capability)


class _Member:
    """What the ensemble knows of one session."""

    __slots__ = ('coordinator', 'heard')

    def __init__(self, coordinator: Coordinator, heard: float) -> None:
        self.coordinator = coordinator
        self.heard = heard


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
        return frozenset(self._members)

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
                if placement.preferred((shard,), frozenset(self._members), incarnation):
                    self._preferred[shard] = incarnation
        preferred = self._members.get(self._preferred.get(shard, ''))
        if preferred is not None and not self.wire.down:
            self._tell(preferred.coordinator, Ring.DOORBELL)

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
        for member in self._members.values():
            self._tell(member.coordinator, Ring.MEMBERS)

    def _tell(self, coordinator: Coordinator, ring: Ring) -> None:
        self.wire.counts['event'] += 1
        self.hub.after(self.wire.delay(), coordinator.hear, ring)


class Coordinator:
    """The :class:`tfd.jobs.ports.Coordinator` of a simulated process; see the ZooKeeper driver for its rules."""

    def __init__(self, ensemble: Ensemble, process: Process, worker: str) -> None:
        self.prefix = f'{process.name.partition("#")[0]}/{worker}'
        self._ensemble = ensemble
        self._process = process
        self._wire = ensemble.wire
        self._interval = ensemble.timeout / 4
        self._limit = ensemble.timeout / 2
        self._session: OwnClockSession | None = None
        self._listeners: list[Callable[[Ring], None]] = []
        self._held: set[str] = set()
        self._unresolved: set[str] = set()
        self._missed = False
        self._stopping = False
        self._awake = Event(process.hub)
        self._joined = Event(process.hub)
        self.capabilities = _ALL

    # The port.

    def start(self) -> None:
        """Join."""
        self._process.spawn('keeper', self._keep)
        if not self._joined.wait(10.0):
            raise exceptions.CoordinatorUnavailable('not joined in time')

    def stop(self) -> None:
        """Leave."""
        self._stopping = True
        self._awake.set()
        session = self.session()
        if session is not None:
            session.end('stopped')
            try:
                self._ask('close', self._ensemble.close, session.incarnation)
            except exceptions.CoordinatorUnavailable:
                pass

    def session(self) -> OwnClockSession | None:
        """Return the session that lives now."""
        session = self._session
        return session if session is not None and session.lives() else None

    def members(self) -> frozenset[str]:
        """Return the living incarnations."""
        session = self._living()
        return self._asked(session, 'members', self._ensemble.members) | {session.incarnation}

    def acquire(self, session: OwnClockSession, name: str) -> Lock:
        """Take a lock."""
        if session is not self.session():
            raise exceptions.SessionLost(f'session {session.incarnation} has ended')
        owner = self._create(session, name)
        if owner != session.incarnation:
            raise exceptions.LockHeld(name, owner)
        if not session.lives():
            raise exceptions.SessionLost(f'session {session.incarnation} has ended')
        self._held.add(name)
        return Lock(name, session)

    def _create(self, session: OwnClockSession, name: str) -> str:
        """Return who has the lock after this attempt, '' for another thread of this session."""
        try:
            owner: str = self._of(session, 'lock', self._ensemble.create, name)
        except exceptions.CoordinatorUnavailable:
            self._unresolved.add(name)
            found = self._of(session, 'read', self._ensemble.read, name)
            if found is None or name not in self._unresolved:
                raise
            owner = found
        if owner == session.incarnation:
            if name in self._held:
                return ''
            self._unresolved.discard(name)
        return owner

    def release(self, lock: Lock) -> None:
        """Let go of a lock."""
        if lock.session is not self.session() or lock.name not in self._held:
            return
        self._held.discard(lock.name)
        try:
            self._of(self._session, 'unlock', self._ensemble.delete, lock.name)
        except exceptions.CoordinatorUnavailable:
            self._unresolved.add(lock.name)
        except exceptions.SessionLost:
            pass

    def holder(self, name: str) -> str | None:
        """Return who holds a lock."""
        owner: str | None = self._asked(self._living(), 'read', self._ensemble.read, name)
        return owner

    def ring(self, shard: int) -> None:
        """Ring the doorbell of a shard."""
        if self.session() is not None:
            self._wire.send(self._process, 'ring', functools.partial(self._ensemble.ring, shard))

    def listen(self, listener: Callable[[Ring], None]) -> None:
        """Call ``listener`` on every ring."""
        self._listeners.append(listener)

    def board_id(self, propose: str | None = None) -> str | None:
        """Return the board's id."""
        found: str | None = self._asked(self._living(), 'board', self._ensemble.board_id, propose)
        return found

    # Behind it.

    def hear(self, ring: Ring) -> None:
        """Hear of something, once the process runs; where nothing passes it is missed."""
        process = self._process
        if not process.alive or self._stopping:
            return
        if process.stopped_until > process.hub.now:
            process.hub.at(process.stopped_until, self.hear, ring)
        elif ring is not Ring.SESSION and not self._wire.reaches(process):
            self._missed = True
        else:
            for listener in self._listeners:
                listener(ring)

    def _living(self) -> OwnClockSession:
        session = self.session()
        if session is None:
            raise exceptions.CoordinatorUnavailable('no session now')
        return session

    def _asked(self, session: OwnClockSession, what: str, request: Callable[..., Any], *args: Any) -> Any:
        """Ask, where the end of the session is one more reason why it cannot be said now."""
        try:
            return self._of(session, what, request, *args)
        except exceptions.SessionLost as error:
            raise exceptions.CoordinatorUnavailable(str(error)) from error

    def _of(self, session: Any, what: str, request: Callable[..., Any], *args: Any) -> Any:
        """Ask under a session, which ends where the ensemble does not know it."""
        try:
            return self._ask(what, request, session.incarnation, *args)
        except exceptions.SessionLost as error:
            session.end(str(error))
            raise

    def _ask(self, what: str, request: Callable[..., Any], *args: Any) -> Any:
        return self._wire.call(self._process, what, self._limit, lambda: request(*args))

    def _keep(self) -> None:
        """Join, and send heartbeats, for ever."""
        while not self._stopping:
            session = self.session()
            try:
                if session is None:
                    self._join()
                else:
                    self._beat(session)
            except (exceptions.CoordinatorUnavailable, exceptions.SessionLost):
                self._missed = True
            self._awake.clear()
            session = self.session()
            pause = self._interval if session is None else min(
                self._interval, session.deadline() - self._process.now())
            self._awake.wait(max(0.005, pause if session is not None else 0.3))

    def _join(self) -> None:
        self._held.clear()
        self._unresolved.clear()
        sent = self._process.now()
        incarnation = self._ask('connect', self._ensemble.connect, self)
        self._session = OwnClockSession(
            incarnation, self._ensemble.timeout, self._process, sent, self._ended)
        if self._stopping:
            self.stop()
        self._joined.set()
        self.hear(Ring.SESSION)

    def _ended(self) -> None:
        self._awake.set()
        self.hear(Ring.SESSION)

    def _beat(self, session: OwnClockSession) -> None:
        sent = self._process.now()
        try:
            self._wire.call(self._process, 'beat', self._interval,
                            lambda: self._ensemble.beat(session.incarnation))
        except exceptions.SessionLost as error:
            session.end(str(error))
            raise
        session.prove(sent)
        if self._missed:
            self._missed = False
            self.hear(Ring.MEMBERS)
        while self._unresolved:
            # No attempt that comes meanwhile takes it for its own.
            name = min(self._unresolved)
            self._unresolved.discard(name)
            try:
                if self._of(session, 'read', self._ensemble.read, name) == session.incarnation:
                    self._of(session, 'unlock', self._ensemble.delete, name)
            except exceptions.CoordinatorUnavailable:
                self._unresolved.add(name)
                raise
