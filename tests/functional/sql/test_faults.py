# SPDX-License-Identifier: Apache-2.0
"""What is promised when answers are lost, transactions lose against others, and connections break."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import Any
from unittest import mock

import psycopg
import pymysql
import sqlalchemy as sa

from tests.functional.sql.cases import SqlTestCase, candidate_of, claim, post
from tfd import exceptions, states
from tfd.jobs import record as jobs_record
from tfd.persistence.record import DecisionRecord, Entry, Fence, Settlement
from tfd.testing.sql import StatementCounter
from tfd_drivers.sql import database, tables


class _FaultTest(SqlTestCase):
    """Faults that are made inside the client library, the same on every database."""

    def break_commits(self, error: Exception, times: int = 1, applied: bool = False) -> list[int]:
        """Let the next commits fail with this error of the client, after (``applied``) or instead of committing."""
        dialect = self.backend.database.engine.dialect
        commit, left = dialect.do_commit, [times]

        def _commit(connection: Any) -> None:
            if not left[0]:
                commit(connection)
                return
            left[0] -= 1
            if applied:
                commit(connection)
            raise error

        dialect.do_commit = _commit  # type: ignore[method-assign]
        return left

    def transaction(self, job: jobs_record.Job, fence: Fence) -> Entry:
        """Return a step that is no single statement on any database: it is committed by a COMMIT."""
        return self.step(job, fence, decisions=[DecisionRecord(job.flow_uuid, 'a subject', 1, 'an answer')])

    def lost(self) -> Exception:
        """Return the client's error for a connection that broke."""
        raise NotImplementedError

    def conflict(self) -> Exception:
        """Return the client's error for a transaction that lost at its commit."""
        raise NotImplementedError

    def test_a_lost_reply_to_a_step_is_found_out(self) -> None:
        job, fence = self.owned_flow()
        self.break_commits(self.lost(), applied=True)
        self.backend.journal().append(self.step(job, fence))
        self.assertEqual(['SUCCESS', 'RUNNING', None, None], self.states(job))
        self.backend.journal().append(self.step(job, fence, 1))

    def test_a_lost_reply_to_the_last_step_is_found_out(self) -> None:
        job, fence = self.owned_flow()
        settlement = Settlement(job.claim_id, states.COMPLETE, 'SUCCESS')
        self.break_commits(self.lost(), applied=True)
        self.backend.journal().append(self.step(job, fence, settlement=settlement))
        found = self.backend.jobs().get(job.id)
        self.assertEqual((states.COMPLETE, fence.epoch + 1), (found.state, found.epoch))

    def test_a_lost_reply_to_a_claim_is_found_out(self) -> None:
        candidate = candidate_of(self.backend, post(self.backend).id)
        self.break_commits(self.lost(), applied=True)
        claimed = self.backend.jobs().claim(candidate, 'me', 'claim').job
        self.assertEqual(('me', 1, 1), (claimed.owner, claimed.epoch, claimed.claims))

    def test_a_lost_reply_to_a_post_is_found_out(self) -> None:
        self.break_commits(self.lost(), applied=True)
        job = post(self.backend)
        self.assertEqual([job], self.backend.jobs().list(jobs_record.JobQuery()))

    def test_a_commit_that_conflicts_is_repeated_guard_included(self) -> None:
        job, fence = self.owned_flow()
        seq = self.backend.jobs().get(job.id).seq
        self.break_commits(self.conflict(), times=3)
        with StatementCounter(self.backend.database.engine) as counter:
            self.backend.journal().append(self.transaction(job, fence))
        self.assertEqual(4, len(counter.matching('update jobs', 'seq')))
        self.assertEqual(seq + 1, self.backend.jobs().get(job.id).seq)
        self.assertEqual(['SUCCESS', 'RUNNING', None, None], self.states(job))

    def test_a_commit_that_always_conflicts_ends_within_a_budget(self) -> None:
        job, fence = self.owned_flow()
        left = self.break_commits(self.conflict(), times=100)
        self.assertRaises(exceptions.StorageUnavailable, self.backend.journal().append, self.transaction(job, fence))
        self.assertGreater(left[0], 50)
        left[0] = 0
        self.assertEqual([None] * 4, self.states(job))

    def test_a_connection_that_breaks_twice_is_told(self) -> None:
        job, fence = self.owned_flow()
        left = self.break_commits(self.lost(), times=100)
        error = self.assertRaises(
            exceptions.StorageUnavailable, self.backend.journal().append, self.transaction(job, fence))
        self.assertIsInstance(error.__cause__, sa.exc.SQLAlchemyError)
        self.assertEqual(98, left[0])
        left[0] = 0
        self.backend.journal().append(self.transaction(job, fence))

    def test_a_zombie_that_repeats_a_lost_step_records_nothing(self) -> None:
        job, fence = self.owned_flow()
        self.break_commits(self.conflict())
        other = self.make()
        taken: list[jobs_record.Job] = []
        commit = self.backend.database.engine.dialect.do_commit

        def _commit(connection: Any) -> None:
            try:
                commit(connection)
            finally:
                if not taken:
                    connection.rollback()
                    taken.append(claim(other, job.id, 'owner'))

        if self.kind == 'sqlite':
            self.skipTest('the writers of a database queue')
        self.backend.database.engine.dialect.do_commit = _commit  # type: ignore[method-assign]
        self.assertRaises(exceptions.OwnershipLost, self.backend.journal().append, self.transaction(job, fence))
        self.assertEqual([None] * 4, self.states(job))


class _ServerFaultTest(_FaultTest):
    """Faults that the server makes."""

    kill: str

    def test_a_connection_that_the_server_ended_is_replaced(self) -> None:
        job, fence = self.owned_flow()
        self._kill_pool()
        self.backend.journal().append(self.step(job, fence))
        self.assertEqual('SUCCESS', self.states(job)[0])

    def test_a_step_without_a_connection_is_recorded_later(self) -> None:
        job, fence = self.owned_flow()
        engine = self.backend.database.engine
        engine.dispose()

        def connect(*_args: object, **_kwargs: object) -> None:
            raise self.refused()

        with mock.patch.object(engine.dialect, 'connect', connect):
            self.assertRaises(exceptions.StorageUnavailable, self.backend.journal().append, self.step(job, fence))
        self.backend.journal().append(self.step(job, fence))
        self.assertEqual('SUCCESS', self.states(job)[0])

    def refused(self) -> Exception:
        """Return the client's error for a server that is not there."""
        raise NotImplementedError

    def _kill_pool(self) -> None:
        other = self.make()
        named = self.backend.database.dialect.connections
        ended = other.database.run(
            lambda connection: other.database.dialect.end_connections(connection, named), writing=False)
        self.assertEqual(1, ended)

    def test_a_connection_that_breaks_in_a_transaction_is_replaced(self) -> None:
        calls: list[int] = []

        def work(connection: sa.Connection) -> str | None:
            calls.append(1)
            connection.execute(sa.insert(tables.board).values(name='x', value='y'))
            if len(calls) == 1:
                self._kill_pool()
            return connection.execute(sa.select(tables.board.c.value)).scalar()

        self.assertEqual('y', self.backend.database.run(work))
        self.assertEqual(2, len(calls))

    def test_a_deadlock_is_repeated(self) -> None:
        for name in 'ab':
            self.put(name, '')
        both = threading.Barrier(2)
        calls: list[str] = []

        def work(first: str, second: str) -> Callable[[sa.Connection], None]:
            def _work(connection: sa.Connection) -> None:
                calls.append(first)
                connection.execute(self.change(first, f'by {first}'))
                if calls.count(first) == 1:
                    both.wait(10)
                connection.execute(self.change(second, f'by {first}'))

            return _work

        threads = [
            threading.Thread(target=self.backend.database.run, args=(work(*names),)) for names in ('ab', 'ba')]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        # PostgreSQL looks for deadlocks after a second, when the limit of both has come.
        self.assertIn(len(calls), (3, 4))
        found = self.backend.database.run(
            lambda connection: connection.execute(sa.select(tables.board.c.value)).scalars().all(), writing=False)
        self.assertIn(found, (['by a'] * 2, ['by b'] * 2))

    def put(self, name: str, value: str) -> None:
        self.backend.database.run(
            lambda connection: connection.execute(sa.insert(tables.board).values(name=name, value=value)))

    def change(self, name: str, value: str) -> sa.Update:
        return sa.update(tables.board).where(tables.board.c.name == name).values(value=value)

    def test_a_lock_is_waited_for_no_longer_than_the_limit(self) -> None:
        self.put('a', '')
        other = self.make()
        clock = threading.Event()

        def work(connection: sa.Connection) -> None:
            connection.execute(self.change('a', 'held'))
            try:
                other.database.run(lambda second: second.execute(self.change('a', 'wanted')), wait=False)
            except exceptions.StorageUnavailable:
                clock.set()

        self.backend.database.run(work)
        self.assertTrue(clock.is_set())

    def test_a_connection_is_set_up_as_promised(self) -> None:
        found = self.make(session_timeout=6.0).database.run(
            lambda connection: [connection.exec_driver_sql(text).scalar() for text in self.SETTINGS], writing=False)
        self.assertEqual(list(self.SETTINGS.values()), [str(value) for value in found])

    SETTINGS: dict[str, str]

    def test_a_server_that_is_not_there(self) -> None:
        url = sa.make_url(self.url).set(port=1).render_as_string(hide_password=False)
        backend = self.make(connection=url)
        error = self.assertRaises(exceptions.StorageUnavailable, backend.get_connection().validate)
        self.assertNotIn('tfd:tfd', str(error))

    def test_a_pool_that_is_used_up(self) -> None:
        backend = self.make(max_pool_size=1, max_overflow=0, pool_timeout=0.1)

        def work(connection: sa.Connection) -> None:
            backend.database.run(lambda second: None)

        self.assertRaises(exceptions.StorageUnavailable, backend.database.run, work)

    def test_many_at_once_share_the_connections_that_are_kept(self) -> None:
        self.patch(database, '_MOMENT', 30.0)
        shared = self.make(max_pool_size=2).database
        made: list[int] = []
        sa.event.listen(shared.engine, 'connect', lambda *_: made.append(1))
        threads = [threading.Thread(target=shared.run, args=(self._ask,), daemon=True) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertLessEqual(len(made), 2)

    def test_who_finds_them_all_in_use_goes_on_with_another(self) -> None:
        self.patch(database, '_MOMENT', 0.01)
        shared = self.make(max_pool_size=1, max_overflow=1).database
        self.assertEqual(1, shared.run(lambda _first: shared.run(self._ask)))

    def _ask(self, connection: sa.Connection) -> object:
        return connection.exec_driver_sql('SELECT 1').scalar()


class SqliteFaultTest(_FaultTest):

    kind = 'sqlite'

    def lost(self) -> Exception:
        error = sqlite3.OperationalError('disk I/O error')
        return error

    # SQLite has no connection that could break, and no transaction loses: writers queue. What it cannot do now it says,
    # and the caller repeats it.
    def _repeated(self, call: Callable[[], object]) -> None:
        self.break_commits(self.lost(), applied=True)
        self.assertRaises(exceptions.StorageUnavailable, call)
        call()

    def test_a_lost_reply_to_a_step_is_found_out(self) -> None:
        job, fence = self.owned_flow()
        self._repeated(lambda: self.backend.journal().append(self.step(job, fence)))
        self.assertEqual(['SUCCESS', 'RUNNING', None, None], self.states(job))

    def test_a_lost_reply_to_the_last_step_is_found_out(self) -> None:
        job, fence = self.owned_flow()
        step = self.step(job, fence, settlement=Settlement(job.claim_id, states.COMPLETE, 'SUCCESS'))
        self._repeated(lambda: self.backend.journal().append(step))
        self.assertEqual(states.COMPLETE, self.backend.jobs().get(job.id).state)

    def test_a_lost_reply_to_a_claim_is_found_out(self) -> None:
        candidate = candidate_of(self.backend, post(self.backend).id)
        self._repeated(lambda: self.backend.jobs().claim(candidate, 'me', 'claim'))
        self.assertEqual(1, self.backend.jobs().get(candidate.id).claims)

    def test_a_lost_reply_to_a_post_is_found_out(self) -> None:
        new = jobs_record.NewJob('00000000-0000-0000-0000-000000000000', 'token', 'n', 'f')
        self._repeated(lambda: self.backend.jobs().post([new]))
        self.assertEqual(1, len(self.backend.jobs().list(jobs_record.JobQuery())))

    def conflict(self) -> Exception:
        return sqlite3.OperationalError('database is locked')

    def test_a_commit_that_conflicts_is_repeated_guard_included(self) -> None:
        job, fence = self.owned_flow()
        self.break_commits(self.conflict())
        self.assertRaises(exceptions.StorageUnavailable, self.backend.journal().append, self.step(job, fence))
        self.assertEqual([None] * 4, self.states(job))

    def test_a_commit_that_always_conflicts_ends_within_a_budget(self) -> None:
        job, fence = self.owned_flow()
        left = self.break_commits(self.conflict(), times=5)
        self.assertRaises(exceptions.StorageUnavailable, self.backend.journal().append, self.step(job, fence))
        self.assertEqual(4, left[0])

    def test_a_connection_that_breaks_twice_is_told(self) -> None:
        job, fence = self.owned_flow()
        self.break_commits(self.lost(), times=1)
        error = self.assertRaises(
            exceptions.StorageUnavailable, self.backend.journal().append, self.step(job, fence))
        self.assertIsInstance(error.__cause__, sa.exc.SQLAlchemyError)
        self.backend.journal().append(self.step(job, fence))

    def test_a_folder_that_is_not_there(self) -> None:
        backend = self.make(connection='sqlite:////nonexistent/folder/tfd.sqlite')
        self.assertRaises(exceptions.StorageUnavailable, backend.get_connection().validate)
        self.assertRaises(exceptions.StorageUnavailable, backend.get_connection().upgrade)

    def test_a_file_that_is_no_database(self) -> None:
        path = sa.make_url(self.url).database
        assert path is not None
        with open(path, 'wb') as file:
            file.write(b'this is no database' * 1000)
        self.assertRaises(exceptions.StorageFailure, self.make().get_connection().validate)

    def test_a_connection_is_set_up_as_promised(self) -> None:
        found = self.backend.database.run(
            lambda connection: [
                connection.exec_driver_sql(f'PRAGMA {name}').scalar() for name in ('journal_mode', 'synchronous')],
            writing=False)
        self.assertEqual(['wal', 2], found)


class MariaDBFaultTest(_ServerFaultTest):

    kind = 'mariadb'
    SETTINGS = {
        'SELECT @@tx_isolation': 'READ-COMMITTED', 'SELECT @@innodb_lock_wait_timeout': '1',
        'SELECT @@idle_transaction_timeout': '2', 'SELECT @@max_statement_time': '15.0',
        "SELECT @@sql_mode LIKE '%%STRICT_ALL_TABLES%%'": '1', 'SELECT @@character_set_connection': 'utf8mb4',
    }

    def lost(self) -> Exception:
        return pymysql.err.OperationalError(2013, 'Lost connection to server during query')

    def conflict(self) -> Exception:
        return pymysql.err.OperationalError(1213, 'Deadlock found when trying to get lock')

    def refused(self) -> Exception:
        return pymysql.err.OperationalError(2003, "Can't connect to MySQL server")


class PostgreSQLFaultTest(_ServerFaultTest):

    kind = 'postgresql'
    SETTINGS = {
        'SHOW transaction_isolation': 'read committed', 'SHOW lock_timeout': '1s',
        'SHOW idle_in_transaction_session_timeout': '2s', 'SHOW statement_timeout': '15s',
    }

    def lost(self) -> Exception:
        return psycopg.errors.AdminShutdown('terminating connection due to administrator command')

    def conflict(self) -> Exception:
        return psycopg.errors.SerializationFailure('could not serialize access')

    def refused(self) -> Exception:
        return psycopg.OperationalError('connection refused')


del _FaultTest, _ServerFaultTest
