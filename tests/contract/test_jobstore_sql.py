# SPDX-License-Identifier: Apache-2.0
"""The SQL job store keeps the contract of a job store, on each database."""

from __future__ import annotations

import testtools

from tests.functional.sql.databases import MigratedDatabase
from tfd.jobs.ports import JobStore
from tfd.testing.clock import FakeClock
from tfd.testing.jobstore import JobStoreContract
from tfd_drivers.sql.database import Database
from tfd_drivers.sql.jobs import SqlJobStore
from tfd_drivers.sql.settings import Settings


class _SqlJobStoreTest(JobStoreContract):
    """Each test finds its database empty."""

    kind: str

    def make_store(self, clock: FakeClock) -> JobStore:
        if not hasattr(self, '_url'):
            self._url = self.useFixture(MigratedDatabase(self.kind)).url
        database = Database(Settings.from_conf(self._url))
        self.addCleanup(database.close)
        return SqlJobStore(database, clock.wall)


class SqliteJobStoreTest(_SqlJobStoreTest, testtools.TestCase):
    kind = 'sqlite'


class MariaDBJobStoreTest(_SqlJobStoreTest, testtools.TestCase):
    kind = 'mariadb'


class PostgreSQLJobStoreTest(_SqlJobStoreTest, testtools.TestCase):
    kind = 'postgresql'
