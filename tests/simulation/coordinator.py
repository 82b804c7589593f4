# SPDX-License-Identifier: Apache-2.0
"""The coordinator of a simulated process, with heartbeats that take time and answers that do not come."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tests.simulation.ensemble import Ensemble
from tests.simulation.hub import Event, Process
from tfd import exceptions
from tfd.jobs.ports import Capability, Lock, Ring
from tfd.jobs.session import OwnClockSession

__all__ = ['Coordinator']

_ALL = frozenset(Capability)


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
        self._known: frozenset[str] = frozenset()
        self._watching = False
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
        """Return the living incarnations, from the watch where it is set."""
        session = self._living()
        if self._watching:
            return self._known | {session.incarnation}
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
        """Call the listeners, unless nothing passes."""
        if ring is Ring.DOORBELL:
            # The watch is set again.
            self._wire.counts['watch'] += 1
        if self._hears(self.hear, ring) and (ring is Ring.SESSION or self._wire.reaches(self._process)):
            for listener in self._listeners:
                listener(ring)

    def changed(self, incarnation: str) -> None:
        """Hear that the members are others by now."""
        session = self.session()
        if self._hears(self.changed, incarnation) and session is not None and session.incarnation == incarnation:
            self._watching = False
            self._watch(session)

    def listed(self, incarnation: str, members: frozenset[str]) -> None:
        """Hear who lives."""
        session = self.session()
        if not self._hears(self.listed, incarnation, members) or not self._wire.reaches(self._process):
            return
        if session is not None and session.incarnation == incarnation:
            before, self._known, self._watching = self._known, members, True
            if before != members:
                self.hear(Ring.MEMBERS)

    def _hears(self, again: Callable[..., None], *args: Any) -> bool:
        """Tell whether the process can be told something; one that is stopped is told later."""
        process = self._process
        if process.alive and process.stopped_until > process.hub.now:
            process.hub.at(process.stopped_until, again, *args)
            return False
        return process.alive and not self._stopping

    def _watch(self, session: OwnClockSession) -> None:
        self._wire.send(self._process, 'watch', functools.partial(self._ensemble.watch, session.incarnation))

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
                self._watching = False
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
        self._known, self._watching = frozenset(), False
        self._watch(self._session)
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
        if not self._watching:
            self._watch(session)
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
