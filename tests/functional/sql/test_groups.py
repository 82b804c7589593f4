# SPDX-License-Identifier: Apache-2.0
"""Flows of one process share transactions, and not their troubles."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import pymysql
import sqlalchemy as sa

from tests.functional.sql.cases import SqlTestCase, claim
from tfd import exceptions
from tfd.persistence.record import Change, Entry
from tfd.testing.sql import StatementCounter
from tfd_drivers.sql import tables

_SECONDS = 30
_FLOWS = 6


class _GroupTest(SqlTestCase):
    """The first flow's commit is held until the steps of all others wait, who then are the next transaction."""

    def setUp(self) -> None:
        super().setUp()
        self.owned = [self.owned_flow() for _ in range(_FLOWS)]

    def steps(self) -> list[Entry]:
        return [self.step(job, fence) for job, fence in self.owned]

    def together(self, entries: Sequence[Entry], then: Callable[[], object] = lambda: None) -> list[str]:
        """Record steps at the same time; return the names of the errors, '' for none.

        :param then: done when all wait, before the first goes on.
        """
        journal, dialect = self.backend.journal(), self.backend.database.engine.dialect
        held, go = threading.Event(), threading.Event()
        self.addCleanup(go.set)
        commit = dialect.do_commit
        ends = [''] * len(entries)

        def do_commit(connection: Any) -> None:
            dialect.do_commit = commit  # type: ignore[method-assign]
            held.set()
            go.wait(_SECONDS)
            commit(connection)

        def append(index: int) -> None:
            try:
                journal.append(entries[index])
            except exceptions.TaskFlowException as error:
                ends[index] = type(error).__name__

        dialect.do_commit = do_commit  # type: ignore[method-assign]
        threads = [threading.Thread(target=append, args=(index,), daemon=True) for index in range(len(entries))]
        for number, thread in enumerate(threads):
            thread.start()
            if number == 0:
                self.assertTrue(held.wait(_SECONDS))
        while len(journal._group._waiting) < len(entries) - 1:
            pass
        then()
        go.set()
        for thread in threads:
            thread.join(_SECONDS)
        return ends

    def check(self, recorded: Sequence[bool], more: int = 1) -> None:
        """Check whose step is recorded, and that each counts as one write."""
        for (job, _), done in zip(self.owned, recorded, strict=True):
            self.assertEqual('SUCCESS' if done else None, self.states(job)[0])
            self.assertEqual('RUNNING' if done else None, self.states(job)[1])
            if done:
                now = self.backend.jobs().get(job.id)
                self.assertEqual((job.seq + 1 + more, more), (now.seq, now.seq - now.claimed_seq))

    def test_steps_that_come_together_share_a_commit(self) -> None:
        with StatementCounter(self.backend.database.engine) as counter:
            self.assertEqual([''] * _FLOWS, self.together(self.steps()))
        self.assertEqual((2, 0, 0), (counter.commits, counter.reads, counter.rollbacks))
        self.check([True] * _FLOWS)

    def test_a_step_that_only_begins_counts_as_no_progress(self) -> None:
        entries = [
            Entry(job.flow_uuid, fence, changes=[Change(0, ('state',), ('RUNNING',))]) for job, fence in self.owned]
        self.assertEqual([''] * _FLOWS, self.together(entries))
        for job, _ in self.owned:
            now = self.backend.jobs().get(job.id)
            self.assertEqual((job.seq + 2, 0), (now.seq, now.seq - now.claimed_seq))

    def test_the_state_of_a_flow_goes_with_its_step(self) -> None:
        entries = [
            Entry(
                job.flow_uuid, fence, changes=[Change(0, ('state',), ('RUNNING',))],
                columns=('state',) if number % 2 else (), values=('RUNNING',) if number % 2 else ())
            for number, (job, fence) in enumerate(self.owned)]
        with StatementCounter(self.backend.database.engine) as counter:
            self.assertEqual([''] * _FLOWS, self.together(entries))
        self.assertEqual((2, 0, 0), (counter.commits, counter.reads, counter.rollbacks))
        for number, (job, _) in enumerate(self.owned):
            flow = self.backend.journal().load(job.flow_uuid).flow
            self.assertEqual('RUNNING' if number % 2 else None, flow.state)

    def test_values_of_every_kind(self) -> None:
        columns = ('state', 'result', 'failure', 'revert_result', 'revert_failure', 'meta', 'intention')
        values = [
            ('SUCCESS', '"%s \\\\ \' ? :x {}"', None, '\u1234', '', '"' + 'x' * 5000 + '"', 'EXECUTE'),
            ('FAILURE', None, '{"a": 1}', None, None, None, 'REVERT'),
        ]
        entries = [
            Entry(job.flow_uuid, fence, changes=[Change(1, columns, values[number % 2]), Change(0, ('meta',), ('1',))])
            for number, (job, fence) in enumerate(self.owned)]
        self.assertEqual([''] * _FLOWS, self.together(entries))
        for number, (job, _) in enumerate(self.owned):
            atom = self.backend.journal().load(job.flow_uuid).atoms[1]
            self.assertEqual(values[number % 2], tuple(getattr(atom, name) for name in columns))

    def test_a_flow_that_was_taken_over_costs_the_others_nothing(self) -> None:
        claim(self.make(), self.owned[2][0].id, 'successor')
        with StatementCounter(self.backend.database.engine) as counter:
            ends = self.together(self.steps())
        self.assertEqual(['', '', 'OwnershipLost', '', '', ''], ends)
        self.assertEqual(2, counter.commits)
        self.check([True, True, False, True, True, True])

    def test_a_flow_without_its_atoms_costs_the_others_nothing(self) -> None:
        entries = self.steps()
        job, fence = self.owned[3]
        entries[3] = Entry(job.flow_uuid, fence, changes=[
            Change(0, ('state',), ('SUCCESS',)), Change(77, ('state',), ('RUNNING',))])
        self.assertEqual(['', '', '', 'NotFound', '', ''], self.together(entries))
        self.check([True, True, True, False, True, True])

    def test_each_goes_on_afterwards(self) -> None:
        self.together(self.steps())
        with StatementCounter(self.backend.database.engine) as counter:
            for job, fence in self.owned:
                self.backend.journal().append(self.step(job, fence, 1))
        self.assertEqual((_FLOWS, 0), (counter.commits, counter.rollbacks))


class SqliteGroupTest(_GroupTest):

    kind = 'sqlite'


class _ServerGroupTest(_GroupTest):

    def lost(self) -> Exception:
        """Return the client's error for a connection that broke."""
        raise NotImplementedError

    def conflict(self) -> Exception:
        """Return the client's error for a transaction that lost at its commit."""
        raise NotImplementedError

    def break_next_commit(self, error: Exception, applied: bool) -> Callable[[], None]:
        """Return what makes the next commit fail with this error, after committing or instead of it."""
        dialect = self.backend.database.engine.dialect

        def arm() -> None:
            commit = dialect.do_commit

            def do_commit(connection: Any) -> None:
                dialect.do_commit = commit  # type: ignore[method-assign]
                if applied:
                    commit(connection)
                raise error

            # The one that is held is on its way already.
            dialect.do_commit = do_commit  # type: ignore[method-assign]

        return arm

    def test_a_lost_reply_is_found_out_for_each(self) -> None:
        self.assertEqual([''] * _FLOWS, self.together(self.steps(), self.break_next_commit(self.lost(), applied=True)))
        self.check([True] * _FLOWS)

    def test_a_connection_that_breaks_instead_is_replaced(self) -> None:
        self.assertEqual(
            [''] * _FLOWS, self.together(self.steps(), self.break_next_commit(self.lost(), applied=False)))
        self.check([True] * _FLOWS)

    def test_a_conflict_is_repeated_guard_included(self) -> None:
        self.assertEqual(
            [''] * _FLOWS, self.together(self.steps(), self.break_next_commit(self.conflict(), applied=False)))
        self.check([True] * _FLOWS)

    def test_a_row_that_is_locked_keeps_nobody_else_waiting(self) -> None:
        other = self.make()
        job = self.owned[1][0]
        done: list[list[str]] = []

        def work(connection: sa.Connection) -> None:
            if done:
                return
            connection.execute(sa.update(tables.jobs).where(tables.jobs.c.id == job.id).values(priority=1))
            thread = threading.Thread(target=lambda: done.append(self.together(self.steps())))
            thread.start()
            # All but the one whose row is locked are recorded meanwhile.
            for owned, _ in self.owned[2:]:
                while self.states(owned)[0] is None:
                    pass
            self.assertIsNone(self.states(job)[0])
            threads.append(thread)

        threads: list[threading.Thread] = []
        other.database.run(work)
        threads[0].join(_SECONDS)
        self.assertEqual([[''] * _FLOWS], done)
        self.check([True] * _FLOWS)


class MariaDBGroupTest(_ServerGroupTest):

    kind = 'mariadb'

    def lost(self) -> Exception:
        return pymysql.err.OperationalError(2013, 'Lost connection to server during query')

    def conflict(self) -> Exception:
        return pymysql.err.OperationalError(1213, 'Deadlock found when trying to get lock')


class PostgreSQLGroupTest(_ServerGroupTest):

    kind = 'postgresql'

    def lost(self) -> Exception:
        return psycopg.errors.AdminShutdown('terminating connection due to administrator command')

    def conflict(self) -> Exception:
        return psycopg.errors.SerializationFailure('could not serialize access')


del _GroupTest, _ServerGroupTest
