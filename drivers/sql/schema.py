# SPDX-License-Identifier: Apache-2.0
"""Bringing a database's schema to this release's revision, and telling whether it is there."""

from __future__ import annotations

import pathlib
import zlib

import alembic.command
import alembic.config
import sqlalchemy as sa

from tfd import exceptions
from tfd_drivers.sql.database import REVISION, Database

__all__ = ['VERSION_TABLE', 'revision', 'upgrade', 'validate']

#: The table that holds the revision; not alembic's default, which another program in the same database may use.
VERSION_TABLE = 'tfd_schema'

#: Seconds that the second of two migrations waits for the first.
_PATIENCE = 600
_LOCK = 'tfd.schema'


def upgrade(database: Database) -> None:
    """Bring the schema to :data:`REVISION`.

    Of several processes that do so at once, one does the work and the others wait for it.

    :raises StorageUnavailable: the database cannot be reached, or another migration goes on for ten minutes.
    :raises IncompatibleSchema: the schema is newer than this release.
    :raises StorageFailure: a change was refused.
    """
    with database.migrating() as connection:
        _wait_for_others(database, connection)
        found = _found(connection)
        if found == REVISION:
            return
        config = alembic.config.Config()
        config.set_main_option('script_location', str(pathlib.Path(__file__).parent / 'migrations'))
        config.attributes['connection'] = connection
        try:
            alembic.command.upgrade(config, REVISION)
        except alembic.util.CommandError as err:
            raise exceptions.IncompatibleSchema(database.place, found, REVISION) from err


def revision(database: Database) -> str | None:
    """Return the revision that the database is at, None where it has no tfd schema.

    :raises StorageUnavailable: the database cannot be reached.
    """
    return database.run(_found, writing=False)


def validate(database: Database) -> str:
    """Return the revision of the database's schema, if it is this release's.

    :raises IncompatibleSchema: it has none, or another.
    :raises StorageUnavailable: it cannot be reached.
    """
    found = revision(database)
    if found != REVISION:
        raise exceptions.IncompatibleSchema(database.place, found, REVISION)
    return found


def _found(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    table = sa.table(VERSION_TABLE, sa.column('version_num'))
    found: str | None = connection.execute(sa.select(table.c.version_num)).scalar()
    return found


def _wait_for_others(database: Database, connection: sa.Connection) -> None:
    """Wait until no other process migrates; SQLite's writers queue anyway."""
    if connection.dialect.name == 'mysql':
        # The name is one for the whole server, and ends with this connection.
        name = f'{_LOCK}.{zlib.crc32(str(connection.engine.url.database).encode()):08x}'
        if connection.execute(sa.text('SELECT GET_LOCK(:name, :patience)'), {'name': name,
            'patience': _PATIENCE}).scalar() != 1:
            raise exceptions.StorageUnavailable(f'another migration of {database.place} goes on for {_PATIENCE} s')
    elif connection.dialect.name == 'postgresql':
        connection.execute(sa.text(f"SET LOCAL lock_timeout = '{_PATIENCE}s'"))
        connection.execute(sa.text('SELECT pg_advisory_xact_lock(:key)'), {'key': zlib.crc32(_LOCK.encode())})
