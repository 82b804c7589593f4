# SPDX-License-Identifier: Apache-2.0
"""Keeps a session: makes it, sends its heartbeats, throws it away when it has ended, and makes the next."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from tfd import exceptions
from tfd.jobs.ports import Ring
from tfd.jobs.ringing import Ringer
from tfd.types.clock import Clock
from tfd_drivers.zookeeper import client as clients
from tfd_drivers.zookeeper import requests
from tfd_drivers.zookeeper.client import Handshake
from tfd_drivers.zookeeper.options import Options
from tfd_drivers.zookeeper.session import ZookeeperSession

__all__ = ['Keeper', 'Kept', 'Life']

LOG = logging.getLogger(__name__)

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
# How often a client that does not connect is asked whether it has given up.
_PATIENCE = 1.0


class Kept(Protocol):
    """What is done under a session, and ends with it."""

    @property
    def session(self) -> ZookeeperSession:
        """The session."""

    @property
    def client(self) -> Any:
        """The client whose session it is."""

    @property
    def member(self) -> str:
        """The path of the own member node, which is looked at with every heartbeat."""

    def beat(self) -> None:
        """Do what goes with a heartbeat. Must not block."""

    def drain(self, timeout: float) -> None:
        """Wait, so many seconds at most, for what is under way: the session is about to end."""

    def close(self) -> None:
        """Stop what goes on in the background. Must not block."""


_Kept = TypeVar('_Kept', bound=Kept)


class Life:
    """One client, and the one session that it is kept for.

    :param client: the client.
    """

    def __init__(self, keeper: Keeper[Any], prefix: str, clock: Clock) -> None:
        self._keeper = keeper
        self._prefix = prefix
        self._clock = clock
        self.session: ZookeeperSession | None = None
        self.client: Any = None

    def begin(self, options: Options) -> None:
        """Make the client, and have it connect."""
        self.client = clients.make_client(options, self._clock, shook=self.shook, changed=self.changed)
        self.client.start_async()

    def end(self, wait: float) -> None:
        """Let go of the client; wait for that so many seconds at most."""
        clients.discard(self.client, wait)

    def shook(self, handshake: Handshake) -> None:
        """Hear of a handshake."""
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

    def changed(self, state: str) -> None:
        """Hear of a state of kazoo's; LOST comes only after it has spoken to a server again."""
        if state == 'LOST' and self.session is not None:
            self.session.end('ended by ZooKeeper')
        self._keeper.wake()


class Keeper(Generic[_Kept]):
    """Runs one thread that keeps the driver in a session from :meth:`start` to :meth:`stop`.

    A client has one session in its life: kazoo would begin another one by itself, under which what
    the first one held is gone. The thread never waits for an answer while a session lives, so that
    nothing delays a heartbeat.

    :param join: makes, under a new session, the nodes that are needed, and returns what is done under it.
    """

    def __init__(
        self, options: Options, prefix: str, clock: Clock, ringer: Ringer,
        join: Callable[[ZookeeperSession, Options, Ringer], _Kept],
    ) -> None:
        self._options = options
        self._make = join
        self._prefix = prefix
        self._clock = clock
        self._ringer = ringer
        self._changed = threading.Condition()
        self._membership: _Kept | None = None
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

    def membership(self) -> _Kept | None:
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
                life = self._new_life()
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

    def _new_life(self) -> Life:
        """Return what comes after a session that has ended."""
        return Life(self, self._prefix, self._clock)

    def _join(self, life: Life) -> _Kept:
        session = self._connect(life)
        membership = self._make(session, self._options, self._ringer)
        LOG.info('joined as %s, session time-out %g s', session.incarnation, session.timeout)
        with self._changed:
            self._membership = membership
            self._changed.notify_all()
        self._ringer.ring(Ring.SESSION)
        return membership

    def _connect(self, life: Life) -> ZookeeperSession:
        """Wait for the session of a new client, for as long as it takes."""
        self.trouble = 'no server has answered yet'
        life.begin(self._options)
        while not self._stopping.is_set():
            self._awake.clear()
            if life.session is not None:
                return life.session
            if clients.has_given_up(life.client):
                raise exceptions.CoordinatorUnavailable('the client gave up; see its log')
            self._awake.wait(_PATIENCE)
        raise exceptions.CoordinatorUnavailable('stopped')

    def _keep(self, membership: _Kept) -> None:
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

    def _beat(self, membership: _Kept) -> None:
        """Send a heartbeat: a sync, which passes through the leader, and a look at the own member node after it."""
        session = membership.session
        path = membership.member
        sent = self._clock.now()
        synced = membership.client.sync_async(path)
        if self._options.observer:
            synced.rawlink(functools.partial(self._observed, session, sent))
            return
        seen = membership.client.exists_async(path)
        seen.rawlink(functools.partial(self._seen, session, sent, synced))
        membership.beat()

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

    def _leave(self, life: Life) -> None:
        with self._changed:
            membership, self._membership = self._membership, None
        stopping = self._stopping.is_set()
        if membership is not None:
            if stopping and membership.session.lives():
                membership.drain(self._options.request_timeout)
            membership.close()
        if life.session is not None:
            life.session.end('stopped' if stopping else 'given up')
        if life.client is not None:
            life.end(self._options.request_timeout if stopping else 0.0)
