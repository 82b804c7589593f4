# SPDX-License-Identifier: Apache-2.0
"""The SQL backend: one object per process for logbooks, journal and jobs, which share one pool of connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from tfd.persistence import logbooks
from tfd_drivers.sql import rows
from tfd_drivers.sql.database import Database
from tfd_drivers.sql.jobs import SqlJobStore
from tfd_drivers.sql.journal import SqlJournal
from tfd_drivers.sql.retention import SqlRetention
from tfd_drivers.sql.roster import SqlRoster
from tfd_drivers.sql.schema import SqlSchema
from tfd_drivers.sql.secrets import SqlSecrets
from tfd_drivers.sql.settings import Settings

__all__ = ['SqlBackend']

_R = TypeVar('_R')


class SqlBackend:
    """Keeps jobs and logbooks in SQL. Safe to use from any thread; every process makes its own, after a fork.

    Nothing is connected to before it is needed.

    :param conf: a URL, or a mapping with it under ``connection`` and other fields of
        :class:`~tfd_drivers.sql.settings.Settings` beside it.
    :raises BadConfiguration: a setting cannot be used.
    """

    def __init__(self, conf: Mapping[str, Any] | str) -> None:
        self._database = Database(Settings.from_conf(conf))
        self._journal = SqlJournal(self._database)
        self._jobs = SqlJobStore(self._database)

    @property
    def database(self) -> Database:
        """The database, shared by all that this driver does there."""
        return self._database

    def get_connection(self) -> logbooks.LogbookConnection:
        """Return a new connection to logbooks; the caller closes it."""
        return logbooks.LogbookConnection(_SqlStorage(self))

    def journal(self) -> SqlJournal:
        """Return the journal; it is closed with the backend."""
        return self._journal

    def jobs(self) -> SqlJobStore:
        """Return the job store; it is closed with the backend."""
        return self._jobs

    def retention(self) -> SqlRetention:
        """Return what removes finished jobs."""
        return SqlRetention(self._database)

    def roster(self) -> SqlRoster:
        """Return what keeps who has conducted."""
        return SqlRoster(self._database)

    def secrets(self) -> SqlSecrets:
        """Return what encrypts stored secrets anew."""
        return SqlSecrets(self._database)

    def schema(self) -> SqlSchema:
        """Return what looks after the schema."""
        return SqlSchema(self._database)

    def close(self) -> None:
        """Let go of every connection. Calling it again does nothing."""
        self._database.close()


class _SqlStorage:
    """SQL's side of :class:`tfd.persistence.logbooks.LogbookConnection`."""

    def __init__(self, backend: SqlBackend) -> None:
        self.backend = backend
        self.codec = backend.journal().codec

    def run(self, work: Callable[[logbooks.Rows], _R], writing: bool) -> _R:
        database = self.backend.database
        return database.run(lambda connection: work(rows.SqlRows(database, connection)), writing=writing)

    def upgrade(self) -> None:
        self.backend.schema().sync()

    def validate(self) -> str:
        return self.backend.schema().check()
