# SPDX-License-Identifier: Apache-2.0
"""Claims: the locks of jobs, taken, and let go of together with what becomes of the job."""

from __future__ import annotations

from typing import Any

from tfd import exceptions
from tfd_drivers.zookeeper import requests
from tfd_drivers.zookeeper.board import postings
from tfd_drivers.zookeeper.board.layout import Layout
from tfd_drivers.zookeeper.locks import Addition, Locks
from tfd_drivers.zookeeper.requests import Budget
from tfd_drivers.zookeeper.session import ZookeeperSession

__all__ = ['Claims', 'NotHeld']


class NotHeld(exceptions.JobFailure):
    """The job is not claimed under this session."""


class Claims(Locks):
    """The claims of one session; a lock's name is the path of its job.

    One request each: a claim checks the own member and the job, and makes the lock; its end checks the own member,
    removes the lock, and with it the job where that is done.
    """

    def __init__(self, session: ZookeeperSession, paths: Layout, request_timeout: float) -> None:
        super().__init__(session, paths, request_timeout)
        self._owners: dict[str, str] = {}

    @property
    def session(self) -> ZookeeperSession:
        """The session under which the claims are held."""
        return self._session

    def owner(self, job: str) -> str | None:
        """Return by which name a job is claimed under this session, None where it is not."""
        with self._guard:
            return self._owners.get(job) if job in self._held else None

    def claim(self, job: str, who: str) -> None:
        """Claim a job.

        :raises LockHeld: it is claimed.
        :raises NotFound: there is no such job.
        :raises SessionLost: the session has ended.
        :raises CoordinatorUnavailable: not answered; the claim will be undone if it was made.
        """
        with self._guard:
            if job in self._held or job in self._owners:
                raise exceptions.LockHeld(job, self._owners.get(job))
            self._owners[job] = who
        try:
            self.acquire(job)
        except BaseException:
            with self._guard:
                del self._owners[job]
            raise

    def settle(self, job: str, addition: Addition) -> None:
        """Let go of a claim, and do something to its job in the same transaction; both or neither.

        Where this is not answered in time, it is done later, for as long as the session lives.

        :raises NotHeld: it is not claimed under this session, or not any more.
        :raises SessionLost: the session has ended, and with it the claim.
        :raises Unanswered: it is not known whether it is done.
        :raises CoordinatorUnavailable: ZooKeeper refused; the claim is held still.
        """
        budget = Budget(self._request_timeout)
        with self._guard:
            if job not in self._held:
                raise NotHeld(f'{job} is not claimed under session {self._session.incarnation}')
            self._held.discard(job)
        held = False
        try:
            self._settle(job, addition, budget)
        except requests.Unanswered:
            self._leave_unresolved(job, addition)
            raise
        except exceptions.SessionLost as err:
            self._session.end(str(err))
            raise
        except exceptions.CoordinatorUnavailable:
            held = True
            raise
        finally:
            with self._guard:
                if held:
                    self._held.add(job)
                else:
                    self._owners.pop(job, None)

    def inherit(self, before: Claims) -> None:
        """Have what is left of an earlier time under the same session removed in the background."""
        if before.session.session_id == self._session.session_id:
            with before._guard:
                left = {**dict.fromkeys(before._held), **before._unresolved}
            for job, addition in left.items():
                self._leave_unresolved(job, addition)

    def abandon_all(self, budget: Budget) -> None:
        """Let go of every claim.

        :raises SessionLost, CoordinatorUnavailable: of some it is not known.
        """
        with self._guard:
            held = list(self._held)
            self._held.clear()
            self._owners.clear()
        for job in held:
            self._delete(job, budget, lambda transaction: None)

    def _settle(self, job: str, addition: Addition, budget: Budget) -> None:
        while True:
            if not self._session.lives():
                raise self._lost()
            try:
                failure = self._ask_delete(job, budget, addition)
            except requests.Unanswered:
                if budget.left() <= 0 or not self._is_mine(self._read(job, budget)):
                    if budget.left() <= 0:
                        raise
                    # The lock is gone, and under this session nothing else removes it.
                    return
                continue
            if failure is None:
                return
            if isinstance(failure, requests.Gone):
                raise NotHeld(f'{job}, or its lock, was removed by somebody else')
            raise exceptions.CoordinatorUnavailable(f'settle {job}: {failure!r}')

    def _payload(self, name: str) -> bytes:
        return postings.owner_data(self._owners[name])

    def _condition(self, transaction: Any, name: str) -> None:
        transaction.check(name, -1)

    def _refusal(self, name: str, failure: Exception) -> Exception:
        if isinstance(failure, requests.Gone):
            return exceptions.NotFound(f'there is no job {name}')
        return super()._refusal(name, failure)
