# SPDX-License-Identifier: Apache-2.0
"""The coordinator on ZooKeeper."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tfd import exceptions
from tfd.jobs.ports import Capability, Lock, Ring, Session
from tfd.jobs.ringing import Ringer
from tfd.types.clock import BootClock, Clock
from tfd_drivers.zookeeper import requests
from tfd_drivers.zookeeper.client import make_client
from tfd_drivers.zookeeper.keeper import Keeper
from tfd_drivers.zookeeper.membership import Membership, join
from tfd_drivers.zookeeper.options import read_options
from tfd_drivers.zookeeper.requests import Budget
from tfd_drivers.zookeeper.watches import incarnations

__all__ = ['ZookeeperCoordinator']

LOG = logging.getLogger(__name__)

_Answer = TypeVar('_Answer')


class ZookeeperCoordinator:
    """Locks, members and doorbells on ZooKeeper; see :class:`~tfd.jobs.ports.Coordinator`.

    One client, and so one session, at a time; it is thrown away for a new one as soon as the
    session has ended or, by the own clock, may have. Needs no four-letter word.

    Options, in ``conf`` (times in seconds):

    ``hosts`` ('127.0.0.1:2181')
        ``host:port``, separated by commas; the last may be followed by a path to live under (a
        *chroot*), which is made.
    ``path`` ('/tfd')
        The root of this deployment, below the chroot. Two deployments on one ensemble need two.
    ``session_timeout`` (10)
        What is asked for; the servers may grant another (``minSessionTimeout``,
        ``maxSessionTimeout``).
    ``request_timeout`` (half of ``session_timeout``)
        How long any call may take.
    ``connect_timeout`` (10, or ``request_timeout`` if that is more)
        How long :meth:`start` waits.
    ``acl`` ('open')
        Who may touch the nodes that tfd makes: ``open`` everybody, ``creator`` whoever has the same
        ``auth_data``.
    ``auth_data`` (none)
        ``'scheme:credential'``, as ``digest:user:password``, or a list of them.
    ``sasl_options``, ``use_ssl``, ``certfile``, ``keyfile``, ``keyfile_password``, ``ca``,
    ``verify_certs``, ``check_hostname``, ``randomize_hosts``
        As kazoo's client takes them.
    ``observer`` (false)
        Be no member: for a process that only rings and looks. It prefers no shard and cannot take
        locks.

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
        self._options = read_options(conf)
        clock = clock or BootClock()
        # Connects to nothing: what kazoo does not take is to be known now.
        make_client(self._options, clock, shook=lambda _: None, changed=lambda _: None)
        self._ringer = Ringer(f'tfd-zk-ringer-{worker}')
        self._keeper = Keeper(self._options, f'{conductor}/{worker}', clock, self._ringer, join)

    @property
    def capabilities(self) -> frozenset[Capability]:
        """All there are."""
        return frozenset(Capability)

    def start(self) -> None:
        """Connect, and join as a member.

        :raises CoordinatorUnavailable: not connected in time. Trying goes on until :meth:`stop`.
        :raises InvalidState: it was stopped.
        """
        self._keeper.start()
        if not self._keeper.wait_joined(self._options.connect_timeout):
            raise exceptions.CoordinatorUnavailable(
                f'ZooKeeper at {self._options.client["hosts"]} not joined within '
                f'{self._options.connect_timeout:g} s: {self._keeper.trouble}'
            )

    def stop(self) -> None:
        """Leave: end the session, and with it every lock. Takes ``request_timeout`` at most, more or less."""
        self._keeper.stop(self._options.request_timeout)
        self._ringer.close()

    def session(self) -> Session | None:
        """Return the session that lives now, None while there is none."""
        membership = self._keeper.membership()
        return None if membership is None else membership.session

    def members(self) -> frozenset[str]:
        """Return the living incarnations, from the watch where it is set, else from the server.

        :raises CoordinatorUnavailable: it cannot be said now.
        """
        membership = self._joined()
        found = membership.watches.members()
        if found is None:
            path = self._options.paths.members
            pending = membership.client.get_children_async(path)
            found = incarnations(self._ask(membership, pending, f'list {path}'))
        return found if self._options.observer else found | {membership.session.incarnation}

    def acquire(self, session: Session, name: str) -> Lock:
        """Take a lock under this session.

        :raises LockHeld: somebody else holds it, or another thread under this session.
        :raises SessionLost: the session has ended, or its end cannot be excluded.
        :raises CoordinatorUnavailable: not answered; what was left behind is removed as soon as
            possible.
        :raises InvalidState: this is an observer.
        """
        if self._options.observer:
            raise exceptions.InvalidState(f'an observer takes no locks: {name!r}')
        membership = self._keeper.membership()
        if membership is None or membership.session is not session:
            raise exceptions.SessionLost(f'session {session.incarnation} has ended')
        return membership.locks.acquire(name)

    def release(self, lock: Lock) -> None:
        """Let go of a lock; nothing happens where its session has ended or the lock was let go of before."""
        membership = self._keeper.membership()
        if membership is not None and membership.session is lock.session:
            membership.locks.release(lock.name)

    def holder(self, name: str) -> str | None:
        """Return the incarnation that holds a lock, None where nobody does.

        :raises CoordinatorUnavailable: it cannot be said now.
        """
        membership = self._joined()
        return self._translated(membership, lambda: membership.locks.holder(name))

    def ring(self, shard: int) -> None:
        """Ring the doorbell of a shard. Does not wait; a ring that is lost is logged."""
        membership = self._keeper.membership()
        if membership is None:
            LOG.info('the ring of shard %d was lost: no session', shard)
        else:
            membership.rings.ring(shard)

    def listen(self, listener: Callable[[Ring], None]) -> None:
        """Call ``listener`` on every ring, from a thread that does nothing else: a slow one delays no heartbeat."""
        self._ringer.listen(listener)

    def board_id(self, propose: str | None = None) -> str | None:
        """Return the board's id as ZooKeeper has it; where it has none and one is proposed, record that first.

        :raises CoordinatorUnavailable: it cannot be said now.
        """
        membership = self._joined()
        return self._translated(membership, lambda: self._board_id(membership, propose))

    def _board_id(self, membership: Membership, propose: str | None) -> str | None:
        budget = Budget(self._options.request_timeout)
        path = self._options.paths.board
        found = requests.sync_fetch(membership.client, path, budget)
        if found is None and propose is not None:
            created = membership.client.create_async(path, propose.encode())
            try:
                requests.ask(created, budget, f'create {path}')
            except requests.Exists:
                pass
            found = requests.sync_fetch(membership.client, path, budget)
        return None if found is None else found[0].decode(errors='replace')

    def _joined(self) -> Membership:
        membership = self._keeper.membership()
        if membership is None:
            raise exceptions.CoordinatorUnavailable(
                f'no session with ZooKeeper at {self._options.client["hosts"]}: '
                f'{self._keeper.trouble}'
            )
        return membership

    def _ask(self, membership: Membership, pending: Any, what: str) -> Any:
        budget = Budget(self._options.request_timeout)
        return self._translated(membership, lambda: requests.ask(pending, budget, what))

    def _translated(self, membership: Membership, call: Callable[[], _Answer]) -> _Answer:
        """Call, where the end of the session is one more reason why it cannot be said now."""
        try:
            return call()
        except exceptions.SessionLost as error:
            membership.session.end(str(error))
            raise exceptions.CoordinatorUnavailable(str(error)) from error
        except requests.Gone as error:
            raise exceptions.CoordinatorUnavailable(f'a node is gone: {error!r}') from error
