# SPDX-License-Identifier: Apache-2.0
"""A database of an earlier release is migrated with what is in it, and that release works on beside this one."""

from __future__ import annotations

import hashlib
import pathlib
from typing import Any

import sqlalchemy as sa
import testtools

import tfd_drivers.sql
from tests.functional import servers
from tests.functional.sql import scripts
from tests.functional.sql.cases import candidate_of
from tests.functional.sql.releases import r0001
from tfd import exceptions, states
from tfd.jobs import record as jobs_record
from tfd.persistence.record import AtomRecord, Change, Entry, Fence, FlowRecord, Settlement
from tfd_drivers.sql.backend import SqlBackend
from tfd_drivers.sql.database import REVISION

_VERSIONS = pathlib.Path(tfd_drivers.sql.__path__[0]) / 'migrations' / 'versions'

#: Revisions that databases of deployments are at: what they do does not change any more.
_RELEASED = {'0001_first_tables.py': '7e228cea2ae0a6a605ce63024c36f1aa0c6167678eaafb5df39ca815e2968ba6'}


class FrozenTest(testtools.TestCase):

    def test_released_revisions_stay_as_they_are(self) -> None:
        found = {name: hashlib.sha256((_VERSIONS / name).read_bytes()).hexdigest() for name in _RELEASED}
        self.assertEqual(_RELEASED, found)


def _shape(url: str) -> dict[str, Any]:
    """Return the tables of a database: columns, keys and indexes."""
    engine = SqlBackend(url).database.engine
    metadata = sa.MetaData()
    metadata.reflect(engine)
    engine.dispose()
    return {
        table.name: (
            [(column.name, str(column.type), column.nullable) for column in table.c],
            sorted(column.name for column in table.primary_key),
            sorted((str(index.name), bool(index.unique), [str(part) for part in index.expressions])
                   for index in table.indexes))
        for table in metadata.sorted_tables
    }


class _ReleaseTest(testtools.TestCase):

    kind: str

    def setUp(self) -> None:
        super().setUp()
        self.url = self.useFixture(servers.Database(self.kind)).url
        self.old = r0001.Release(self.kind, self.url)
        self.old.create()
        self.backend = SqlBackend(self.url)
        self.addCleanup(self.backend.close)

    # -- migrated, with data -----------------------------------------------------------------------

    def test_the_first_revision_makes_what_was_released(self) -> None:
        fresh = self.useFixture(servers.Database(self.kind)).url
        with SqlBackend(fresh).database.migrating() as connection:
            scripts.apply(connection, _VERSIONS / '0001_first_tables.py')
        mine = _shape(self.url)
        del mine['tfd_schema']
        self.assertEqual(mine, _shape(fresh))

    def test_what_is_in_it_is_kept(self) -> None:
        self.old.fill()
        before = [self.old.job(job) for job in self._ids()]
        self.backend.schema().sync()
        self.assertEqual(REVISION, self.backend.schema().check())
        self.assertEqual(before, [self.old.job(job) for job in self._ids()])

    def test_this_release_reads_what_is_in_it(self) -> None:
        self.old.fill()
        self.backend.schema().sync()
        jobs = [self.backend.jobs().get(job) for job in self._ids()]
        self.assertEqual([job['state'] for job in r0001.JOBS], [job.state for job in jobs])
        self.assertEqual({'image': 'img-1', 'count': 3}, dict(jobs[0].store))
        self.assertEqual('board-1', self.backend.jobs().board_id())
        flow = self.backend.get_connection().get_flow_details(jobs[2].flow_uuid)
        retry, create, _, last = flow
        self.assertEqual('no room', retry.results[0][1]['create'].exception_str)
        self.assertEqual({'progress': 0.5}, create.meta)
        self.assertEqual(('größer', (1, 'zwei')), (last.name, last.results))
        decided = self.backend.journal().load(jobs[2].flow_uuid).decisions
        self.assertEqual(len(r0001.DECISIONS), len(decided))

    def _ids(self) -> list[str]:
        return [f'00000000-0000-4000-8000-00000000000{job["n"]}' for job in r0001.JOBS]

    # -- side by side ------------------------------------------------------------------------------

    def expanded(self) -> None:
        self.backend.schema().expand()

    def claim(self, job_id: str) -> tuple[jobs_record.Job, Fence]:
        job = self.backend.jobs().claim(candidate_of(self.backend, job_id), 'new/0/1', 'claim-of-new').job
        return job, Fence(job.id, job.epoch)

    def test_each_runs_what_the_other_posted(self) -> None:
        self.expanded()
        theirs = self.old.post(5)
        job, fence = self.claim(theirs)
        self._run(job, fence)
        self.assertEqual('COMPLETE', self.old.job(theirs)['state'])
        mine = self.backend.jobs().post([jobs_record.NewJob(
            '00000000-0000-4000-8000-000000000006', 'token-6', 'n', 'a-flow')])[0]
        self.assertIn(mine.id, self.old.pending(mine.shard))
        row = self.old.claim(6, 'old/0/1')
        self.assertEqual(1, self.old.settle(row, 'COMPLETE', 'SUCCESS'))
        self.assertEqual((states.COMPLETE, 'SUCCESS'), self._end(mine.id))

    def _run(self, job: jobs_record.Job, fence: Fence) -> None:
        journal = self.backend.journal()
        journal.create(
            FlowRecord(job.flow_uuid, job.book_uuid, 'a-flow'),
            [AtomRecord(job.flow_uuid, 0, f'atom-{job.id}'[:36], 'create', 'task')], fence)
        journal.append(Entry(
            job.flow_uuid, fence, [Change(0, ('state', 'result'), ('SUCCESS', '1'))], columns=('state',),
            values=('SUCCESS',), settlement=Settlement(job.claim_id, states.COMPLETE, 'SUCCESS')))

    def _end(self, job_id: str) -> tuple[str, str]:
        job = self.backend.jobs().get(job_id)
        return job.state, job.outcome

    def test_this_one_takes_over_from_that_one(self) -> None:
        self.expanded()
        self.old.post(5)
        row = self.old.claim(5, 'old/0/1')
        self.old.record(5, {'id': row['id'], 'epoch': row['epoch']})
        self.assertEqual(1, self.old.step(row, 2, 'SUCCESS', '"by the old one"'))
        job, fence = self.claim(row['id'])
        loaded = self.backend.journal().load(job.flow_uuid)
        self.assertEqual('"by the old one"', loaded.atoms[2].result)
        self.backend.journal().append(Entry(
            job.flow_uuid, fence, [Change(2, ('state', 'result'), ('SUCCESS', '"by the new one"'))]))
        self.assertEqual(0, self.old.step(row, 2, 'SUCCESS', '"late"'))
        self.assertEqual('"by the new one"', self.old.atoms(job.flow_uuid)[2]['result'])

    def test_that_one_takes_over_from_this_one(self) -> None:
        self.expanded()
        job, fence = self.claim(self.old.post(5))
        journal = self.backend.journal()
        self.old.record(5, {'id': fence.job, 'epoch': fence.epoch})
        journal.append(Entry(job.flow_uuid, fence, [Change(2, ('state', 'result'), ('SUCCESS', '1'))]))
        row = self.old.claim(5, 'old/0/1')
        self.assertEqual(('SUCCESS', '1'), tuple(self.old.atoms(job.flow_uuid)[2][key] for key in ('state', 'result')))
        late = Entry(job.flow_uuid, fence, [Change(2, ('state',), ('FAILURE',))])
        self.assertRaises(exceptions.OwnershipLost, journal.append, late)
        self.assertEqual(1, self.old.settle(row, 'COMPLETE', 'SUCCESS'))
        self.assertEqual(states.SUCCESS, journal.load(job.flow_uuid).flow.state)


class SqliteReleaseTest(_ReleaseTest):
    kind = 'sqlite'


class MariaDBReleaseTest(_ReleaseTest):
    kind = 'mariadb'


class PostgreSQLReleaseTest(_ReleaseTest):
    kind = 'postgresql'


del _ReleaseTest
