# SPDX-License-Identifier: Apache-2.0
"""A logbook that is changed while the job of its flow is being claimed."""

from __future__ import annotations

import threading
from typing import Any

import fixtures
import sqlalchemy as sa

from tests.functional.sql.cases import SqlTestCase, claim, post
from tfd import exceptions, states
from tfd.jobs import record as jobs_record
from tfd.persistence.record import FlowRecord
from tfd_drivers.sql import rows


class _LogbookTest(SqlTestCase):

    def recorded(self) -> jobs_record.Job:
        """Return an unclaimed job whose flow is recorded."""
        job = post(self.backend)
        self.backend.journal().create(FlowRecord(job.flow_uuid, job.book_uuid, 'a-flow'), [])
        return job

    def test_a_claim_waits_for_the_change(self) -> None:
        job, other = self.recorded(), self.make()
        claimed: list[jobs_record.Job] = []
        thread = threading.Thread(target=lambda: claimed.append(claim(other, job.id)))

        def change(connection: sa.Connection) -> None:
            rows.SqlRows(self.backend.database, connection).claim(job.flow_uuid)
            thread.start()
            thread.join(0.2)
            self.assertEqual([], claimed)

        self.backend.database.run(change)
        thread.join(10)
        self.assertEqual([(states.CLAIMED, 1, 1)], [(job.state, job.epoch, job.attempts) for job in claimed])


class SqliteLogbookTest(_LogbookTest):
    kind = 'sqlite'


class _ServerLogbookTest(_LogbookTest):

    def test_a_claim_that_is_faster_wins(self) -> None:
        job, other, guard = self.recorded(), self.make(), rows.fence.guard

        def late(*args: Any, **kwargs: Any) -> None:
            claim(other, job.id)
            guard(*args, **kwargs)

        connection = self.backend.get_connection()
        flow = connection.get_flow_details(job.flow_uuid)
        flow.state = 'SUCCESS'
        with fixtures.MonkeyPatch('tfd_drivers.sql.rows.fence.guard', late):
            error = self.assertRaises(exceptions.FlowOwned, connection.update_flow_details, flow)
        self.assertEqual((job.id, 'c/1/a'), (error.job, error.owner))
        self.assertIsNone(connection.get_flow_details(job.flow_uuid).state)


class MariaDBLogbookTest(_ServerLogbookTest):
    kind = 'mariadb'


class PostgreSQLLogbookTest(_ServerLogbookTest):
    kind = 'postgresql'


del _LogbookTest, _ServerLogbookTest
