# SPDX-License-Identifier: Apache-2.0
"""What differs between the databases: how a connection is set up, how it is named, and how a dead owner's are ended.

Every connection runs at READ COMMITTED, gives up waiting for a lock after :attr:`Settings.lock_timeout`, and is ended
by the server when it is idle inside a transaction: an owner that is stopped there must not keep its successor out.

A successor that is blocked all the same ends the owner's connections. For that they carry a name that the owner's row
has too (``connections``): the ``application_name`` on PostgreSQL; on MariaDB, which has no such thing without the
performance schema, a user lock per connection (``GET_LOCK``), whose holder it can tell. Both vanish with the
connection. A table of connection ids would need a transaction per new connection and would outlive a restart of the
server, after which the same ids belong to somebody else.
"""

from __future__ import annotations

import math
import sqlite3
import uuid
from typing import Any

import sqlalchemy as sa

from tfd_drivers.sql.settings import Settings

__all__ = ['Dialect', 'dialect_of']

#: For one transaction only.
_ONE_MOMENT = 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ'
#: A node of a Galera cluster waits until it has done what other nodes had committed when it was asked.
_AFTER_OTHER_NODES = 'SET STATEMENT wsrep_sync_wait = 1 FOR SELECT 1'
#: SERVER_STATUS_IN_TRANS, which a MySQL server says with every answer.
_IN_TRANSACTION = 1


class Dialect:
    """What is the same for all, and SQLite's share of it is all there is."""

    #: Characters that its client doubles on their way to the server.
    ESCAPED: tuple[str, ...] = ()

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        #: Names the connections of this process; '' where they cannot be ended from outside.
        self.connections = ''
        #: Statements that begin a transaction whose reads are of one moment, after all that is known elsewhere.
        self.reading: tuple[str, ...] = ()

    def connect_args(self) -> dict[str, Any]:
        """Return arguments for the client library's ``connect``."""
        raise NotImplementedError

    def migration_args(self) -> dict[str, Any]:
        """Return the same for a connection that changes the schema, which may take its time."""
        raise NotImplementedError

    def set_up(self, connection: Any) -> None:
        """Prepare a new connection of the client library; it is not in a transaction afterwards."""

    def is_open(self, connection: Any) -> bool:
        """Tell whether a connection of the client library, which was written with, has to be told to commit."""
        return True

    def request_limit(self, connection: Any) -> int:
        """Return how many bytes a request, or a row, can have, by a connection of the client library."""
        raise NotImplementedError

    def end_connections(self, connection: sa.Connection, named: str) -> int:
        """End the connections of the process that named its own so; return how many."""
        return 0


class _Sqlite(Dialect):

    def connect_args(self) -> dict[str, Any]:
        # Writers queue on a file lock before they begin; this is for those that do not (sqlite3, a backup).
        return {'timeout': self._settings.lock_timeout, 'check_same_thread': False}

    migration_args = connect_args

    def set_up(self, connection: Any) -> None:
        # The driver would begin transactions by itself, and late; Database does it.
        connection.isolation_level = None
        for pragma in ('journal_mode = WAL', 'synchronous = FULL'):
            connection.execute(f'PRAGMA {pragma}').close()

    def request_limit(self, connection: Any) -> int:
        limit: int = connection.getlimit(sqlite3.SQLITE_LIMIT_LENGTH)
        return limit


class _MySQL(Dialect):

    # PyMySQL puts values into the statement's text.
    ESCAPED = ('"', "'", '\\')

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._slots = settings.max_pool_size + settings.max_overflow
        self._name = f'tfd.{uuid.uuid4().hex}'
        self.connections = f'{self._name}:{self._slots}'
        self.reading = (_ONE_MOMENT,)

    def connect_args(self) -> dict[str, Any]:
        seconds = math.ceil(self._settings.statement_timeout)
        return {**self.migration_args(), 'read_timeout': seconds, 'write_timeout': seconds}

    def migration_args(self) -> dict[str, Any]:
        return {'connect_timeout': math.ceil(self._settings.connect_timeout), 'charset': 'utf8mb4'}

    def set_up(self, connection: Any) -> None:
        with connection.cursor() as cursor:
            for statement in self._statements('mariadb' in connection.get_server_info().lower()):
                cursor.execute(statement)
            cursor.execute("SHOW SESSION VARIABLES LIKE 'wsrep_on'")
            if (cursor.fetchone() or ('', ''))[1] == 'ON':
                self.reading = (_AFTER_OTHER_NODES, _ONE_MOMENT)
            for slot in range(self._slots):
                cursor.execute('SELECT GET_LOCK(%s, 0)', (f'{self._name}.{slot}',))
                if cursor.fetchone()[0] == 1:
                    break
        connection.rollback()

    def is_open(self, connection: Any) -> bool:
        return bool(connection.server_status & _IN_TRANSACTION)

    def request_limit(self, connection: Any) -> int:
        # As it was when this connection was made, which is what counts for it.
        with connection.cursor() as cursor:
            cursor.execute('SELECT @@SESSION.max_allowed_packet')
            limit = int(cursor.fetchone()[0])
        connection.rollback()
        return limit

    def _statements(self, mariadb: bool) -> list[str]:
        settings = self._settings
        # A third of a session in whole seconds, downwards; 0 would mean never.
        idle = max(1, math.floor(settings.idle_timeout))
        variables = {
            'innodb_lock_wait_timeout': max(1, math.floor(settings.lock_timeout)),
            'lock_wait_timeout': max(1, math.ceil(settings.lock_timeout)),
            'sql_mode': "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
            # What MariaDB has anyway. Atoms are read many in a row; one by one where they are larger.
            'group_concat_max_len': 2 ** 20,
        }
        if mariadb:
            variables |= {'idle_transaction_timeout': idle, 'max_statement_time': settings.statement_timeout}
        else:
            # MySQL has a limit for idle connections only; the pool replaces what it ends.
            variables |= {'wait_timeout': idle, 'max_execution_time': math.ceil(settings.statement_timeout * 1000)}
        assignments = ', '.join(f'SESSION {name} = {value}' for name, value in variables.items())
        return ['SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED', f'SET {assignments}']

    def end_connections(self, connection: sa.Connection, named: str) -> int:
        name, _, slots = named.partition(':')
        mine = connection.exec_driver_sql('SELECT CONNECTION_ID()').scalar()
        ended = 0
        for slot in range(int(slots)):
            holder = connection.exec_driver_sql('SELECT IS_USED_LOCK(%s)', (f'{name}.{slot}',)).scalar()
            if holder is not None and holder != mine:
                try:
                    connection.exec_driver_sql('KILL CONNECTION %s', (holder,))
                except sa.exc.DBAPIError as err:
                    if not err.orig or err.orig.args[0] != 1094:  # it is gone by now
                        raise
                ended += 1
        return ended


class _PostgreSQL(Dialect):

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.connections = f'tfd.{uuid.uuid4().hex}'
        self.reading = (_ONE_MOMENT,)

    def connect_args(self) -> dict[str, Any]:
        settings = self._settings
        options = {
            'default_transaction_isolation': r'read\ committed',
            'idle_in_transaction_session_timeout': _milliseconds(settings.idle_timeout),
            'lock_timeout': _milliseconds(settings.lock_timeout),
            'statement_timeout': _milliseconds(settings.statement_timeout),
        }
        return {
            **self.migration_args(),
            'application_name': self.connections,
            'options': ' '.join(f'-c {name}={value}' for name, value in options.items()),
        }

    def migration_args(self) -> dict[str, Any]:
        settings = self._settings
        return {
            'connect_timeout': max(2, math.ceil(settings.connect_timeout)),
            # A peer that vanished is noticed by the kernel: PostgreSQL's client waits for ever.
            'tcp_user_timeout': _milliseconds(settings.statement_timeout),
            'keepalives_idle': max(1, math.ceil(settings.statement_timeout / 3)),
            'keepalives_interval': max(1, math.ceil(settings.statement_timeout / 6)), 'keepalives_count': 3,
        }

    def request_limit(self, connection: Any) -> int:
        # The most memory that the server allocates for anything, and so the longest text and message.
        return 2 ** 30 - 1

    def end_connections(self, connection: sa.Connection, named: str) -> int:
        ended = connection.execute(
            sa.text('SELECT pg_terminate_backend(pid) FROM pg_stat_activity'
                    ' WHERE application_name = :name AND pid <> pg_backend_pid()'), {'name': named})
        return len(ended.all())


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def dialect_of(settings: Settings) -> Dialect:
    """Return what the settings' database needs."""
    dialects: dict[str, type[Dialect]] = {'sqlite': _Sqlite, 'mysql': _MySQL, 'postgresql': _PostgreSQL}
    return dialects[settings.url.get_backend_name()](settings)
