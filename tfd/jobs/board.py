# SPDX-License-Identifier: Apache-2.0
"""The jobboard: the job store and the coordinator together, with the rules that make a claim safe.

What operators see of it in the log: every claim and every takeover is one line at INFO, with
``job=<id> flow=<factory> epoch=<n> owner=<incarnation>``.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable

from tfd import exceptions, states
from tfd.jobs import claim as claims
from tfd.jobs import identity, ports, posting, record
from tfd.persistence.record import Fence, Settlement
from tfd.types import clock as clocks

__all__ = ['JobBoard']

LOG = logging.getLogger(__name__)

#: ZooKeeper's default for maxSessionTimeout: 20 ticks of 2 seconds.
_MAX_SESSION = 40.0


class JobBoard(posting.PostingBoard):
    """What a conductor can do with a board. Safe to use from any thread; not across a fork.

    SQL says whose a job is, the coordinator who may ask for it: a claim takes the lock first and
    the row after it, and is given up unless the lock's session can still be believed in then. The
    store and the coordinator are the caller's, who starts, stops and closes them.

    :param max_session: seconds; the longest session that any member can have.
    :param margin: part of a session's time-out that is left unused before its end.
    """

    def __init__(
        self, store: ports.JobStore, coordinator: ports.Coordinator,
        clock: clocks.Clock | None = None, sleep: Callable[[float], object] = time.sleep,
        max_session: float = _MAX_SESSION, margin: float = claims.MARGIN,
    ) -> None:
        super().__init__(store, coordinator.ring, clock, sleep)
        self._coordinator = coordinator
        self._margin = margin
        self._identity = identity.BoardIdentity(store, coordinator, self._clock, max_session)

    # -- looking for work --------------------------------------------------------------------------

    def orphans(self, limit: int) -> list[record.Candidate]:
        """Return claimed jobs whose owner is dead for certain; none while that cannot be told.

        :raises CoordinatorUnavailable: the members cannot be listed now; nobody counts as dead.
        """
        living = self._coordinator.members()
        if not self._identity.trusted():
            return []
        return self._store.orphans(living, limit)

    def find_owner(self, job_id: str) -> str | None:
        """Return the living incarnation that owns a job, None where there is none.

        :raises NotFound: no such job.
        :raises CoordinatorUnavailable: it cannot be told whether the owner lives.
        """
        job = self._store.get(job_id)
        if job.state != states.CLAIMED or job.owner not in self._coordinator.members():
            return None
        return job.owner

    # -- a claim, and its end ----------------------------------------------------------------------

    def claim(self, candidate: record.Candidate) -> claims.ClaimedJob:
        """Make this process the owner of a job.

        The candidate was read before; the lock is taken now; then the row changes hands, if it is
        as the candidate says; then the own clock is asked whether the lock can have ended
        meanwhile. Where this raises, the lock is let go; a row that became ours all the same is
        found by
        :class:`~tfd.jobs.reconciler.Reconciler`.

        Of a job to take over, the lock says nothing where the coordinator has lost its data since
        the members were read (this process may have been stopped in between): whether it has is
        asked again, under the session that has the lock.

        :raises LockHeld: a peer has it, or had it and is believed to live.
        :raises UnclaimableJob: a peer was faster, or the coordinator has lost its data of late.
        :raises SessionLost: there is no session now.
        :raises OwnershipLost: the session ended on the way.
        :raises CoordinatorUnavailable: the lock's fate is not known; it will be released.
        :raises StorageUnavailable: the row's fate is not known.
        """
        session = self._coordinator.session()
        if session is None or not claims.believed(session, self._clock, self._margin):
            raise exceptions.SessionLost('the coordinator has no session for this process now')
        lock = self._coordinator.acquire(session, candidate.id)
        try:
            if candidate.state == states.CLAIMED and not self._identity.trusted():
                raise exceptions.UnclaimableJob(
                    f'job {candidate.id} is not taken over from {candidate.owner} now: the coordinator may have lost'
                    ' the lock of one who lives')
            job = self._take(candidate, session.incarnation)
            claimed = claims.ClaimedJob(job, lock, self._clock, self._margin)
            claimed.check()
        except BaseException:
            self._coordinator.release(lock)
            raise
        if candidate.state == states.CLAIMED:
            LOG.info('taken over job=%s flow=%s epoch=%d owner=%s from=%s attempt=%d', job.id,
                     job.flow, job.epoch, job.owner, candidate.owner, job.attempts)
        else:
            LOG.info('claimed job=%s flow=%s epoch=%d owner=%s attempt=%d', job.id, job.flow,
                     job.epoch, job.owner, job.attempts)
        return claimed

    def _take(self, candidate: record.Candidate, owner: str) -> record.Job:
        """Change the row, and return it; what cannot be read is parked, or left to a host that has the key."""
        claim_id = str(uuid.uuid4())
        try:
            return self._change(candidate, owner, claim_id).job
        except exceptions.UnknownKey as err:
            LOG.error('gave back job=%s flow=%s epoch=%d: %s', candidate.id, candidate.flow,
                      candidate.epoch + 1, err)
            self._store.settle(Fence(candidate.id, candidate.epoch + 1), Settlement(
                claim_id, states.UNCLAIMED, reason=record.reasoned(f'UnknownKey: {err}', ())))
            raise exceptions.UnclaimableJob(f'job {candidate.id} cannot be read here') from err
        except exceptions.InvalidFormat as err:
            LOG.error('parked job=%s flow=%s epoch=%d: it cannot be read', candidate.id,
                      candidate.flow, candidate.epoch + 1)
            self._store.settle(Fence(candidate.id, candidate.epoch + 1), Settlement(
                claim_id, states.PARKED, reason=record.reasoned(f'InvalidFormat: {err}', ())))
            raise exceptions.UnclaimableJob(f'job {candidate.id} cannot be read') from err

    def _change(self, candidate: record.Candidate, owner: str, claim_id: str) -> record.Claim:
        """Change the row; a dead owner's stopped process that still locks it is disconnected."""
        try:
            return self._store.claim(candidate, owner, claim_id)
        except exceptions.StorageUnavailable:
            if candidate.state != states.CLAIMED or not self._store.unblock(candidate):
                raise
        LOG.warning('ended the database sessions that owner=%s left behind job=%s epoch=%d',
                    candidate.owner, candidate.id, candidate.epoch)
        return self._store.claim(candidate, owner, claim_id)

    def abandon(self, claimed: claims.ClaimedJob, reason: str, counts: bool = True) -> None:
        """Give a job back, to whoever claims it next.

        :param counts: whether this claim counts as one without progress.
        :raises OwnershipLost: it is not ours any more.
        """
        self._settle(claimed, Settlement(
            claimed.job.claim_id, states.UNCLAIMED, reason=reason, counts=counts))

    def park(self, claimed: claims.ClaimedJob, reason: str) -> None:
        """Set a job aside, for an operator to look at.

        :raises OwnershipLost: it is not ours any more.
        """
        self._settle(claimed, Settlement(claimed.job.claim_id, states.PARKED, reason=reason))

    def confirm(self, claimed: claims.ClaimedJob) -> bool:
        """Return whether what the engine was given by ``claimed.settlement`` is recorded.

        It travels in the flow's last step: where it is not recorded, neither is that step, and
        recording the settlement alone would complete a job whose flow has not come to its end.

        :raises OwnershipLost: it is not, and the job is not ours any more.
        """
        given, fence = claimed.given, claimed.fence
        if given is None:
            return False
        job = self._store.get(fence.job)
        if (job.epoch, job.claim_id, job.state) == (fence.epoch + 1, given.claim_id, given.state):
            return True
        if job.epoch != fence.epoch:
            raise exceptions.OwnershipLost(
                fence.job, fence.epoch, f'its row has epoch {job.epoch} by now')
        return False

    def let_go(self, claimed: claims.ClaimedJob) -> None:
        """Release the lock of a job that is settled, or to be left; ring if it can be claimed."""
        self._coordinator.release(claimed.lock)
        given = claimed.given
        if given is not None and given.state == states.UNCLAIMED:
            self._coordinator.ring(claimed.job.shard)

    def _settle(self, claimed: claims.ClaimedJob, settlement: Settlement) -> None:
        self._store.settle(claimed.fence, settlement)
        claimed.given = settlement
