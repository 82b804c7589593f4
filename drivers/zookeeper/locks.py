# SPDX-License-Identifier: Apache-2.0
"""Locks: ephemeral nodes, each made and removed together with a check of the member that does it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from kazoo import exceptions as kazoo_exceptions

from tfd import exceptions
from tfd.jobs.ports import Lock
from tfd_drivers.zookeeper import requests
from tfd_drivers.zookeeper.requests import Budget
from tfd_drivers.zookeeper.session import ZookeeperSession

__all__ = ['Addition', 'LockPaths', 'Locks']

LOG = logging.getLogger(__name__)

#: Adds operations to a transaction.
Addition = Callable[[Any], None]

#: What ZooKeeper says of the operations of a transaction beside the one that failed.
_BESIDE = (kazoo_exceptions.RolledBackError, kazoo_exceptions.RuntimeInconsistency)
# ZooKeeper's 64 bits come with a sign.
_MASK = 0xFFFF_FFFF_FFFF_FFFF
#: How many nodes in the place of locks are told of.
_TOLD = 100


class LockPaths(Protocol):
    """Where locks and members are."""

    def lock(self, name: str) -> str:
        """The node of a lock."""

    def member(self, incarnation: str) -> str:
        """The node of a member."""


class Locks:
    """The locks of one session.

    A lock's node is made and removed in a ``multi`` whose first operation checks the own member
    node: that node is ephemeral, so a session that has ended changes nothing, whatever it still
    sends. (A check of the lock's own version would not do: every new lock has version 0.)

    An attempt whose outcome is not known is settled by reading; one that cannot be settled in time
    is kept here, and resolved by a thread that lives as long as there is one: what is ours and
    wanted by nobody is removed. All of them end with the session at the latest.

    :param request_timeout: seconds that a call may take.
    """

    def __init__(self, session: ZookeeperSession, paths: LockPaths, request_timeout: float) -> None:
        self._session = session
        self._client = session.client
        self._paths = paths
        self._request_timeout = request_timeout
        self._guard = threading.Lock()
        self._held: set[str] = set()
        self._told: set[str] = set()
        # With what was to be done together with the release.
        self._unresolved: dict[str, Addition] = {}
        # What the reconciler is about. A name is never there or unresolved, and held.
        self._resolving: str | None = None
        self._reconciler: threading.Thread | None = None
        # What the reconciler waits on between two rounds; set when the session ends.
        self._over = threading.Event()

    def close(self) -> None:
        """Forget everything: the session has ended. Does not block."""
        self._over.set()

    def unresolved(self) -> frozenset[str]:
        """Return the names of the locks about which the outcome of a request is still to be found out."""
        with self._guard:
            return frozenset(self._unresolved)

    def acquire(self, name: str) -> Lock:
        """Take a lock; see :meth:`tfd.jobs.ports.Coordinator.acquire`."""
        budget = Budget(self._request_timeout)
        left = self._take_back(name)
        try:
            self._create(name, budget, left)
        except requests.Unanswered:
            self._leave_unresolved(name)
            raise
        except exceptions.CoordinatorUnavailable:
            if left:
                self._leave_unresolved(name)
            raise
        except exceptions.SessionLost as error:
            self._session.end(str(error))
            raise
        if not self._session.lives():
            raise self._lost()
        with self._guard:
            self._held.add(name)
        return Lock(name, self._session)

    def release(self, name: str) -> None:
        """Let go of a lock that was taken here; one that is not held here is left alone."""
        with self._guard:
            if name not in self._held:
                return
            self._held.discard(name)
        if not self._session.lives():
            return
        try:
            self._delete(name, Budget(self._request_timeout), _nothing)
        except requests.Unanswered:
            self._leave_unresolved(name)
        except exceptions.SessionLost as error:
            self._session.end(str(error))
        except exceptions.CoordinatorUnavailable as error:
            LOG.error('lock %s cannot be released: %s', name, error)
            self._leave_unresolved(name)

    def holder(self, name: str) -> str | None:
        """Return who holds a lock; see :meth:`tfd.jobs.ports.Coordinator.holder`."""
        found = requests.sync_fetch(
            self._client, self._paths.lock(name), Budget(self._request_timeout)
        )
        return None if found is None else _owner(found[0])

    def _create(self, name: str, budget: Budget, left: bool) -> None:
        """Make the node, or raise; an unknown outcome is found out while there is time.

        :param left: whether an earlier attempt of this session may have made it.
        """
        while True:
            if not self._session.lives():
                raise self._lost()
            try:
                failure = self._ask_create(name, budget)
            except requests.Unanswered:
                if budget.left() <= 0:
                    raise
                if self._is_mine(self._read(name, budget)):
                    return
                continue
            if failure is None:
                return
            if not isinstance(failure, requests.Exists):
                raise self._refusal(name, failure)
            found = self._read(name, budget)
            if left and self._is_mine(found):
                return
            if found is not None and not self._cleared(name, found[1], budget):
                raise exceptions.LockHeld(name, _owner(found[0]))
            # It went away: try again.

    def _refusal(self, name: str, failure: Exception) -> Exception:
        """Return what is raised where ZooKeeper refuses the node for another reason than that there is one."""
        return exceptions.CoordinatorUnavailable(f'create lock {name!r}: {failure!r}')

    def _payload(self, name: str) -> bytes:
        """Return what the node of a lock says of its holder."""
        return self._session.incarnation.encode()

    def _condition(self, transaction: Any, name: str) -> None:
        """Add to a transaction what else must hold for a lock to be taken."""

    def _cleared(self, name: str, stat: Any, budget: Budget) -> bool:
        """Remove a node that no session stands behind: it is no lock, and would keep its job from ever running."""
        if stat.ephemeralOwner:
            return False
        if stat.numChildren:
            if name not in self._told and len(self._told) < _TOLD:
                self._told.add(name)
                LOG.warning('%s is no lock, and has nodes below it: its job cannot run until somebody removes it',
                            self._paths.lock(name))
            return False
        LOG.warning('%s is no lock, but a node that would stay for ever: removing it', self._paths.lock(name))
        transaction = self._client.transaction()
        transaction.check(self._member(), -1)
        transaction.delete(self._paths.lock(name), stat.version)
        failure = self._commit(transaction, budget, f'remove node {name!r}')
        return failure is None or isinstance(failure, requests.Gone)

    def _ask_create(self, name: str, budget: Budget) -> Exception | None:
        transaction = self._client.transaction()
        transaction.check(self._member(), -1)
        self._condition(transaction, name)
        transaction.create(self._paths.lock(name), self._payload(name), ephemeral=True)
        return self._commit(transaction, budget, f'create lock {name!r}')

    def _ask_delete(self, name: str, budget: Budget, addition: Addition) -> Exception | None:
        transaction = self._client.transaction()
        transaction.check(self._member(), -1)
        transaction.delete(self._paths.lock(name))
        addition(transaction)
        return self._commit(transaction, budget, f'delete lock {name!r}')

    def _delete(self, name: str, budget: Budget, addition: Addition) -> None:
        failure = self._ask_delete(name, budget, addition)
        if isinstance(failure, requests.Gone):
            LOG.warning('lock %s was removed by somebody else', name)
        elif failure is not None:
            raise exceptions.CoordinatorUnavailable(f'delete lock {name!r}: {failure!r}')

    def _commit(self, transaction: Any, budget: Budget, what: str) -> Exception | None:
        """Return what was wrong with an operation after the first, None where all were performed.

        :raises SessionLost: the check failed.
        """
        results: Sequence[Any] = requests.ask(transaction.commit_async(), budget, what)
        checked, *changed = results
        if isinstance(checked, requests.Gone):
            self._session.end(f'{what}: the member node is gone')
            raise self._lost()
        failures = [one for one in changed if isinstance(one, Exception)]
        return next((one for one in failures if not isinstance(one, _BESIDE)), failures[0] if failures else None)

    def _read(self, name: str, budget: Budget) -> tuple[bytes, Any] | None:
        return requests.sync_fetch(self._client, self._paths.lock(name), budget)

    def _is_mine(self, found: tuple[bytes, Any] | None) -> bool:
        return found is not None and found[1].ephemeralOwner & _MASK == int(self._session.session_id, 16)

    def _take_back(self, name: str) -> bool:
        """Keep the reconciler from an earlier attempt of this session, if there is one; tell whether there is.

        What the reconciler removes later would be the lock that is taken now.

        :raises LockHeld: it is at it already, or more than the lock is to be removed.
        """
        with self._guard:
            if name == self._resolving or self._unresolved.get(name, _nothing) is not _nothing:
                raise exceptions.LockHeld(name, self._session.incarnation)
            return self._unresolved.pop(name, None) is not None

    def _member(self) -> str:
        return self._paths.member(self._session.incarnation)

    def _lost(self) -> exceptions.SessionLost:
        return exceptions.SessionLost(f'session {self._session.incarnation} has ended')

    def _leave_unresolved(self, name: str, addition: Addition | None = None) -> None:
        with self._guard:
            self._unresolved[name] = addition or _nothing
            if self._reconciler is None:
                self._reconciler = threading.Thread(
                    target=self._reconcile, name='tfd-zk-reconciler', daemon=True
                )
                self._reconciler.start()

    def _reconcile(self) -> None:
        """Resolve what is unresolved, until there is nothing left or the session has ended."""
        while not self._over.is_set() and self._session.lives():
            with self._guard:
                if not self._unresolved:
                    self._reconciler = None
                    return
                # Those that cannot be resolved now come last.
                name = next(iter(self._unresolved))
                addition = self._unresolved.pop(name)
                self._resolving = name
            try:
                self._resolve(name, addition)
            except exceptions.SessionLost as error:
                self._session.end(str(error))
                return
            except exceptions.CoordinatorUnavailable as error:
                LOG.info('lock %s is still unresolved: %s', name, error)
                with self._guard:
                    self._unresolved[name], self._resolving = addition, None
                self._over.wait(self._session.interval / 2)
            else:
                self._resolving = None

    def _resolve(self, name: str, addition: Addition) -> None:
        budget = Budget(self._request_timeout)
        if self._is_mine(self._read(name, budget)):
            self._delete(name, budget, addition)
            LOG.info('lock %s, left by a request without an answer, is removed', name)


def _owner(data: bytes) -> str:
    return data.decode(errors='replace')


def _nothing(_transaction: Any) -> None:
    """Add nothing."""
