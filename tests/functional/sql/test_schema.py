# SPDX-License-Identifier: Apache-2.0
"""The migrations make the tables of this release, once, on every database."""

from __future__ import annotations

import concurrent.futures
import multiprocessing

import alembic.autogenerate
import alembic.config
import alembic.migration
import alembic.script
import sqlalchemy as sa
import testtools

from tests.functional import servers
from tests.functional.sql.databases import migrate
from tfd import exceptions
from tfd_drivers.sql import schema, tables
from tfd_drivers.sql.backend import SqlBackend
from tfd_drivers.sql.database import REVISION


class _SchemaTest:

    kind: str

    def setUp(self) -> None:
        super().setUp()
        self.url = self.useFixture(servers.Database(self.kind)).url
        self.backend = SqlBackend(self.url)
        self.addCleanup(self.backend.close)
        self.connection = self.backend.get_connection()

    def execute(self, text: str) -> None:
        self.backend.database.run(lambda connection: connection.execute(sa.text(text)))

    def test_migrations_make_the_tables_that_the_records_describe(self) -> None:
        self.connection.upgrade()

        def compare(connection: sa.Connection) -> list[object]:
            options = {'compare_type': True, 'version_table': schema.VERSION_TABLE}
            context = alembic.migration.MigrationContext.configure(connection, opts=options)
            return alembic.autogenerate.compare_metadata(context, tables.metadata)

        self.assertEqual([], self.backend.database.run(compare, writing=False))

    def test_a_database_without_a_schema(self) -> None:
        error = self.assertRaises(exceptions.IncompatibleSchema, self.connection.validate)
        self.assertEqual((None, REVISION), (error.found, error.expected))
        self.assertNotIn('tfd:tfd', str(error))
        self.assertRaises(exceptions.IncompatibleSchema, self.backend.jobs().get, 'x')
        self.assertRaises(exceptions.IncompatibleSchema, self.backend.journal().load, 'x')

    def test_a_database_that_is_newer(self) -> None:
        self.connection.upgrade()
        self.connection.validate()
        self.execute(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'")
        error = self.assertRaises(exceptions.IncompatibleSchema, self.connection.validate)
        self.assertEqual('9999', error.found)
        self.assertRaises(exceptions.IncompatibleSchema, self.connection.upgrade)
        self.assertEqual('9999', schema.revision(self.backend.database))

    def test_processes_migrate_at_once(self) -> None:
        spawn = multiprocessing.get_context('spawn')
        with concurrent.futures.ProcessPoolExecutor(4, mp_context=spawn) as pool:
            for done in [pool.submit(migrate, self.url) for _ in range(4)]:
                done.result(timeout=120)
        self.connection.validate()


class SqliteSchemaTest(_SchemaTest, testtools.TestCase):

    kind = 'sqlite'

    def test_revision_is_the_last_migration(self) -> None:
        config = alembic.config.Config()
        config.set_main_option('script_location', 'tfd_drivers.sql:migrations')
        self.assertEqual([REVISION], alembic.script.ScriptDirectory.from_config(config).get_heads())


class MariaDBSchemaTest(_SchemaTest, testtools.TestCase):

    kind = 'mariadb'


class PostgreSQLSchemaTest(_SchemaTest, testtools.TestCase):

    kind = 'postgresql'
