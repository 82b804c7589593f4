# SPDX-License-Identifier: Apache-2.0
"""Coordinators in memory: several members in one process, driven by a clock that the test turns."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable

from tfd import exceptions
from tfd.jobs import placement
from tfd.jobs.ports import Capability, Lock, Ring, Session
from tfd.jobs.ringing import Ringer
from tfd.testing.clock import FakeClock

__all__ = ['FakeCoordinator', 'FakeEnsemble', 'FakeSession']

_ENDED = float('-inf')


class FakeSession:
    """A session with a :class:`FakeEnsemble`; see :class:`~tfd.jobs.ports.Session`.

    :param silent_since: tells since when nothing passes between the member and the ensemble, None
        while it does.
    """

    def __init__(
        self,
        incarnation: str,
        timeout: float,
        clock: FakeClock,
        silent_since: Callable[[], float | None],
    ) -> None:
        self._incarnation = incarnation
        self._timeout = timeout
        self._clock = clock
        self._silent_since = silent_since
        self._ended = False

    @property
    def incarnation(self) -> str:
        """The name under which this session owns locks and jobs."""
        return self._incarnation

    @property
    def timeout(self) -> float:
        """Seconds of silence after which the ensemble ends the session."""
        return self._timeout

    def deadline(self) -> float:
        """Return until when this session may be believed to live; minus infinity once it has ended."""
        if self._ended:
            return _ENDED
        now = self._clock.now()
        since = self._silent_since()
        deadline = (now if since is None else since) + self._timeout
        if now >= deadline:
            self.end()
            return _ENDED
        return deadline

    def lives(self) -> bool:
        """Whether the deadline is still to come. What is past stays past."""
        return self.deadline() > _ENDED

    def end(self) -> None:
        """Put the deadline into the past for ever."""
        self._ended = True


class FakeEnsemble:
    """What the coordinators of a test agree through; time passes when the test advances its clock.

    A member that is reachable sends heartbeats all the time, however far the clock is advanced at
    once. What a test can do:

    * ``member.cut()`` and ``member.heal()``: nothing passes between one member and the ensemble;
    * :meth:`freeze` and :meth:`thaw`: the ensemble answers nobody;
    * :meth:`expire`: the ensemble ends a session, which hears of it as soon as it is reachable;
    * :meth:`wipe`: a restart with empty data;
    * ``member.lose_reply()``: a request of a member is performed and its answer lost.

    :param inline: call listeners in the thread that causes the ring, for tests that step everything
        themselves; otherwise each member has a thread for it, as the drivers do.
    """

    def __init__(
        self, clock: FakeClock | None = None, session_timeout: float = 10.0, *, inline: bool = False
    ) -> None:
        self.clock = clock or FakeClock()
        self.session_timeout = session_timeout
        self.inline = inline
        self._guard = threading.RLock()
        self._frozen_at: float | None = None
        self._numbers = itertools.count(0x1000)
        self._members: dict[str, FakeCoordinator] = {}
        self._locks: dict[str, str] = {}
        self._board_id: str | None = None
        self._coordinators: list[FakeCoordinator] = []
        self.clock.follow(self._tick)

    def member(
        self, conductor: str = 'conductor', worker: str = '1', *, observer: bool = False
    ) -> FakeCoordinator:
        """Return a new coordinator, not started."""
        coordinator = FakeCoordinator(self, f'{conductor}/{worker}', observer)
        with self._guard:
            self._coordinators.append(coordinator)
        return coordinator

    def freeze(self) -> None:
        """Answer nobody until :meth:`thaw`."""
        with self._guard:
            self._frozen_at = self.clock.now()

    def thaw(self) -> None:
        """Answer again; sessions that were silent for too long end now."""
        with self._guard:
            self._tick()
            overdue = self._overdue()
            self._frozen_at = None
            self._end_sessions(overdue)
            self._tick()

    def expire(self, incarnation: str) -> None:
        """End a session, as an administrator can."""
        with self._guard:
            self._end_sessions([incarnation])
            self._tick()

    def wipe(self) -> None:
        """Forget everything, as a server that was restarted with empty data."""
        with self._guard:
            self._board_id = None
            self._locks.clear()
            self._members.clear()
            self._tick()

    def _silent_since(self, coordinator: FakeCoordinator) -> float | None:
        starts = [at for at in (self._frozen_at, coordinator._cut_at) if at is not None]
        return min(starts, default=None)

    def _overdue(self) -> list[str]:
        found = []
        for incarnation, coordinator in self._members.items():
            since = self._silent_since(coordinator)
            if since is not None and self.clock.now() >= since + self.session_timeout:
                found.append(incarnation)
        return found

    def _end_sessions(self, incarnations: list[str]) -> None:
        for incarnation in incarnations:
            if self._members.pop(incarnation, None) is not None:
                self._locks = {
                    name: owner for name, owner in self._locks.items() if owner != incarnation
                }
                self._tell_all(Ring.MEMBERS)

    def _tick(self) -> None:
        with self._guard:
            if self._frozen_at is None:
                self._end_sessions(self._overdue())
            for coordinator in list(self._coordinators):
                coordinator._refresh()

    def _tell_all(self, kind: Ring) -> None:
        for coordinator in list(self._coordinators):
            if self._silent_since(coordinator) is None:
                coordinator._tell(kind)

    def _ring(self, shard: int) -> None:
        for incarnation, coordinator in list(self._members.items()):
            if self._silent_since(coordinator) is None and placement.preferred(
                [shard], self._members, incarnation
            ):
                coordinator._tell(Ring.DOORBELL)


class FakeCoordinator:
    """A :class:`~tfd.jobs.ports.Coordinator` of a :class:`FakeEnsemble`; made by :meth:`FakeEnsemble.member`."""

    def __init__(self, ensemble: FakeEnsemble, prefix: str, observer: bool) -> None:
        self._ensemble = ensemble
        self._guard = ensemble._guard
        self._prefix = prefix
        self._observer = observer
        self._ringer = Ringer(f'fake-{prefix}')
        self._inline: list[Callable[[Ring], None]] = []
        self._session: FakeSession | None = None
        self._running = False
        self._cut_at: float | None = None
        self._lost_replies = 0
        self._held: set[str] = set()
        self._unresolved: set[str] = set()

    # What a test does to it.

    def cut(self) -> None:
        """Let nothing pass between this member and the ensemble."""
        with self._guard:
            self._cut_at = self._ensemble.clock.now()

    def heal(self) -> None:
        """Let requests pass again; a session whose deadline has passed is not revived."""
        with self._guard:
            self._ensemble._tick()
            self._cut_at = None
            self._ensemble._tick()

    def lose_reply(self) -> None:
        """Perform the next acquire or release, and lose its answer: it is settled when the clock advances."""
        with self._guard:
            self._lost_replies += 1

    # The port.

    @property
    def capabilities(self) -> frozenset[Capability]:
        """All there are."""
        return frozenset(Capability)

    def start(self) -> None:
        """Join.

        :raises CoordinatorUnavailable: nothing passes now; it joins when that ends.
        """
        with self._guard:
            self._running = True
            self._refresh()
            if self._session is None:
                raise exceptions.CoordinatorUnavailable('the ensemble does not answer')

    def stop(self) -> None:
        """Leave, and give up every lock."""
        with self._guard:
            self._running = False
            session = self._session
            if session is not None:
                self._end()
                if self._reachable():
                    self._ensemble._end_sessions([session.incarnation])
        self._ringer.close()

    def session(self) -> Session | None:
        """Return the session that lives now, None while there is none."""
        with self._guard:
            if self._session is not None and not self._session.lives():
                self._end()
            return self._session

    def members(self) -> frozenset[str]:
        """Return the living incarnations."""
        with self._guard:
            self._contact()
            return frozenset(self._ensemble._members)

    def acquire(self, session: Session, name: str) -> Lock:
        """Take a lock under this session; see the port for its errors."""
        with self._guard:
            if self._observer:
                raise exceptions.InvalidState(f'{self._prefix} is an observer: it takes no locks')
            if session is not self.session():
                raise exceptions.SessionLost(f'session {session.incarnation} has ended')
            self._contact()
            owner = self._ensemble._locks.get(name)
            if owner is not None and not (
                owner == session.incarnation and name in self._unresolved
            ):
                raise exceptions.LockHeld(name, owner)
            self._ensemble._locks[name] = session.incarnation
            if self._loses_reply():
                self._unresolved.add(name)
                raise exceptions.CoordinatorUnavailable(f'lock {name!r}: the answer was lost')
            self._unresolved.discard(name)
            self._held.add(name)
            return Lock(name, session)

    def release(self, lock: Lock) -> None:
        """Let go of a lock."""
        with self._guard:
            if lock.session is not self.session() or lock.name not in self._held:
                return
            self._held.discard(lock.name)
            if self._reachable() and not self._loses_reply():
                self._drop_lock(lock.name)
            else:
                self._unresolved.add(lock.name)

    def holder(self, name: str) -> str | None:
        """Return the incarnation that holds a lock."""
        with self._guard:
            self._contact()
            return self._ensemble._locks.get(name)

    def ring(self, shard: int) -> None:
        """Wake the member that prefers a shard."""
        with self._guard:
            if self.session() is not None and self._reachable():
                self._ensemble._ring(shard)

    def listen(self, listener: Callable[[Ring], None]) -> None:
        """Call ``listener`` on every ring."""
        if self._ensemble.inline:
            self._inline.append(listener)
        else:
            self._ringer.listen(listener)

    def board_id(self, propose: str | None = None) -> str | None:
        """Return the board's id; where there is none and one is proposed, record that first."""
        with self._guard:
            self._contact()
            if self._ensemble._board_id is None:
                self._ensemble._board_id = propose
            return self._ensemble._board_id

    def _reachable(self) -> bool:
        return self._ensemble._silent_since(self) is None

    def _contact(self) -> None:
        if self.session() is None or not self._reachable():
            raise exceptions.CoordinatorUnavailable(
                f'{self._prefix} cannot reach the ensemble'
            )

    def _drop_lock(self, name: str) -> None:
        self._unresolved.discard(name)
        owner = self._ensemble._locks.get(name)
        if self._session is not None and owner == self._session.incarnation:
            del self._ensemble._locks[name]

    def _loses_reply(self) -> bool:
        lost = self._lost_replies > 0
        self._lost_replies -= lost
        return lost

    def _tell(self, kind: Ring) -> None:
        for listener in list(self._inline):
            listener(kind)
        self._ringer.ring(kind)

    def _refresh(self) -> None:
        """Learn what became of the session, begin a new one, settle what is open: as far as anything passes."""
        session = self._session
        reachable = self._reachable()
        if session is not None:
            known = session.incarnation in self._ensemble._members or self._observer
            if not session.lives() or (reachable and not known):
                self._end()
        if reachable and self._running and self._session is None:
            self._join()
        if reachable:
            for name in list(self._unresolved):
                self._drop_lock(name)

    def _join(self) -> None:
        ensemble = self._ensemble
        incarnation = f'{self._prefix}/{next(ensemble._numbers):x}'
        self._session = FakeSession(
            incarnation,
            ensemble.session_timeout,
            ensemble.clock,
            lambda: ensemble._silent_since(self),
        )
        if not self._observer:
            ensemble._members[incarnation] = self
            ensemble._tell_all(Ring.MEMBERS)
        self._tell(Ring.SESSION)

    def _end(self) -> None:
        if self._session is not None:
            self._session.end()
            self._session = None
            self._held.clear()
            self._unresolved.clear()
            self._tell(Ring.SESSION)
