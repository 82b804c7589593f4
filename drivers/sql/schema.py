# SPDX-License-Identifier: Apache-2.0
"""Bringing a database's schema to where this release needs it, and telling whether it is there."""

from __future__ import annotations

import pathlib
import re
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import alembic.command
import alembic.config
import sqlalchemy as sa

from tfd import exceptions
from tfd_drivers.sql.database import Database
from tfd_drivers.sql.revisions import HISTORY, History, Level

__all__ = ['VERSION_TABLE', 'SqlSchema']

#: The table that holds the last revisions; not alembic's default, which another program in the same database may use.
VERSION_TABLE = 'tfd_schema'

#: Seconds that the second of two migrations waits for the first.
_PATIENCE = 600
_LOCK = 'tfd.schema'
_NEWER = 'this release is too old for it'

_versions = sa.table(VERSION_TABLE, sa.column('version_num'))


class SqlSchema:
    """A :class:`tfd.persistence.base.Schema`.

    Of several processes that change it at once, one does the work and the others wait for it, on every database.
    """

    def __init__(self, database: Database, history: History = HISTORY) -> None:
        self._database = database
        self._history = history

    @property
    def expected(self) -> str:
        """The revision that this release needs, at least."""
        return self._history.expand

    def found(self) -> str | None:
        """Return the revisions that the database is at, None where it has no schema."""
        return str(self.level()) or None

    def level(self) -> Level:
        """Return how far the database is.

        :raises StorageUnavailable: it cannot be reached.
        """
        try:
            return self._database.run(_read, writing=False)
        except exceptions.IncompatibleSchema:
            return Level()

    def check(self) -> str:
        """Return the revisions that the database is at, if this release can work with them."""
        level = self.level()
        if self._history.is_behind(level):
            raise self._incompatible(level)
        self._refuse_ahead(level)
        return str(level)

    def sync(self) -> Sequence[str]:
        """Expand, and contract as far as no process can run that needs what goes."""
        history = self._history
        return self._migrate(lambda level: (history.expansion(level), history.safe_contraction(level)))

    def expand(self) -> Sequence[str]:
        """Add what this release needs."""
        return self._migrate(lambda level: (self._history.expansion(level),))

    def contract(self) -> Sequence[str]:
        """Take away what this release does not need."""
        def goals(level: Level) -> Sequence[str | None]:
            if self._history.is_behind(level):
                raise self._incompatible(level)
            return (self._history.contraction(level),)

        return self._migrate(goals)

    def _migrate(self, goals: Callable[[Level], Sequence[str | None]]) -> Sequence[str]:
        """Apply the revisions up to each goal that the database's level asks for; return those that were applied."""
        with self._database.migrating() as connection:
            _wait_for_others(self._database, connection)
            level = _found(connection)
            self._refuse_ahead(level)
            config = self._config(connection)
            if connection.dialect.name == 'mysql' and getattr(connection.dialect, 'is_mariadb', False):
                sa.event.listen(connection, 'before_cursor_execute', _once, retval=True)
            for goal in goals(level):
                # A release that finds the schema of a later one has nothing to add, and leaves the rest to that one.
                if goal is not None and (level.expanded or '') <= self._history.expand:
                    alembic.command.upgrade(config, goal)
            applied: Sequence[str] = config.attributes['applied']
            return applied

    def _config(self, connection: sa.Connection) -> alembic.config.Config:
        config = alembic.config.Config()
        config.set_main_option('script_location', str(pathlib.Path(__file__).parent / 'migrations'))
        config.set_main_option('version_locations', str(self._history.versions))
        config.set_main_option('path_separator', 'newline')
        config.attributes.update(connection=connection, applied=[])
        return config

    def _refuse_ahead(self, level: Level) -> None:
        if self._history.is_ahead(level):
            raise exceptions.IncompatibleSchema(
                self._database.place, str(level), self._history.contract or self._history.expand, _NEWER)

    def _incompatible(self, level: Level) -> exceptions.IncompatibleSchema:
        return exceptions.IncompatibleSchema(self._database.place, str(level) or None, self._history.expand)


def _read(connection: sa.Connection) -> Level:
    return Level.of(connection.scalars(sa.select(_versions.c.version_num)))


def _found(connection: sa.Connection) -> Level:
    # Asked for first: on PostgreSQL a query that fails would end the transaction.
    return _read(connection) if sa.inspect(connection).has_table(VERSION_TABLE) else Level()


def _wait_for_others(database: Database, connection: sa.Connection) -> None:
    """Wait until no other process migrates; SQLite's writers queue anyway."""
    if connection.dialect.name == 'mysql':
        # The name is one for the whole server, and ends with this connection.
        name = f'{_LOCK}.{zlib.crc32(str(connection.engine.url.database).encode()):08x}'
        if connection.execute(sa.text('SELECT GET_LOCK(:name, :patience)'), {'name': name,
            'patience': _PATIENCE}).scalar() != 1:
            raise exceptions.StorageUnavailable(f'another migration of {database.place} goes on for {_PATIENCE} s')
        # Whatever was read before the wait is not what is there now.
        connection.exec_driver_sql('COMMIT')
    elif connection.dialect.name == 'postgresql':
        connection.execute(sa.text(f"SET LOCAL lock_timeout = '{_PATIENCE}s'"))
        connection.execute(sa.text('SELECT pg_advisory_xact_lock(:key)'), {'key': zlib.crc32(_LOCK.encode())})


_CHANGES = (
    (re.compile(r'^(\s*CREATE TABLE )', re.I), r'\1IF NOT EXISTS '),
    (re.compile(r'^(\s*CREATE (?:UNIQUE )?INDEX )', re.I), r'\1IF NOT EXISTS '),
    (re.compile(r'^(\s*ALTER TABLE \S+ ADD COLUMN )', re.I), r'\1IF NOT EXISTS '),
    (re.compile(r'^(\s*ALTER TABLE \S+ DROP COLUMN )', re.I), r'\1IF EXISTS '),
    (re.compile(r'^(\s*DROP (?:TABLE|INDEX) )', re.I), r'\1IF EXISTS '),
)


def _once(
    _connection: sa.Connection, _cursor: Any, text: str, parameters: Any, _context: Any, _many: bool
) -> tuple[str, Any]:
    """Let a change that is there already do nothing.

    MariaDB commits each change of the schema by itself: a migration that was killed has left a part of its own.
    """
    for pattern, put in _CHANGES:
        text = pattern.sub(put, text)
    return text, parameters
