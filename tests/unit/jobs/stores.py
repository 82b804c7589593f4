# SPDX-License-Identifier: Apache-2.0
"""A job store in memory whose answers can be taken away."""

from __future__ import annotations

import dataclasses
import threading
import uuid
from collections.abc import Callable, Collection, Iterable
from typing import Any

from tfd import exceptions, states
from tfd.jobs import record
from tfd.persistence.record import Fence, Settlement
from tfd.testing.clock import FakeClock


class FaultyStore:
    """Keeps the rules of :class:`tfd.jobs.ports.JobStore`; counts its calls.

    :ivar away: raise StorageUnavailable from every call, doing nothing.
    :ivar lost: names of methods whose next call is performed and its answer lost.
    :ivar unreadable: ids of jobs whose store cannot be read back.
    :ivar locked: ids of jobs whose store was encrypted with a key that is not here.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.jobs: dict[str, record.Job] = {}
        self.calls: list[str] = []
        self.away = False
        self.lost: set[str] = set()
        self.unreadable: set[str] = set()
        self.locked: set[str] = set()
        self.blocked: set[str] = set()
        self.board: str | None = None
        self.before: Callable[[str], None] = lambda name: None
        self._clock = clock
        self._lock = threading.RLock()

    def _call(self, name: str) -> None:
        self.calls.append(name)
        self.before(name)
        if self.away:
            raise exceptions.StorageUnavailable('the database does not answer')

    def _answer(self, name: str) -> None:
        if name in self.lost:
            self.lost.discard(name)
            raise exceptions.StorageUnavailable('the answer was lost')

    def add(self, flow: str = 'flow', **values: Any) -> record.Job:
        job_id = values.pop('id', str(uuid.uuid4()))
        store = values.pop('store', {})
        self.post([record.NewJob(job_id, values.pop('token', job_id), flow, flow, store=store)])
        return self.change(job_id, **values)

    def change(self, job_id: str, **values: Any) -> record.Job:
        with self._lock:
            self.jobs[job_id] = dataclasses.replace(self.jobs[job_id], **values)
            return self.jobs[job_id]

    def candidate(self, job_id: str) -> record.Candidate:
        return _candidate(self.jobs[job_id])

    def post(self, jobs: Iterable[record.NewJob]) -> list[record.Job]:
        self._call('post')
        posted = []
        for new in jobs:
            known = [job for job in self.jobs.values() if job.token == new.token]
            if not known:
                now = self._clock.wall()
                known = [record.Job(
                    new.id, new.token, new.name, new.flow, new.version, new.store,
                    states.UNCLAIMED, '', new.priority, new.not_before, '', '', 0, 0, 0, 0, 0,
                    record.shard_of(new.id), str(uuid.uuid4()), str(uuid.uuid4()), '', '', now,
                    now)]
                self.jobs[new.id] = known[0]
            posted.append(known[0])
        self._answer('post')
        return posted

    def get(self, job_id: str) -> record.Job:
        self._call('get')
        if job_id not in self.jobs:
            raise exceptions.NotFound(f'no job {job_id!r}')
        return self.jobs[job_id]

    def find(self, token: str) -> record.Job:
        self._call('find')
        for job in self.jobs.values():
            if job.token == token:
                return job
        raise exceptions.NotFound(f'no job with token {token!r}')

    def list(self, query: record.JobQuery) -> list[record.Job]:
        self._call('list')
        wanted = [job for job in self.jobs.values() if not query.states
                  or job.state in query.states]
        return wanted[::-1][:query.limit]

    def pending(self, shards: Collection[int], now: float, limit: int) -> list[record.Candidate]:
        self._call('pending')
        with self._lock:
            found = [job for job in self.jobs.values() if job.state == states.UNCLAIMED
                     and job.shard in shards and job.not_before <= now]
        return [_candidate(j) for j in sorted(found, key=lambda j: -j.priority)][:limit]

    def orphans(self, living: Collection[str], limit: int) -> list[record.Candidate]:
        self._call('orphans')
        return [_candidate(job) for job in list(self.jobs.values())
                if job.state == states.CLAIMED and job.owner not in living][:limit]

    def owned(self, owner: str) -> list[record.Job]:
        self._call('owned')
        return [job for job in list(self.jobs.values())
                if job.state == states.CLAIMED and job.owner == owner]

    def claim(self, candidate: record.Candidate, owner: str, claim_id: str) -> record.Claim:
        self._call('claim')
        if candidate.id in self.blocked:
            raise exceptions.StorageUnavailable('lock wait time-out')
        with self._lock:
            job = self.jobs[candidate.id]
            if job.claim_id != claim_id:
                claimable = job.state in (states.UNCLAIMED, states.CLAIMED)
                if job.epoch != candidate.epoch or not claimable:
                    raise exceptions.UnclaimableJob(f'job {job.id} is {job.state}')
                job = self.change(
                    job.id, state=states.CLAIMED, owner=owner, claim_id=claim_id,
                    epoch=job.epoch + 1, claims=job.claims + 1, claimed_seq=job.seq,
                    attempts=1 if job.seq > job.claimed_seq else job.attempts + 1)
        self._answer('claim')
        if job.id in self.unreadable:
            raise exceptions.InvalidFormat(f'store of job {job.id} is not JSON')
        if job.id in self.locked:
            raise exceptions.UnknownKey('0a1b2c3d', [])
        return record.Claim(job)

    def settle(self, fence: Fence, settlement: Settlement) -> None:
        self._call('settle')
        with self._lock:
            job = self.jobs[fence.job]
            if (job.epoch, job.claim_id) == (fence.epoch + 1, settlement.claim_id):
                return
            if job.epoch != fence.epoch or job.state != states.CLAIMED:
                raise exceptions.OwnershipLost(fence.job, fence.epoch, f'it is {job.state}')
            self.change(
                job.id, state=settlement.state, outcome=settlement.outcome, owner='',
                reason=settlement.reason, epoch=job.epoch + 1,
                attempts=job.attempts if settlement.counts else job.attempts - 1)
        self._answer('settle')

    def release(self, job_id: str, state: str) -> None:
        self.change(job_id, state=state, attempts=0)

    def unblock(self, candidate: record.Candidate) -> int:
        self._call('unblock')
        found = candidate.id in self.blocked
        self.blocked.discard(candidate.id)
        return int(found)

    def board_id(self, propose: str | None = None) -> str | None:
        self._call('board_id')
        if self.board is None:
            self.board = propose
        return self.board


def _candidate(job: record.Job) -> record.Candidate:
    return record.Candidate(
        job.id, job.epoch, job.state, job.owner, job.flow, job.version, job.attempts)
