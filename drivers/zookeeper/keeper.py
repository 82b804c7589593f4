# SPDX-License-Identifier: Apache-2.0
"""Keeps a session: makes it, sends its heartbeats, throws it away when it has ended, and makes the next."""

from __future__ import annotations

import functools
import logging
import threading
from typing import Any

from tfd import exceptions
from tfd.jobs.ports import Ring
from tfd.jobs.ringing import Ringer
from tfd.types.clock import Clock
from tfd_drivers.zookeeper import client as clients
from tfd_drivers.zookeeper import requests
from tfd_drivers.zookeeper.client import Handshake
from tfd_drivers.zookeeper.membership import Membership, join
from tfd_drivers.zookeeper.options import Options
from tfd_drivers.zookeeper.session import ZookeeperSession

__all__ = ['Keeper']

LOG = logging.getLogger(__name__)

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
# How often a client that does not connect is asked whether it has given up.
_PATIENCE = 1.0


class _Life:
    """One client, and the one session that it is kept for."""

    def __init__(self, keeper: Keeper, options: Options, prefix: str, clock: Clock) -> None:
        self._keeper = keeper
        self._prefix = prefix
        self._clock = clock
        self.session: ZookeeperSession | None = None
        self.client = clients.make_client(options, clock, shook=self._shook, changed=self._changed)

    def _shook(self, handshake: Handshake) -> None:
        if self.session is not None:
            self.session.shook(handshake)
            return
        self.session = ZookeeperSession(
            self.client,
            f'{self._prefix}/{handshake.session_id}',
            handshake,
            self._clock,
            self._keeper.session_ended,
        )

    def _changed(self, state: str) -> None:
        # Called under kazoo's own states; LOST comes only after it has spoken to a server again.
        if state == 'LOST' and self.session is not None:
            self.session.end('ended by ZooKeeper')
        self._keeper.wake()


class Keeper:
    """Runs one thread that keeps the driver in a session from :meth:`start` to :meth:`stop`.

    A client has one session in its life: kazoo would begin another one by itself, under which what
    the first one held is gone. The thread never waits for an answer while a session lives, so that
    nothing delays a heartbeat.
    """

    def __init__(self, options: Options, prefix: str, clock: Clock, ringer: Ringer) -> None:
        self._options = options
        self._prefix = prefix
        self._clock = clock
        self._ringer = ringer
        self._changed = threading.Condition()
        self._membership: Membership | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._awake = threading.Event()
        #: Why there is no session, in words.
        self.trouble = 'not started'

    def start(self) -> None:
        """Begin; starting again does nothing.

        :raises InvalidState: it was stopped.
        """
        with self._changed:
            if self._stopping.is_set():
                raise exceptions.InvalidState('the coordinator was stopped')
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name='tfd-zk-keeper', daemon=True
                )
                self._thread.start()

    def stop(self, timeout: float) -> None:
        """End the session, within some ``timeout`` seconds, and make no other. Stopping again does nothing."""
        self._stopping.set()
        self.wake()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(2 * timeout + 1.0)

    def wait_joined(self, timeout: float) -> bool:
        """Wait until there is a session; return whether there is one."""
        with self._changed:
            return self._changed.wait_for(lambda: self.membership() is not None, timeout)

    def membership(self) -> Membership | None:
        """Return the membership whose session lives now."""
        membership = self._membership
        return membership if membership is not None and membership.session.lives() else None

    def wake(self) -> None:
        """Have the thread look around. Does not block."""
        self._awake.set()

    def session_ended(self) -> None:
        """Hear that a session has ended. Does not block."""
        self._ringer.ring(Ring.SESSION)
        self.wake()

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            joined = False
            life = None
            try:
                life = _Life(self, self._options, self._prefix, self._clock)
                membership = self._join(life)
                joined = True
                self._keep(membership)
            except (exceptions.SessionLost, exceptions.CoordinatorUnavailable) as error:
                self.trouble = str(error)
                if not self._stopping.is_set():
                    LOG.warning('not joined to ZooKeeper: %s', error)
            except Exception as error:
                # Whatever it is, a new client may do better; a keeper that ends would leave the process alone for ever.
                self.trouble = repr(error)
                LOG.exception('unexpected error of the ZooKeeper driver')
            finally:
                if life is not None:
                    self._leave(life)
            if not joined:
                self._stopping.wait(pause)
            pause = _FIRST_PAUSE if joined else min(pause * 2, _LONGEST_PAUSE)

    def _join(self, life: _Life) -> Membership:
        session = self._connect(life)
        membership = join(session, self._options, self._ringer)
        LOG.info('joined as %s, session time-out %g s', session.incarnation, session.timeout)
        with self._changed:
            self._membership = membership
            self._changed.notify_all()
        self._ringer.ring(Ring.SESSION)
        return membership

    def _connect(self, life: _Life) -> ZookeeperSession:
        """Wait for the session of a new client, for as long as it takes."""
        self.trouble = 'no server has answered yet'
        life.client.start_async()
        while not self._stopping.is_set():
            self._awake.clear()
            if life.session is not None:
                return life.session
            if clients.has_given_up(life.client):
                raise exceptions.CoordinatorUnavailable('the client gave up; see its log')
            self._awake.wait(_PATIENCE)
        raise exceptions.CoordinatorUnavailable('stopped')

    def _keep(self, membership: Membership) -> None:
        """Send heartbeats until the session has ended or should."""
        session = membership.session
        while not self._stopping.is_set():
            self._awake.clear()
            if not session.lives():
                self.trouble = 'the session has ended, there is no new one yet'
                return
            if clients.has_given_up(membership.client):
                session.end('the client gave up')
                continue
            self._beat(membership)
            left = session.deadline() - self._clock.now()
            self._awake.wait(max(0.005, min(session.interval, left)))

    def _beat(self, membership: Membership) -> None:
        """Send a heartbeat: a sync, which passes through the leader, and a look at the own member node after it."""
        session = membership.session
        path = self._options.paths.member(session.incarnation)
        sent = self._clock.now()
        synced = membership.client.sync_async(path)
        if self._options.observer:
            synced.rawlink(functools.partial(self._observed, session, sent))
            return
        seen = membership.client.exists_async(path)
        seen.rawlink(functools.partial(self._seen, session, sent, synced))
        membership.watches.beat()

    def _observed(self, session: ZookeeperSession, sent: float, synced: Any) -> None:
        if synced.successful():
            session.heard(sent)
        elif requests.is_end(synced.exception):
            session.end('ended by ZooKeeper')

    def _seen(self, session: ZookeeperSession, sent: float, synced: Any, seen: Any) -> None:
        if seen.successful() and seen.value is None:
            # Somebody removed it, or this answer belongs to another session.
            session.end('the member node is gone')
        elif seen.successful():
            self._observed(session, sent, synced)
        elif requests.is_end(seen.exception):
            session.end('ended by ZooKeeper')

    def _leave(self, life: _Life) -> None:
        with self._changed:
            membership, self._membership = self._membership, None
        stopping = self._stopping.is_set()
        if membership is not None:
            if stopping and membership.session.lives():
                membership.rings.drain(self._options.request_timeout)
            membership.close()
        if life.session is not None:
            life.session.end('stopped' if stopping else 'given up')
        clients.discard(life.client, self._options.request_timeout if stopping else 0.0)
