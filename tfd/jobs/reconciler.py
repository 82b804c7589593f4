# SPDX-License-Identifier: Apache-2.0
"""Finds what this process owns and does not know of."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from tfd import exceptions, states
from tfd.jobs import ports, record
from tfd.persistence.record import Fence, Settlement

__all__ = ['Reconciler']

LOG = logging.getLogger(__name__)


class Reconciler:
    """Compares the rows that are owned by the own incarnation with the jobs that run.

    A row of ours that nobody runs is what a lost answer leaves: the claim was recorded and raised
    all the same, or the last step was not recorded because the database was away. While our session
    lives, no peer would take it over. Locks whose fate is not known are the coordinator's own work;
    rows of incarnations that have ended are orphans, for every conductor.
    """

    def __init__(self, store: ports.JobStore, coordinator: ports.Coordinator) -> None:
        self._store = store
        self._coordinator = coordinator

    def reconcile(self, running: Callable[[], Collection[str]]) -> list[str]:
        """Give back the jobs of ours that do not run; return their ids.

        Call it from the thread that claims: a claim of another thread could look like a stray.

        :param running: returns the ids of the jobs that run; called after the rows were read.
        :raises StorageUnavailable: the database cannot be asked.
        """
        session = self._coordinator.session()
        if session is None:
            return []
        rows = self._store.owned(session.incarnation)
        known = frozenset(running())
        given_back = []
        for job in rows:
            if job.id not in known and self._give_back(job):
                self._coordinator.release(ports.Lock(job.id, session))
                self._coordinator.ring(job.shard)
                given_back.append(job.id)
        return given_back

    def _give_back(self, job: record.Job) -> bool:
        """Make a job claimable; tell whether it was that, rather than settled by its run just now."""
        # What brought it here is an outage: it says nothing about the job, however often it happens.
        settlement = Settlement(
            job.claim_id, states.UNCLAIMED, reason='it was claimed, and nobody ran it',
            counts=False)
        try:
            self._store.settle(Fence(job.id, job.epoch), settlement)
        except exceptions.OwnershipLost:
            return False
        if self._store.get(job.id).state == states.COMPLETE:
            return False
        LOG.warning('gave back job=%s flow=%s epoch=%d owner=%s: %s', job.id, job.flow, job.epoch,
                    job.owner, settlement.reason)
        return True
