# SPDX-License-Identifier: Apache-2.0
"""Databases with the schema in place, made once for each process of a test run and emptied for each test."""

from __future__ import annotations

import pathlib
import shutil
import tempfile

import fixtures
import sqlalchemy as sa

from tests.functional import servers
from tfd_drivers.sql import tables
from tfd_drivers.sql.database import Database
from tfd_drivers.sql.schema import SqlSchema
from tfd_drivers.sql.settings import Settings

__all__ = ['KINDS', 'MigratedDatabase', 'migrate']

KINDS = ('sqlite', 'mariadb', 'postgresql')

_made: dict[str, str] = {}


def migrate(url: str) -> None:
    """Bring a database's schema to this release's revision."""
    database = Database(Settings.from_conf(url))
    try:
        SqlSchema(database).sync()
    finally:
        database.close()


class MigratedDatabase(fixtures.Fixture):
    """An empty database with the schema; ``url`` is its URL. Of no use to a test that changes the schema.

    :param kind: ``sqlite``, ``mariadb`` or ``postgresql``.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.url = ''

    def _setUp(self) -> None:
        if self.kind == 'sqlite':
            folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
            shutil.copy(_sqlite_template(), folder / 'tfd.sqlite')
            self.url = f'sqlite:///{folder / "tfd.sqlite"}'
            return
        if self.kind not in _made:
            # It is left to the server, which goes with the run.
            database = servers.Database(self.kind)
            database.setUp()
            _made[self.kind] = database.url
            migrate(database.url)
        self.url = _made[self.kind]
        self.addCleanup(_empty, self.url)


def _sqlite_template() -> str:
    if 'sqlite' not in _made:
        folder = tempfile.mkdtemp(prefix='tfd-test-')
        _made['sqlite'] = f'{folder}/tfd.sqlite'
        migrate(f'sqlite:///{_made["sqlite"]}')
    return _made['sqlite']


def _empty(url: str) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for table in tables.metadata.sorted_tables:
            connection.execute(sa.delete(table))
