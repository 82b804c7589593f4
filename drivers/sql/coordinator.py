# SPDX-License-Identifier: Apache-2.0
"""The coordinator that needs no other server: leases in the database of the jobs."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tfd import exceptions
from tfd.jobs.ports import Capability, Lock, Ring, Session
from tfd.jobs.ringing import Ringer
from tfd.jobs.session import OwnClockSession
from tfd.types.clock import BootClock, Clock
from tfd_drivers.sql.database import Database
from tfd_drivers.sql.leases import Leases
from tfd_drivers.sql.patience import Patience
from tfd_drivers.sql.settings import Settings

__all__ = ['SqlCoordinator']

LOG = logging.getLogger(__name__)

_R = TypeVar('_R')

_LONGEST_PAUSE = 2.0


class SqlCoordinator:
    """Locks and members as leases in SQL; see :class:`~tfd.jobs.ports.Coordinator`. It has no doorbells: boards poll.

    A member renews its lease three times in its length, and believes in it until one length after the moment at which
    the last renewal that succeeded was *sent*. Who lives is otherwise said by the database's clock alone: where
    several servers share the data (Galera), their clocks must agree.

    Options, in ``conf`` (times in seconds):

    ``connection``
        The database, as a URL; a small pool of connections of the coordinator's own is made for it.
    ``session_timeout`` (10)
        The length of a lease.
    ``request_timeout`` (half of ``session_timeout``)
        How long any call may take.
    ``connect_timeout`` (10, or ``request_timeout`` if that is more)
        How long :meth:`start` waits.
    ``observer`` (false)
        Be no member: for a process that only looks. It cannot take locks.

    :param conductor: the first part of the incarnation.
    :param worker: the second part.
    :raises BadConfiguration: an option, or a name, cannot be used.
    """

    def __init__(
        self, conf: Mapping[str, Any], *, conductor: str, worker: str, clock: Clock | None = None
    ) -> None:
        for option, name in (('conductor', conductor), ('worker', worker)):
            if not name or '/' in name or len(name) > 100:
                raise exceptions.BadConfiguration(option, name, "a name of 1 to 100 characters without '/'")
        self._prefix = f'{conductor}/{worker}'
        self._clock = clock or BootClock()
        self._lease = _seconds(conf, 'session_timeout', 10.0)
        self._limit = _seconds(conf, 'request_timeout', self._lease / 2)
        self._connect_timeout = _seconds(conf, 'connect_timeout', max(10.0, self._limit))
        self._observer = bool(conf.get('observer', False))
        self._database = _own_database(conf, self._limit)
        self._leases = Leases(self._database, self._lease)
        self._patience = Patience(self._limit)
        self._ringer = Ringer(f'tfd-sql-ringer-{worker}')
        self._changed = threading.Condition()
        self._session: OwnClockSession | None = None
        self._held: set[str] = set()
        # Locks that a call works on, and locks that a call left in doubt.
        self._busy: set[str] = set()
        self._unresolved: set[str] = set()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._awake = threading.Event()
        self._trouble: Exception | str = 'not started'

    @property
    def capabilities(self) -> frozenset[Capability]:
        """None of them."""
        return frozenset()

    def start(self) -> None:
        """Join as a member.

        :raises CoordinatorUnavailable: not joined in time. Trying goes on until :meth:`stop`.
        :raises IncompatibleSchema: the database has no tables of this release; trying goes on.
        :raises InvalidState: it was stopped.
        """
        with self._changed:
            if self._stopping.is_set():
                raise exceptions.InvalidState('the coordinator was stopped')
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name='tfd-sql-lease', daemon=True)
                self._thread.start()
            refused = exceptions.StorageFailure
            self._changed.wait_for(
                lambda: self.session() is not None or isinstance(self._trouble, refused), self._connect_timeout)
        if self.session() is None:
            if isinstance(self._trouble, refused):
                raise self._trouble
            raise exceptions.CoordinatorUnavailable(
                f'no lease in {self._database.place} within {self._connect_timeout:g} s: {self._trouble}')

    def stop(self) -> None:
        """Leave, and with that let go of every lock. Takes ``request_timeout`` at most, more or less."""
        self._stopping.set()
        self._awake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(2 * self._limit)
        self._ringer.close()
        self._patience.close()
        self._database.close()

    def session(self) -> Session | None:
        """Return the session that lives now, None while there is none."""
        session = self._session
        return session if session is not None and session.lives() else None

    def members(self) -> frozenset[str]:
        """Return the living incarnations, by the database's clock.

        :raises CoordinatorUnavailable: it cannot be said now.
        """
        self._need_session('list the members')
        return self._ask(self._leases.living)

    def acquire(self, session: Session, name: str) -> Lock:
        """Take a lock under this session.

        :raises LockHeld: somebody else holds it, or another thread under this session.
        :raises SessionLost: the session has ended, or its end cannot be excluded.
        :raises CoordinatorUnavailable: not answered; what was left behind is removed as soon as possible.
        :raises InvalidState: this is an observer.
        """
        if self._observer:
            raise exceptions.InvalidState(f'an observer takes no locks: {name!r}')
        own = self._session
        if own is None or own is not session or not own.lives():
            raise exceptions.SessionLost(f'session {session.incarnation} has ended')
        with self._changed:
            if name in self._held or name in self._busy:
                raise exceptions.LockHeld(name, own.incarnation)
            self._busy.add(name)
        try:
            self._take(own, name)
        finally:
            with self._changed:
                self._busy.discard(name)
        return Lock(name, own)

    def release(self, lock: Lock) -> None:
        """Let go of a lock; nothing happens where its session has ended or the lock was let go of before."""
        with self._changed:
            if lock.session is not self.session() or lock.name not in self._held:
                return
            self._held.discard(lock.name)
            self._busy.add(lock.name)
        try:
            self._ask(lambda: self._leases.drop(lock.session.incarnation, lock.name))
        except exceptions.TaskFlowException as error:
            LOG.info('lock %s is to be released later: %s', lock.name, error)
            self._leave_unresolved(lock.name)
        finally:
            with self._changed:
                self._busy.discard(lock.name)

    def holder(self, name: str) -> str | None:
        """Return the incarnation that holds a lock, None where nobody does.

        :raises CoordinatorUnavailable: it cannot be said now.
        """
        self._need_session(f'tell who holds {name!r}')
        return self._ask(lambda: self._leases.holder(name))

    def ring(self, shard: int) -> None:
        """Do nothing: there are no doorbells."""

    def listen(self, listener: Callable[[Ring], None]) -> None:
        """Call ``listener`` when a session begins or ends, from a thread that does nothing else."""
        self._ringer.listen(listener)

    def board_id(self, propose: str | None = None) -> str | None:
        """Return the board's id as the leases know it; where there is none and one is proposed, record that first.

        :raises CoordinatorUnavailable: it cannot be said now.
        """
        self._need_session("tell the board's id")
        return self._ask(lambda: self._leases.board_id(propose))

    def _take(self, session: OwnClockSession, name: str) -> None:
        sent = self._clock.now()
        try:
            owner = self._ask(
                lambda: self._leases.take(session.incarnation, name), late=lambda: self._leave_unresolved(name))
        except exceptions.SessionLost as error:
            session.end(str(error))
            raise
        except exceptions.CoordinatorUnavailable:
            self._leave_unresolved(name)
            raise
        # It renewed the lease as well.
        session.prove(sent)
        if owner is not None:
            raise exceptions.LockHeld(name, owner)
        with self._changed:
            if not session.lives():
                raise exceptions.SessionLost(f'session {session.incarnation} has ended')
            self._unresolved.discard(name)
            self._held.add(name)

    def _ask(self, work: Callable[[], _R], late: Callable[[], None] | None = None) -> _R:
        try:
            return self._patience.call(work, late)
        except exceptions.StorageUnavailable as error:
            raise exceptions.CoordinatorUnavailable(str(error)) from error

    def _need_session(self, what: str) -> None:
        if self.session() is None:
            raise exceptions.CoordinatorUnavailable(
                f'cannot {what}: no lease in {self._database.place}: {self._trouble}')

    def _leave_unresolved(self, name: str) -> None:
        with self._changed:
            self._unresolved.add(name)
        self._awake.set()

    # The thread that keeps a lease.

    def _run(self) -> None:
        pause = 0.1
        while not self._stopping.is_set():
            session = self._join()
            if session is None:
                self._stopping.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            pause = 0.1
            self._keep(session)
            self._leave(session)

    def _join(self) -> OwnClockSession | None:
        incarnation = f'{self._prefix}/{uuid.uuid4().hex}'
        info = json.dumps({'hostname': socket.gethostname(), 'pid': os.getpid()})
        sent = self._clock.now()
        try:
            if self._observer:
                self._ask(self._leases.living)
            else:
                self._ask(lambda: self._leases.join(incarnation, info))
        except Exception as error:
            # Whatever it is: a thread that ends would leave the process without leases for ever.
            LOG.warning('no lease in %s: %s', self._database.place, error)
            with self._changed:
                self._trouble = error
                self._changed.notify_all()
            return None
        session = OwnClockSession(incarnation, self._lease, self._clock, sent, self._session_ended)
        LOG.info('joined as %s, with a lease of %g s', incarnation, self._lease)
        with self._changed:
            self._session = session
            self._trouble = 'the lease has ended, there is no new one yet'
            self._changed.notify_all()
        self._ringer.ring(Ring.SESSION)
        return session

    def _keep(self, session: OwnClockSession) -> None:
        """Renew the lease until it has ended or should."""
        wait = session.timeout / 3
        while not self._stopping.is_set() and session.lives():
            left = session.deadline() - self._clock.now()
            self._awake.wait(max(0.005, min(wait, left)))
            self._awake.clear()
            if self._stopping.is_set() or not session.lives():
                break
            # A renewal that failed is tried again sooner.
            renewed = self._renew(session) and self._resolve(session)
            wait = session.timeout / (3 if renewed else 10)

    def _renew(self, session: OwnClockSession) -> bool:
        sent = self._clock.now()
        try:
            alive = bool(self._ask(
                self._leases.living if self._observer else lambda: self._leases.renew(session.incarnation)))
        except Exception as error:
            LOG.warning('the lease of %s was not renewed: %s', session.incarnation, error)
            return False
        if alive or self._observer:
            session.prove(sent)
        else:
            session.end('the database says that the lease has ended')
        return True

    def _resolve(self, session: OwnClockSession) -> bool:
        """Let go of locks that a call left in doubt; return whether there are none left."""
        with self._changed:
            names = self._unresolved - self._busy
            self._unresolved -= names
            self._busy |= names
        failed = set(names)
        try:
            for name in names:
                self._ask(lambda name=name: self._leases.drop(session.incarnation, name))  # type: ignore[misc]
                failed.discard(name)
        except Exception as error:
            LOG.info('locks %s are still in doubt: %s', sorted(failed)[:5], error)
        with self._changed:
            self._busy -= names
            self._unresolved |= failed
            return not self._unresolved

    def _leave(self, session: OwnClockSession) -> None:
        with self._changed:
            self._session = None
            self._held.clear()
            self._unresolved.clear()
        session.end('stopped' if self._stopping.is_set() else 'given up')
        if self._observer:
            return
        try:
            self._ask(lambda: self._leases.leave(session.incarnation))
        except Exception as error:
            LOG.info('%s ends with its lease: %s', session.incarnation, error)

    def _session_ended(self) -> None:
        self._ringer.ring(Ring.SESSION)
        self._awake.set()


def _seconds(conf: Mapping[str, Any], name: str, default: float) -> float:
    value = conf.get(name)
    if value is None:
        return default
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds < 86400:
        raise exceptions.BadConfiguration(f'[coordination] {name}', value, 'a number of seconds above 0')
    return seconds


def _own_database(conf: Mapping[str, Any], limit: float) -> Database:
    """Return a small database object whose own limits end a call before the coordinator's."""
    return Database(Settings.from_conf({
        'connection': conf.get('connection'),
        'max_pool_size': 2, 'max_overflow': 6,
        'pool_timeout': limit, 'connect_timeout': limit, 'statement_timeout': limit, 'write_timeout': limit,
        'lock_timeout': min(1.0, limit), 'session_timeout': conf.get('session_timeout') or 10.0,
    }))
