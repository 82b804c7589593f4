# SPDX-License-Identifier: Apache-2.0
"""What each call costs, counted: transactions, statements, and what a query looks at."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

import sqlalchemy as sa

from tests.functional.sql.cases import SqlTestCase, candidate_of, claim, engine_of, post
from tfd import states, task
from tfd.jobs import record
from tfd.patterns import linear_flow
from tfd.persistence.record import AtomRecord, DecisionRecord, FlowRecord, Settlement
from tfd.testing.sql import StatementCounter
from tfd_drivers.sql import job_queries, tables
from tfd_drivers.sql.statements import Prepared


class _Nothing(task.Task):

    def execute(self) -> None:
        pass


class _CostTest(SqlTestCase):

    def counted(self) -> StatementCounter:
        return StatementCounter(self.backend.database.engine)

    def test_a_step_is_one_commit(self) -> None:
        job, fence = self.owned_flow()
        with self.counted() as counter:
            self.backend.journal().append(self.step(job, fence))
        self.assertEqual(
            (1, 0, 0, self.STATEMENTS),
            (counter.commits, counter.reads, counter.rollbacks, len(counter.statements)))
        self.assertIn('UPDATE jobs', counter.statements[0])

    #: Of a step: the guard, the end of one atom, the start of the next, and its history.
    STATEMENTS: int

    def test_the_last_step_and_the_settlement_are_one_commit(self) -> None:
        job, fence = self.owned_flow()
        decision = DecisionRecord(job.flow_uuid, 's', 1, 'a')
        step = self.step(
            job, fence, columns=('state',), values=('SUCCESS',), decisions=[decision],
            settlement=Settlement(job.claim_id, states.COMPLETE, 'SUCCESS'))
        with self.counted() as counter:
            self.backend.journal().append(step)
        # Who owned the job is read, before it is nobody's.
        self.assertEqual((1, 0, 7), (counter.commits, counter.reads, len(counter.statements)))

    def test_a_job_costs_one_commit_for_each_task_and_two(self) -> None:
        for count in (1, 20):
            job = claim(self.backend, post(self.backend).id)
            flow = linear_flow.Flow('f').add(*[_Nothing(f'task-{number}') for number in range(count)])
            engine = engine_of(self.backend, job, flow)
            with self.counted() as counter:
                engine.run()
            # One to record the flow and one for the first start; the settlement goes with the last result.
            self.assertEqual(count + 2, counter.commits)
            self.assertEqual(states.COMPLETE, self.backend.jobs().get(job.id).state)

    def test_a_step_touches_the_rows_of_its_atoms_only(self) -> None:
        job, fence = self.owned_flow()
        with self.counted() as counter:
            self.backend.journal().append(self.step(job, fence))
        self.assertEqual([], [text for text in counter.statements if text.startswith('SELECT')])
        self.assertEqual([], counter.matching('flows'))

    def test_creating_and_loading_a_flow_cost_the_same_whatever_its_length(self) -> None:
        for length in (3, 2000):
            flow = str(uuid.uuid4())
            atoms = [AtomRecord(flow, n, str(uuid.uuid4()), f'a{n}', 'task') for n in range(length)]
            with self.counted() as counter:
                self.backend.journal().create(FlowRecord(flow, 'book', 'f'), atoms)
                self.assertEqual((1, 3), (counter.commits, len(counter.statements)))
                self.backend.journal().load(flow)
            self.assertEqual(1, counter.reads)
            self.assertLessEqual(len(counter.statements), 3 + 4)

    def test_a_claim_is_one_commit(self) -> None:
        candidate = candidate_of(self.backend, post(self.backend).id)
        with self.counted() as counter:
            self.backend.jobs().claim(candidate, 'me', 'claim')
        self.assertEqual((1, 0, 2), (counter.commits, counter.reads, len(counter.statements)))

    def test_posting_is_one_commit(self) -> None:
        new = [record.NewJob(str(uuid.uuid4()), str(n), 'n', 'f') for n in range(50)]
        with self.counted() as counter:
            self.backend.jobs().post(new)
        self.assertEqual((1, 0, 2), (counter.commits, counter.reads, len(counter.statements)))

    def test_looking_for_work_is_one_statement(self) -> None:
        jobs = self.backend.jobs()
        with self.counted() as counter:
            jobs.pending(range(64), 1e10, 10)
            jobs.orphans({'a', 'b', 'c'}, 10)
            jobs.owned('a')
        self.assertEqual((3, 3), (counter.reads, len(counter.statements)))

    # -- what a query looks at -------------------------------------------------------------------

    def fill(self, count: int) -> None:
        """Post many jobs, most of them done: what a board looks like after a while."""
        self.backend.jobs().post([
            record.NewJob(str(uuid.uuid4()), str(n), 'n', 'f', priority=n % 3) for n in range(count)])
        jobs = tables.jobs
        done = sa.select(jobs.c.id).order_by(jobs.c.id).limit(count * 9 // 10)
        claimed = sa.select(jobs.c.id).order_by(jobs.c.id.desc()).limit(count // 20)

        def change(connection: sa.Connection) -> None:
            ids = connection.scalars(done).all()
            connection.execute(sa.update(jobs).where(jobs.c.id.in_(ids)).values(state=states.COMPLETE))
            ids = connection.scalars(claimed).all()
            connection.execute(sa.update(jobs).where(jobs.c.id.in_(ids)).values(state=states.CLAIMED, owner='m/1/x'))
            connection.exec_driver_sql(self.ANALYZE)

        self.backend.database.run(change)

    ANALYZE: str

    def plan(self, statement: sa.ClauseElement, row: dict[str, object]) -> list[str]:
        """Return the lines of the database's plan for a query."""
        def explain(connection: sa.Connection) -> list[str]:
            prepared = Prepared(statement, connection.dialect)
            prepared._text = f'{self.EXPLAIN} {prepared._text}'
            return [' '.join(str(value) for value in found) for found in prepared.select(connection, row)]

        return self.backend.database.run(explain, writing=False)

    EXPLAIN: str
    SCANS: str
    SORT: str
    #: The index of the primary key of jobs.
    KEY: str

    def check_plan(
        self, index: str, statement: sa.ClauseElement, row: dict[str, object], sorts: bool = False,
    ) -> None:
        """Check that a statement goes by this index and reads nothing else; parts that are put together are sorted."""
        plan = self.plan(statement, row)
        text = '\n'.join(plan)
        self.assertEqual([], [line for line in plan if re.search(self.SCANS, line)], text)
        self.assertIn(index, text)
        if not sorts:
            self.assertNotIn(self.SORT, text)

    def test_looking_for_work_reads_an_index_only_as_far_as_needed(self) -> None:
        self.fill(2000)
        pending = {'state': states.UNCLAIMED, 'now': 1e10, 'limit': 5, 'in_0': 1, 'in_1': 2}
        orphans = {'state': states.CLAIMED, 'limit': 5, 'living_0': 'm/1/x', 'living_1': 'm/1/y'}
        self.check_plan('ix_jobs_pending', job_queries.pending(2), pending, sorts=True)
        self.check_plan('ix_jobs_owner', job_queries.orphans(2), orphans, sorts=True)

    def test_a_claim_reads_the_key_only(self) -> None:
        self.fill(2000)
        row = {'key_id': 'x', 'key_epoch': 1, 'owner': 'm/1/x', 'claim_id': 'c', 'connections': '', 'updated_at': 1.0}
        self.check_plan(self.KEY, job_queries.claim(), row)

    def test_a_page_of_a_list_is_read_from_an_index_in_its_order(self) -> None:
        self.fill(2000)
        last = self.backend.jobs().list(record.JobQuery(limit=5))[-1]
        for before in (None, last):
            for index, query, sorts in (
                ('ix_jobs_newest', record.JobQuery(limit=5), False),
                ('ix_jobs_state', record.JobQuery(limit=5, states=(states.CLAIMED,)), False),
                # Where most jobs have the state, the index of all is as good.
                ('ix_jobs_', record.JobQuery(limit=5, states=(states.COMPLETE,)), False),
                ('ix_jobs_', record.JobQuery(limit=5, states=(states.COMPLETE, states.PARKED)), True),
                ('ix_jobs_', record.JobQuery(limit=5, owner='m/1/x'), True),
            ):
                self.check_plan(index, job_queries.page(query, before), {}, sorts)


class SqliteCostTest(_CostTest):

    kind = 'sqlite'
    STATEMENTS = 4
    ANALYZE = 'ANALYZE'
    EXPLAIN = 'EXPLAIN QUERY PLAN'
    # A scan of the table that is not through an index; the few rows of the parts may be sorted.
    SCANS = r'SCAN jobs(?! USING INDEX)'
    SORT = 'USE TEMP B-TREE'
    KEY = 'sqlite_autoindex_jobs_1'

    def test_looking_for_work_passes_over_what_has_to_wait(self) -> None:
        self.fill(200)
        jobs, steps = self.backend.jobs(), []
        for _ in range(2):
            steps.append(self._steps_of(lambda: jobs.pending(range(64), 1e9, 10)))
            jobs.post([
                record.NewJob(str(uuid.uuid4()), str(uuid.uuid4()), 'n', 'f', not_before=2e9) for _ in range(3000)])
        self.assertTrue(0 < steps[1] < 1.1 * steps[0], steps)

    def _steps_of(self, look: Callable[[], object]) -> int:
        """Count the steps of SQLite's virtual machine, in tens."""
        steps: list[int] = []

        def count(connection: sa.Connection, *_args: object) -> None:
            connection.connection.driver_connection.set_progress_handler(lambda: steps.append(1), 10)

        engine = self.backend.database.engine
        sa.event.listen(engine, 'before_cursor_execute', count)
        try:
            look()
        finally:
            sa.event.remove(engine, 'before_cursor_execute', count)
            with engine.connect() as connection:
                connection.connection.driver_connection.set_progress_handler(None, 0)
        return len(steps)


class MariaDBCostTest(_CostTest):

    kind = 'mariadb'
    # A block of all of them.
    STATEMENTS = 1
    ANALYZE = 'ANALYZE TABLE jobs'
    EXPLAIN = 'EXPLAIN'
    SCANS = r' jobs ALL '
    SORT = 'Using filesort'
    KEY = 'PRIMARY'


class PostgreSQLCostTest(_CostTest):

    kind = 'postgresql'
    STATEMENTS = 1
    ANALYZE = 'ANALYZE jobs'
    EXPLAIN = 'EXPLAIN'
    SCANS = r'Seq Scan on jobs'
    SORT = 'Sort'
    KEY = 'pk_jobs'


del _CostTest
