# SPDX-License-Identifier: Apache-2.0
"""What the tests of the SQL driver are made of."""

from __future__ import annotations

import uuid
from typing import Any

import testtools

from tests.functional.sql.databases import MigratedDatabase
from tfd import engines, states
from tfd.jobs import record as jobs_record
from tfd.persistence import models
from tfd.persistence.record import AtomRecord, Change, Entry, Fence, FlowRecord, Settlement
from tfd_drivers.sql.backend import SqlBackend

__all__ = ['Claim', 'SqlTestCase', 'candidate_of', 'claim', 'engine_of', 'post']


def post(backend: SqlBackend, **values: Any) -> jobs_record.Job:
    """Post a job."""
    job_id = str(uuid.uuid4())
    (job,) = backend.jobs().post([jobs_record.NewJob(job_id, job_id, 'a job', 'a-flow', **values)])
    return job


def candidate_of(backend: SqlBackend, job_id: str) -> jobs_record.Candidate:
    """Return what is to be known of a job to claim it."""
    now = backend.jobs().get(job_id)
    return jobs_record.Candidate(now.id, now.epoch, now.state, now.owner, now.flow, now.version, now.attempts)


def claim(backend: SqlBackend, job_id: str, owner: str = 'c/1/a') -> jobs_record.Job:
    """Claim a job under a new claim id."""
    return backend.jobs().claim(candidate_of(backend, job_id), owner, str(uuid.uuid4())).job


class Claim:
    """A claim that nobody takes away: an engine's ownership of a job."""

    def __init__(self, job: jobs_record.Job) -> None:
        self._job = job
        self.fence = Fence(job.id, job.epoch)

    def check(self) -> None:
        """Hold."""

    def settlement(self, flow_state: str, _failures: object) -> Settlement:
        """Complete the job, however its flow ended."""
        return Settlement(self._job.claim_id, states.COMPLETE, flow_state)


def engine_of(backend: SqlBackend, job: jobs_record.Job, flow: Any, **options: Any) -> Any:
    """Return the engine that runs a claimed job, as a conductor makes it."""
    book, detail = models.LogBook(job.name, uuid=job.book_uuid), models.FlowDetail(flow.name, uuid=job.flow_uuid)
    book.add(detail)
    return engines.load(flow, flow_detail=detail, book=book, backend=backend, ownership=Claim(job), **options)


class SqlTestCase(testtools.TestCase):
    """An empty database, and a backend of it."""

    kind = 'sqlite'

    def setUp(self) -> None:
        super().setUp()
        self.url = self.useFixture(MigratedDatabase(self.kind)).url
        self.backend = self.make()

    def make(self, **options: Any) -> SqlBackend:
        backend = SqlBackend({'connection': self.url, **options})
        self.addCleanup(backend.close)
        return backend

    def owned_flow(self, atoms: int = 4) -> tuple[jobs_record.Job, Fence]:
        """Return a claimed job whose flow is recorded, and its fence."""
        job = claim(self.backend, post(self.backend).id)
        fence = Fence(job.id, job.epoch)
        records = [AtomRecord(job.flow_uuid, n, str(uuid.uuid4()), f'atom-{n}', 'task') for n in range(atoms)]
        self.backend.journal().create(FlowRecord(job.flow_uuid, job.book_uuid, 'a-flow'), records, fence)
        return job, fence

    def step(self, job: jobs_record.Job, fence: Fence | None, number: int = 0, **values: Any) -> Entry:
        """Return the step that records the end of one atom and the start of the next."""
        return Entry(job.flow_uuid, fence, changes=[
            Change(number, ('state', 'result'), ('SUCCESS', '1')),
            Change(number + 1, ('state',), ('RUNNING',)),
        ], **values)

    def states(self, job: jobs_record.Job) -> list[str | None]:
        """Return the states of the job's atoms."""
        return [atom.state for atom in self.backend.journal().load(job.flow_uuid).atoms]
