# SPDX-License-Identifier: Apache-2.0
"""The SQL backend keeps the contract of a persistence backend, on each database."""

from __future__ import annotations

import testtools

from tests.functional.sql.databases import MigratedDatabase
from tfd.jobs.ports import JobStore
from tfd.persistence.base import Backend
from tfd.testing.logbooks import ConnectionContract
from tfd.testing.persistence import JournalContract
from tfd_drivers.sql.backend import SqlBackend


class _Sql:
    """Each test finds its database empty."""

    kind: str

    def make_backend(self) -> Backend:
        if not hasattr(self, '_url'):
            self._url = self.useFixture(MigratedDatabase(self.kind)).url
        return SqlBackend({'connection': self._url, 'max_pool_size': 2})

    def make_jobs(self, backend: SqlBackend) -> JobStore:
        return backend.jobs()


class SqliteJournalTest(_Sql, JournalContract, testtools.TestCase):
    kind = 'sqlite'


class SqliteConnectionTest(_Sql, ConnectionContract, testtools.TestCase):
    kind = 'sqlite'


class MariaDBJournalTest(_Sql, JournalContract, testtools.TestCase):
    kind = 'mariadb'


class MariaDBConnectionTest(_Sql, ConnectionContract, testtools.TestCase):
    kind = 'mariadb'


class PostgreSQLJournalTest(_Sql, JournalContract, testtools.TestCase):
    kind = 'postgresql'


class PostgreSQLConnectionTest(_Sql, ConnectionContract, testtools.TestCase):
    kind = 'postgresql'


class _SqliteInMemory:
    """One connection is the whole database, and goes with its backend."""

    shared = False

    def make_backend(self) -> Backend:
        backend = SqlBackend('sqlite://')
        backend.get_connection().upgrade()
        return backend

    def make_jobs(self, backend: SqlBackend) -> JobStore:
        return backend.jobs()


class SqliteInMemoryJournalTest(_SqliteInMemory, JournalContract, testtools.TestCase):
    pass


class SqliteInMemoryConnectionTest(_SqliteInMemory, ConnectionContract, testtools.TestCase):
    pass
