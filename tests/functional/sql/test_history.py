# SPDX-License-Identifier: Apache-2.0
"""Each step of a job is in its history, once."""

from __future__ import annotations

import sqlite3
from typing import Any
from unittest import mock

import psycopg
import pymysql

from tests.functional.sql.cases import SqlTestCase, claim
from tfd import exceptions, states
from tfd.persistence import codec, history
from tfd.persistence.record import Change, Settlement
from tfd.types.failure import Failure
from tfd_drivers.sql import history as rows


class _HistoryTest(SqlTestCase):

    def told(self, flow: str) -> list[tuple[str, str, int]]:
        steps = self.backend.journal().history(flow)
        return [(event.subject, event.state, event.epoch) for event in history.events(steps, {0: 'a', 1: 'b', 2: 'c'})]

    def test_steps_of_every_kind(self) -> None:
        job, fence = self.owned_flow()
        journal = self.backend.journal()
        journal.append(self.step(job, fence))
        journal.append(self.step(job, fence, 1, columns=('state',), values=('SUCCESS',)))
        settlement = Settlement(job.claim_id, states.COMPLETE, 'SUCCESS')
        journal.append(self.step(job, fence, 2, settlement=settlement))
        self.assertEqual([
            ('a', 'SUCCESS', 1), ('b', 'RUNNING', 1), ('b', 'SUCCESS', 1), ('c', 'RUNNING', 1),
            ('flow', 'SUCCESS', 1), ('c', 'SUCCESS', 1), ('3', 'RUNNING', 1), ('job', 'COMPLETE', 1),
        ], self.told(job.flow_uuid))
        self.assertEqual({'c/1/a'}, {step.owner for step in journal.history(job.flow_uuid)})

    def test_a_failure_is_told(self) -> None:
        job, fence = self.owned_flow()
        stored = codec.JsonCodec().encode(Failure.from_exception(ValueError("it's 50 % off")), 'failure')
        step = self.step(job, fence)
        self.backend.journal().append(
            type(step)(step.flow, fence, changes=[Change(0, ('state', 'failure'), ('FAILURE', stored))]))
        (event,) = history.events(self.backend.journal().history(job.flow_uuid), {})
        self.assertEqual(('FAILURE', "ValueError: it's 50 % off"), (event.state, event.text.rpartition('.')[2]))

    def test_one_that_lost_its_job_adds_nothing(self) -> None:
        job, fence = self.owned_flow()
        claim(self.make(), job.id, 'successor')
        self.assertRaises(exceptions.OwnershipLost, self.backend.journal().append, self.step(job, fence))
        settlement = Settlement(job.claim_id, states.COMPLETE, 'SUCCESS')
        self.assertRaises(
            exceptions.OwnershipLost, self.backend.journal().append, self.step(job, fence, settlement=settlement))
        self.assertEqual([], self.told(job.flow_uuid))

    def test_a_step_whose_answer_was_lost_is_there_once(self) -> None:
        for settlement in (False, True):
            job, fence = self.owned_flow()
            more: dict[str, Any] = {
                'settlement': Settlement(job.claim_id, states.COMPLETE, 'SUCCESS')} if settlement else {}
            dialect = self.backend.database.engine.dialect
            commit = dialect.do_commit

            def do_commit(connection: Any, commit: Any = commit, dialect: Any = dialect) -> None:
                dialect.do_commit = commit
                commit(connection)
                raise self.lost()

            dialect.do_commit = do_commit  # type: ignore[method-assign]
            try:
                self.backend.journal().append(self.step(job, fence, **more))
            except exceptions.StorageUnavailable:
                self.backend.journal().append(self.step(job, fence, **more))
            self.assertEqual(1, len(self.backend.journal().history(job.flow_uuid)))

    def lost(self) -> Exception:
        """Return the client's error for a connection that broke."""
        raise NotImplementedError

    def test_pages(self) -> None:
        job, fence = self.owned_flow(12)
        for number in range(10):
            self.backend.journal().append(self.step(job, fence, number))
        journal = self.backend.journal()
        first = journal.history(job.flow_uuid, limit=4)
        rest = journal.history(job.flow_uuid, first[-1].seq, limit=100)
        self.assertEqual((4, 6), (len(first), len(rest)))
        self.assertEqual(sorted(step.seq for step in [*first, *rest]), [step.seq for step in [*first, *rest]])

    def test_the_last_steps_are_kept(self) -> None:
        job, fence = self.owned_flow(31)
        with mock.patch.multiple(rows, _KEPT=10, _TRIM=5):
            for number in range(30):
                self.backend.journal().append(self.step(job, fence, number))
        steps = self.backend.journal().history(job.flow_uuid)
        self.assertTrue(10 <= len(steps) < 15, len(steps))
        self.assertEqual([29, 'SUCCESS'], history.json.loads(steps[-1].what)[0])

    def test_it_goes_with_the_job(self) -> None:
        job, fence = self.owned_flow()
        settlement = Settlement(job.claim_id, states.COMPLETE, 'SUCCESS')
        self.backend.journal().append(self.step(job, fence, settlement=settlement))
        self.assertEqual(1, len(self.backend.journal().history(job.flow_uuid)))
        self.backend.retention().remove(job.id)
        self.assertEqual([], self.told(job.flow_uuid))


class SqliteHistoryTest(_HistoryTest):

    kind = 'sqlite'

    def lost(self) -> Exception:
        return sqlite3.OperationalError('disk I/O error')


class MariaDBHistoryTest(_HistoryTest):

    kind = 'mariadb'

    def lost(self) -> Exception:
        return pymysql.err.OperationalError(2013, 'Lost connection to server during query')


class PostgreSQLHistoryTest(_HistoryTest):

    kind = 'postgresql'

    def lost(self) -> Exception:
        return psycopg.errors.AdminShutdown('terminating connection due to administrator command')


del _HistoryTest
