# SPDX-License-Identifier: Apache-2.0
"""The schema of this release is made once, on every database, whoever asks for it and whatever breaks it off."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys
from collections.abc import Sequence

import alembic.autogenerate
import alembic.migration
import fixtures
import sqlalchemy as sa
import testtools

from tests.functional import servers
from tests.functional.sql import scripts
from tfd import exceptions
from tfd.cmd import exits
from tfd_drivers.sql import schema, tables
from tfd_drivers.sql.backend import SqlBackend
from tfd_drivers.sql.database import REVISION
from tfd_drivers.sql.revisions import HISTORY, History
from tfd_drivers.sql.schema import SqlSchema

_SYNC = 'import sys; from tfd.cmd import manage; sys.exit(manage.main(sys.argv[1:]))'
_HOSTS = 5


class _SchemaTest(testtools.TestCase):

    kind: str

    def setUp(self) -> None:
        super().setUp()
        self.url = self.useFixture(servers.Database(self.kind)).url
        self.backend = SqlBackend(self.url)
        self.addCleanup(self.backend.close)
        self.schema = self.backend.schema()

    def execute(self, text: str) -> None:
        self.backend.database.run(lambda connection: connection.execute(sa.text(text)))

    # -- the tables --------------------------------------------------------------------------------

    def test_migrations_make_the_tables_that_the_records_describe(self) -> None:
        self.schema.sync()

        def compare(connection: sa.Connection) -> list[object]:
            options = {'compare_type': True, 'version_table': schema.VERSION_TABLE}
            context = alembic.migration.MigrationContext.configure(connection, opts=options)
            return alembic.autogenerate.compare_metadata(context, tables.metadata)

        self.assertEqual([], self.backend.database.run(compare, writing=False))

    def test_a_database_without_a_schema(self) -> None:
        error = self.assertRaises(exceptions.IncompatibleSchema, self.schema.check)
        self.assertEqual((None, REVISION), (error.found, error.expected))
        self.assertNotIn('tfd:tfd', str(error))
        self.assertIsNone(self.schema.found())
        self.assertRaises(exceptions.IncompatibleSchema, self.backend.jobs().get, 'x')
        self.assertRaises(exceptions.IncompatibleSchema, self.backend.journal().load, 'x')

    # -- what a later release did ------------------------------------------------------------------

    def test_a_database_that_a_later_release_expanded_can_be_used(self) -> None:
        self.schema.sync()
        self.execute(f"UPDATE {schema.VERSION_TABLE} SET version_num = '9999'")
        self.assertEqual('9999', self.schema.check())
        self.assertEqual([], self.schema.sync())
        self.assertEqual([], self.schema.contract())
        self.assertEqual('9999', self.schema.found())

    def test_one_that_a_later_release_contracted_cannot(self) -> None:
        self.schema.sync()
        self.execute(f"INSERT INTO {schema.VERSION_TABLE} VALUES ('c9999')")
        for call in (self.schema.check, self.schema.sync, self.schema.expand, self.schema.contract):
            error = self.assertRaises(exceptions.IncompatibleSchema, call)
            self.assertEqual(f'{REVISION} c9999', error.found)
            self.assertIn('this release is too old', str(error))

    # -- five hosts --------------------------------------------------------------------------------

    def test_of_five_hosts_at_once_one_does_the_work(self) -> None:
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        file = folder / 'tfd.conf'
        file.write_text(f'[database]\nconnection = {self.url}\n')
        command = [sys.executable, '-c', _SYNC, '--config-file', str(file), 'db', 'sync']
        hosts = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(_HOSTS)]
        ended = [host.communicate(timeout=120) for host in hosts]
        self.assertEqual([exits.Exit.DONE] * _HOSTS, [host.returncode for host in hosts], ended)
        applied = [out.decode().splitlines()[:-1] for out, _ in ended]
        first = sorted(path.name.partition('_')[0] for path in HISTORY.versions.glob('*.py'))
        self.assertEqual([[]] * (_HOSTS - 1) + [[f'applied {name}' for name in first]], sorted(applied))
        self.schema.check()

    # -- two lines ---------------------------------------------------------------------------------

    def later(self, settled: str | None = None) -> SqlSchema:
        """Return the schema of a made-up later release: one column more, and one column less."""
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        for path in HISTORY.versions.glob('*.py'):
            shutil.copy(path, folder)
        scripts.write(
            folder, '9001', REVISION,
            'ALTER TABLE board ADD COLUMN note VARCHAR(64)', 'CREATE TABLE notes (id INTEGER PRIMARY KEY)')
        scripts.write(folder, 'c9001', None, 'ALTER TABLE members DROP COLUMN info')
        return SqlSchema(self.backend.database, History(folder, '9001', 'c9001', settled))

    def columns(self, table: str) -> Sequence[str]:
        return [column['name'] for column in sa.inspect(self.backend.database.engine).get_columns(table)]

    def test_expanding_and_contracting_are_two_steps(self) -> None:
        self.schema.sync()
        later = self.later()
        self.assertRaises(exceptions.IncompatibleSchema, later.contract)
        self.assertEqual(['9001'], later.expand())
        self.assertIn('note', self.columns('board'))
        self.assertIn('info', self.columns('members'))
        self.schema.check()
        self.assertEqual(['c9001'], later.contract())
        self.assertNotIn('info', self.columns('members'))
        self.assertEqual('9001 c9001', later.check())
        self.assertRaises(exceptions.IncompatibleSchema, self.schema.check)

    def test_sync_leaves_what_the_release_before_needs(self) -> None:
        self.schema.sync()
        later = self.later()
        self.assertEqual(['9001'], later.sync())
        self.assertEqual([], later.sync())
        self.schema.check()

    def test_sync_takes_away_what_the_release_before_did_without(self) -> None:
        self.schema.sync()
        self.assertEqual(['9001', 'c9001'], self.later(settled='c9001').sync())

    def test_sync_of_a_new_database_leaves_nothing_for_later(self) -> None:
        applied = list(self.later().sync())
        self.assertEqual(['9001', 'c9001'], applied[-2:])

    #: Every so many statements one is where the process ends; where a migration is one transaction, few tell all.
    every = 10

    def test_a_sync_that_was_broken_off_anywhere_goes_on(self) -> None:
        total = self._broken_off_at(10 ** 6)
        for at in range(2, total, self.every):
            self._start_again()
            self._broken_off_at(at)
            later = self.later()
            later.sync()
            later.contract()
            self.assertEqual('9001 c9001', later.check(), at)
            self.assertIn('note', self.columns('board'), at)

    def _broken_off_at(self, at: int) -> int:
        """Let the statement of this number fail, as a kill does before it is sent; return how many there were."""
        sent = 0

        def count(_connection: object, _cursor: object, text: str, *_: object) -> None:
            nonlocal sent
            if text.lstrip().split(' ')[0].upper() in ('CREATE', 'ALTER', 'DROP', 'INSERT', 'UPDATE'):
                sent += 1
                if sent == at:
                    raise _Killed

        sa.event.listen(sa.Engine, 'before_cursor_execute', count)
        try:
            self.later().sync()
        except _Killed:
            pass
        finally:
            sa.event.remove(sa.Engine, 'before_cursor_execute', count)
        return sent

    def _start_again(self) -> None:
        metadata = sa.MetaData()
        metadata.reflect(self.backend.database.engine)
        metadata.drop_all(self.backend.database.engine)


class _Killed(BaseException):
    """The process is gone."""


class SqliteSchemaTest(_SchemaTest):
    kind = 'sqlite'


class MariaDBSchemaTest(_SchemaTest):
    kind = 'mariadb'
    every = 3


class PostgreSQLSchemaTest(_SchemaTest):
    kind = 'postgresql'

    def test_pages_of_atoms_have_room_for_updates(self) -> None:
        self.schema.sync()
        query = sa.text("SELECT reloptions FROM pg_class WHERE relname = 'atoms'")
        found = self.backend.database.run(lambda connection: connection.scalar(query), writing=False)
        self.assertEqual(['fillfactor=50'], found)


del _SchemaTest
