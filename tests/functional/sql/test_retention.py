# SPDX-License-Identifier: Apache-2.0
"""Removing what has expired: all of it, nothing else, and at a cost that does not depend on what is kept."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable
from typing import Any
from unittest import mock

import sqlalchemy as sa

from tests.functional.sql.cases import SqlTestCase, candidate_of, claim, post
from tests.functional.sql.finished import analyze, fill
from tfd import exceptions, states
from tfd.jobs import record
from tfd.jobs.retention import Expiry, remove_all
from tfd.persistence import models
from tfd.persistence.record import AtomRecord, Change, Entry, FlowRecord, Settlement
from tfd.testing.sql import StatementCounter
from tfd_drivers.sql import retention, tables

_NOW = 1_700_000_000.0
_FULL = (tables.jobs, tables.logbooks, tables.flows, tables.atoms, tables.decisions, tables.history)


class _RetentionTest(SqlTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.kept = self.backend.retention()

    def rows(self) -> dict[str, int]:
        return self.backend.database.run(lambda connection: {
            table.name: connection.scalar(sa.select(sa.func.count()).select_from(table)) for table in _FULL
        }, writing=False)

    def purge(self, *expiries: Expiry, batch: int = 100) -> int:
        return sum(count for _, count in remove_all(self.kept, expiries, batch, rest=lambda _: None))

    # -- what goes ---------------------------------------------------------------------------------

    def test_everything_of_an_expired_job_goes(self) -> None:
        fill(self.backend.database, 30, _NOW)
        self.assertEqual(30, self.kept.count(Expiry(states.SUCCESS, _NOW + 1)))
        self.assertEqual(30, self.purge(Expiry(states.SUCCESS, _NOW + 1), batch=7))
        self.assertEqual({table.name: 0 for table in _FULL}, self.rows())

    def test_what_is_younger_or_ended_otherwise_stays(self) -> None:
        fill(self.backend.database, 40, _NOW, [states.SUCCESS, states.REVERTED])
        # The newest ended at _NOW, the others a second before each other: 20 are older than this.
        self.assertEqual(10, self.purge(Expiry(states.REVERTED, _NOW - 19.5), batch=3))
        self.assertEqual(30, self.rows()['jobs'])
        self.assertEqual(0, self.kept.count(Expiry(states.REVERTED, _NOW - 19.5)))

    def test_what_is_not_done_stays_however_old_it_is(self) -> None:
        waiting = post(self.backend)
        running, _ = self.owned_flow()
        parked, fence = self.owned_flow()
        self.backend.jobs().settle(fence, Settlement(parked.claim_id, states.PARKED, states.FAILURE))
        self.assertEqual(0, self.purge(*(Expiry(outcome, 1e11) for outcome in (
            states.SUCCESS, states.REVERTED, states.FAILURE, ''))))
        found = {self.backend.jobs().get(job.id).state for job in (waiting, running, parked)}
        self.assertEqual({states.UNCLAIMED, states.CLAIMED, states.PARKED}, found)

    def test_a_logbook_with_another_flow_stays(self) -> None:
        job, fence = self.owned_flow()
        connection = self.backend.get_connection()
        book = connection.get_logbook(job.book_uuid, lazy=True)
        book.add(models.FlowDetail('beside'))
        connection.save_logbook(book)
        self.backend.journal().append(Entry(
            job.flow_uuid, fence, columns=('state',), values=('SUCCESS',),
            settlement=Settlement(job.claim_id, states.COMPLETE, states.SUCCESS)))
        self.assertEqual(1, self.purge(Expiry(states.SUCCESS, 1e11)))
        self.assertEqual(['beside'], [flow.name for flow in connection.get_logbook(job.book_uuid)])

    def large(self, state: str) -> record.Job:
        """Return a job with 35 atoms and 26 steps, in this state."""
        job, fence = self.owned_flow(atoms=35)
        for number in range(25):
            self.backend.journal().append(self.step(job, fence, number))
        self.backend.journal().append(Entry(
            job.flow_uuid, fence, settlement=Settlement(job.claim_id, state, states.SUCCESS)))
        return job

    def small_deletions(self) -> dict[str, list[int]]:
        """Have transactions be small from now on; return what each deletion met, by table, as it grows."""
        self.patch(retention, '_ROWS', 10)
        met: dict[str, list[int]] = {'atoms': [], 'history': []}

        def count(_connection: object, cursor: Any, text: str, *_: object) -> None:
            table = text.split()[2].strip('`') if text.startswith('DELETE') else ''
            if table in met:
                met[table].append(cursor.rowcount)

        sa.event.listen(self.backend.database.engine, 'after_cursor_execute', count)
        return met

    def test_a_large_flow_goes_in_small_transactions(self) -> None:
        self.large(states.COMPLETE)
        fill(self.backend.database, 12, 1e10)
        met = self.small_deletions()
        self.purge(Expiry(states.SUCCESS, 1e11))
        self.assertEqual(35 + 24, sum(met['atoms']))
        self.assertGreater(sum(met['history']), 20)
        self.assertLessEqual(max(met['atoms'] + met['history']), 10)
        self.assertEqual(0, self.rows()['jobs'])

    # -- by name -----------------------------------------------------------------------------------

    def test_by_name_goes_what_does_not_run(self) -> None:
        waiting = post(self.backend)
        parked, fence = self.owned_flow()
        self.backend.jobs().settle(fence, Settlement(parked.claim_id, states.PARKED, states.FAILURE))
        for job in (waiting, parked):
            self.kept.remove(job.id)
            self.assertRaises(exceptions.NotFound, self.kept.remove, job.id)
        self.assertEqual({table.name: 0 for table in _FULL}, self.rows())

    def test_a_large_one_goes_by_name_in_small_transactions(self) -> None:
        for state in (states.COMPLETE, states.PARKED, states.UNCLAIMED):
            job = self.large(state)
            met = self.small_deletions()
            self.kept.remove(job.id)
            self.assertEqual((35, 26), (sum(met['atoms']), sum(met['history'])))
            self.assertLessEqual(max(met['atoms'] + met['history']), 10)
        self.assertEqual({table.name: 0 for table in _FULL}, self.rows())

    def test_one_whose_removal_was_broken_off_is_claimed_by_nobody_and_can_be_removed(self) -> None:
        job = self.large(states.UNCLAIMED)
        candidate = candidate_of(self.backend, job.id)
        with mock.patch.object(self.kept, '_shrink', side_effect=exceptions.StorageUnavailable('away')):
            self.assertRaises(exceptions.StorageUnavailable, self.kept.remove, job.id)
        self.assertRaises(exceptions.UnclaimableJob, self.backend.jobs().claim, candidate, 'me', 'claim')
        self.kept.remove(job.id)
        self.assertEqual({table.name: 0 for table in _FULL}, self.rows())

    def test_by_name_stays_what_runs(self) -> None:
        job, fence = self.owned_flow()
        self.assertRaises(exceptions.InvalidState, self.kept.remove, job.id)
        self.backend.journal().append(Entry(job.flow_uuid, fence, [Change(0, ('state',), ('SUCCESS',))]))

    def test_one_that_was_removed_while_it_was_about_to_run_is_not_claimed(self) -> None:
        job = post(self.backend)
        self.kept.remove(job.id)
        self.assertRaises(exceptions.NotFound, claim, self.backend, job.id)

    # -- flows without a job -----------------------------------------------------------------------

    def test_flows_without_a_job_go_when_asked_for(self) -> None:
        journal = self.backend.journal()
        for state in (states.SUCCESS, states.REVERTED, states.SUSPENDED, states.FAILURE, None):
            flow = str(uuid.uuid4())
            journal.create(FlowRecord(flow, f'book-{state}', 'f', state), [
                AtomRecord(flow, 0, str(uuid.uuid4()), 'a', 'task')])
        fill(self.backend.database, 5, _NOW)
        self.purge(Expiry(states.SUCCESS, _NOW - 100))
        self.assertEqual(10, self.rows()['flows'])
        self.assertEqual((2, None), self.kept.orphans(1e11, '', 100, False))
        self.assertEqual((0, None), self.kept.orphans(1.0, '', 100, True))
        found, after = 0, ''
        while after is not None:
            some, after = self.kept.orphans(1e11, after, 3, True)
            found += some
        self.assertEqual((2, 8, 8, 5), (found, *(self.rows()[name] for name in ('flows', 'logbooks', 'jobs'))))

    def test_large_ones_go_in_small_transactions(self) -> None:
        journal = self.backend.journal()
        for count in (25, 3, 3, 3, 30):
            flow = str(uuid.uuid4())
            journal.create(FlowRecord(flow, 'book', 'f', states.SUCCESS), [
                AtomRecord(flow, number, str(uuid.uuid4()), f'a{number}', 'task') for number in range(count)])
        met = self.small_deletions()
        self.assertEqual((5, None), self.kept.orphans(1e11, '', 100, True))
        self.assertEqual(64, sum(met['atoms']))
        self.assertLessEqual(max(met['atoms']), 10)
        self.assertEqual({table.name: 0 for table in _FULL}, self.rows())

    def test_one_that_is_run_again_meanwhile_stays(self) -> None:
        flow = str(uuid.uuid4())
        self.backend.journal().create(FlowRecord(flow, 'book', 'f', states.REVERTED), [])

        def meanwhile(*unused: object) -> None:
            self.backend.journal().append(Entry(flow, columns=('state',), values=(states.RUNNING,)))

        with mock.patch.object(self.kept, '_shrink', meanwhile):
            self.kept.orphans(1e11, '', 100, True)
        self.assertEqual(states.RUNNING, self.backend.journal().load(flow).flow.state)

    # -- beside others -----------------------------------------------------------------------------

    def test_two_at_once_do_no_harm(self) -> None:
        fill(self.backend.database, 300, _NOW)
        running, fence = self.owned_flow()
        errors: list[BaseException] = []

        def work() -> None:
            try:
                kept = self.make().retention()
                for _ in remove_all(kept, [Expiry(states.SUCCESS, _NOW + 1)], 20, rest=lambda _: None):
                    pass
            except BaseException as err:
                errors.append(err)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(3):
            self.backend.journal().append(self.step(running, fence, number % 3))
        for thread in threads:
            thread.join(60)
        self.assertEqual([], errors)
        self.assertEqual(1, self.rows()['jobs'])
        self.assertEqual(4, self.rows()['atoms'])

    # -- what it costs -----------------------------------------------------------------------------

    def test_a_batch_costs_the_same_whatever_it_removes(self) -> None:
        fill(self.backend.database, 60, _NOW)
        costs = []
        for batch in (1, 50):
            with StatementCounter(self.backend.database.engine) as counter:
                self.kept.purge(Expiry(states.SUCCESS, _NOW + 1), batch)
            costs.append((counter.commits, counter.reads, len(counter.statements)))
        self.assertEqual([(1, 1, 9)] * 2, costs)

    EXPLAIN = 'EXPLAIN'
    SCANS: str

    def test_every_statement_reads_indexes_only_as_far_as_needed(self) -> None:
        database = self.backend.database
        fill(database, 6000, _NOW, [states.SUCCESS, states.REVERTED])
        analyze(database)
        plans = self._plans(lambda: self.kept.purge(Expiry(states.REVERTED, _NOW - 5000), 10))
        self.assertEqual(9, len(plans))
        for text, plan in plans.items():
            self.assertIsNone(re.search(self.SCANS, plan), f'{text}\n{plan}')
        self.assertIn('ix_jobs_finished', next(iter(plans.values())))

    def _plans(self, act: Callable[[], object]) -> dict[str, str]:
        """Return the plan of each statement that is sent meanwhile."""
        plans: dict[str, str] = {}

        def explain(_connection: sa.Connection, cursor: Any, text: str, values: Any, *_: object) -> None:
            if not text.startswith('BEGIN'):
                cursor.execute(f'{self.EXPLAIN} {text}', values)
                plans[text] = '\n'.join(' '.join(map(str, row)) for row in cursor.fetchall())

        sa.event.listen(self.backend.database.engine, 'before_cursor_execute', explain)
        try:
            act()
        finally:
            sa.event.remove(self.backend.database.engine, 'before_cursor_execute', explain)
        return plans


class SqliteRetentionTest(_RetentionTest):

    kind = 'sqlite'
    EXPLAIN = 'EXPLAIN QUERY PLAN'
    SCANS = r'SCAN (?!CONSTANT)'


class MariaDBRetentionTest(_RetentionTest):

    kind = 'mariadb'
    SCANS = r'(?m)^\d+ \S+ \S+ (ALL|index) '


class PostgreSQLRetentionTest(_RetentionTest):

    kind = 'postgresql'
    SCANS = r'Seq Scan'


del _RetentionTest
