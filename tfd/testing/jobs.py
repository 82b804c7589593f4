# SPDX-License-Identifier: Apache-2.0
"""A job store in memory, which keeps the contract of the real ones."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from tfd import exceptions, states
from tfd.jobs import record
from tfd.persistence.record import Fence, Settlement

__all__ = ['FakeJobStore']

# The port's method ``list`` hides the builtin inside the class.
_Jobs = list[record.Job]
_Candidates = list[record.Candidate]


class FakeJobStore:
    """Keeps jobs in this object; also the ``fences`` of a :class:`~tfd.persistence.memory.MemoryBackend`.

    Values are kept as they are given: there is nothing that it cannot store.

    :param wall: returns the seconds since 1970-01-01 UTC.
    """

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._lock = threading.RLock()
        self._jobs: dict[str, record.Job] = {}
        self._board: str | None = None

    def _change(self, job: record.Job, **values: Any) -> record.Job:
        changed = self._jobs[job.id] = replace(job, **values)
        return changed

    def _existing(self, job_id: str) -> record.Job:
        if job_id not in self._jobs:
            raise exceptions.NotFound(f'no job {job_id!r} is stored')
        return self._jobs[job_id]

    # -- posting and reading ---------------------------------------------------------------------

    def post(self, jobs: Sequence[record.NewJob]) -> _Jobs:
        """Record new jobs, and return them as stored; of one whose token is known, the first is returned."""
        with self._lock:
            known = {job.token: job for job in self._jobs.values()}
            new: dict[str, record.Job] = {}
            for job in jobs:
                if job.token in known:
                    continue
                if job.id in self._jobs or job.id in new:
                    raise exceptions.Duplicate(f'a job with id {job.id!r} exists under another token')
                known[job.token] = new[job.id] = self._made(job)
            self._jobs |= new
            return [known[job.token] for job in jobs]

    def _made(self, job: record.NewJob) -> record.Job:
        now = self._wall()
        return record.Job(
            id=job.id, token=job.token, name=job.name, flow=job.flow, version=job.version, store=dict(job.store),
            state=states.UNCLAIMED, outcome='', priority=job.priority, not_before=job.not_before, owner='',
            claim_id='', epoch=0, seq=0, claimed_seq=0, attempts=0, claims=0, shard=record.shard_of(job.id),
            book_uuid=str(uuid.uuid4()), flow_uuid=str(uuid.uuid4()), reason='', connections='', created_at=now,
            updated_at=now)

    def get(self, job_id: str) -> record.Job:
        """Return a job."""
        with self._lock:
            return self._existing(job_id)

    def find(self, token: str) -> record.Job:
        """Return the job that was posted with this token."""
        with self._lock:
            for job in self._jobs.values():
                if job.token == token:
                    return job
        raise exceptions.NotFound(f'no job with token {token!r} is stored')

    def list(self, query: record.JobQuery) -> _Jobs:
        """Return a page of jobs, newest first."""
        with self._lock:
            last = None if query.before is None else _age(self._existing(query.before))
            found = [
                job for job in self._jobs.values()
                if (not query.states or job.state in query.states)
                and (query.owner is None or job.owner == query.owner)
                and (last is None or _age(job) < last)
            ]
        return sorted(found, key=_age, reverse=True)[:query.limit]

    def pending(self, shards: Collection[int], now: float, limit: int) -> _Candidates:
        """Return unclaimed jobs of these shards whose ``not_before`` has come, most urgent and then oldest first."""
        found = self._in(states.UNCLAIMED, lambda job: job.shard in shards and job.not_before <= now)
        found.sort(key=lambda job: (-job.priority, job.created_at, job.id))
        return _candidates(found[:limit])

    def orphans(self, living: Collection[str], limit: int) -> _Candidates:
        """Return claimed jobs whose owner is none of the living incarnations."""
        return _candidates(self._in(states.CLAIMED, lambda job: job.owner not in living)[:limit])

    def owned(self, owner: str) -> _Jobs:
        """Return the claimed jobs whose owner is this incarnation."""
        return self._in(states.CLAIMED, lambda job: job.owner == owner)

    def _in(self, state: str, wanted: Callable[[record.Job], bool]) -> _Jobs:
        with self._lock:
            return [job for job in self._jobs.values() if job.state == state and wanted(job)]

    # -- claims ----------------------------------------------------------------------------------

    def claim(self, candidate: record.Candidate, owner: str, claim_id: str) -> record.Claim:
        """Make ``owner`` the job's owner under a new epoch."""
        with self._lock:
            job = self._jobs.get(candidate.id)
            if job is None:
                raise exceptions.UnclaimableJob(f'job {candidate.id} is gone')
            if (job.claim_id, job.epoch, job.state) == (claim_id, candidate.epoch + 1, states.CLAIMED):
                return record.Claim(job)
            if job.epoch != candidate.epoch or job.state not in (states.UNCLAIMED, states.CLAIMED):
                raise exceptions.UnclaimableJob(f'job {job.id} is {job.state} at epoch {job.epoch}')
            attempts = 1 if job.seq > job.claimed_seq else job.attempts + 1
            return record.Claim(self._change(
                job, state=states.CLAIMED, owner=owner, claim_id=claim_id, epoch=job.epoch + 1,
                claims=job.claims + 1, claimed_seq=job.seq, attempts=attempts, updated_at=self._wall()))

    def guard(self, fence: Fence, progress: bool) -> None:
        """Count a write under this fence.

        :raises OwnershipLost: it does not hold.
        """
        with self._lock:
            self._counted(self._fenced(fence), progress)

    def _fenced(self, fence: Fence) -> record.Job:
        job = self._jobs.get(fence.job)
        if job is None or job.epoch != fence.epoch:
            raise exceptions.OwnershipLost(fence.job, fence.epoch, 'its row has another epoch by now')
        return job

    def _counted(self, job: record.Job, progress: bool) -> record.Job:
        return self._change(job, seq=job.seq + 1, claimed_seq=job.claimed_seq + (not progress))

    def claim_on(self, flow: str) -> tuple[str, str] | None:
        """Return job and owner of a flow whose job is CLAIMED."""
        found = self._in(states.CLAIMED, lambda job: job.flow_uuid == flow)
        return (found[0].id, found[0].owner) if found else None

    def settle(self, fence: Fence, settlement: Settlement, progress: bool = False) -> None:
        """Give a job back. Does nothing where this claim did so before."""
        with self._lock:
            job = self._jobs.get(fence.job)
            done = (fence.epoch + 1, settlement.claim_id, settlement.state)
            if job is not None and (job.epoch, job.claim_id, job.state) == done:
                return
            job = self._counted(self._fenced(fence), progress)
            self._change(
                job, state=settlement.state, outcome=settlement.outcome, reason=settlement.reason, owner='',
                connections='', epoch=job.epoch + 1, updated_at=self._wall(),
                attempts=job.attempts if settlement.counts else max(0, job.attempts - 1))

    def release(self, job_id: str, state: str) -> None:
        """Make a PARKED job UNCLAIMED again, its attempts forgotten."""
        states.check_job_transition(states.PARKED, state)
        with self._lock:
            job = self._existing(job_id)
            if job.state != states.PARKED:
                raise exceptions.InvalidState(f'job {job_id} is {job.state}, expected {states.PARKED}')
            self._change(job, state=state, attempts=0, outcome='', reason='', claimed_seq=job.seq,
                         updated_at=self._wall())

    def unblock(self, candidate: record.Candidate) -> int:
        """Do nothing: nobody blocks anybody here."""
        return 0

    def board_id(self, propose: str | None = None) -> str | None:
        """Return the board's id; where there is none yet and one is proposed, record that first."""
        with self._lock:
            if self._board is None:
                self._board = propose
            return self._board


def _age(job: record.Job) -> tuple[float, str]:
    return (job.created_at, job.id)


def _candidates(jobs: Iterable[record.Job]) -> _Candidates:
    return [
        record.Candidate(job.id, job.epoch, job.state, job.owner, job.flow, job.version, job.attempts)
        for job in jobs
    ]
