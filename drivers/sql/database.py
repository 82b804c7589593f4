# SPDX-License-Identifier: Apache-2.0
"""One database: the pool of connections to it, and transactions that are repeated when they lose against others."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import sqlalchemy as sa

from tfd import exceptions
from tfd_drivers.sql import dialects, errors, filelock
from tfd_drivers.sql.settings import Settings
from tfd_drivers.sql.sizes import Sizes
from tfd_drivers.sql.statements import Statements

__all__ = ['REVISION', 'Database']

#: The schema revision that this release works with.
REVISION = '0006'

T = TypeVar('T')

#: How often a transaction that lost against others is tried, and for how many seconds at most.
_TRIES = 12
_BUDGET = 3.0

#: Seconds to wait for one of the connections that are kept before another one is made.
_MOMENT = 0.2

_BEGIN = 'BEGIN IMMEDIATE'


class Database:
    """A database, and the only way in this driver to reach it. Safe to use from any thread, not across a fork.

    Connections are made when they are needed, never here.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.statements = Statements()
        self.dialect = dialects.dialect_of(settings)
        self.sizes = Sizes(settings.max_value_bytes, self.dialect.ESCAPED)
        self._kept = threading.Semaphore(settings.max_pool_size)
        self._pid = os.getpid()
        self._closed = False
        url = settings.url
        self._sqlite = url.get_backend_name() == 'sqlite'
        in_memory = self._sqlite and (url.database in (None, '', ':memory:') or 'mode=memory' in str(url))
        #: One connection holds the whole of an in-memory database, so its readers queue too.
        self._alone = in_memory
        self._writers = filelock.FileLock(None if in_memory else f'{url.database}.lock') if self._sqlite else None
        self.engine = self._make_engine(in_memory)
        self._writing_engine = self.engine.execution_options(tfd_writing=True)

    def _make_engine(self, in_memory: bool) -> sa.Engine:
        settings = self.settings
        options: dict[str, Any] = {'poolclass': sa.StaticPool} if in_memory else {
            'poolclass': sa.QueuePool, 'pool_size': settings.max_pool_size, 'max_overflow': settings.max_overflow,
            'pool_timeout': settings.pool_timeout, 'pool_use_lifo': True,
        }
        # Nothing of a user's data shows in an error's text. Every transaction here ends by itself, so that a
        # connection needs no rollback, and no round trip for it, when it goes back to the pool.
        engine = sa.create_engine(
            settings.url, connect_args=self.dialect.connect_args(), hide_parameters=True, pool_reset_on_return=None,
            **options)
        sa.event.listen(engine, 'connect', lambda connection, _record: self._set_up(connection))
        if self._sqlite:
            sa.event.listen(engine, 'begin', _begin_sqlite)
        return engine

    def _set_up(self, connection: Any) -> None:
        self.dialect.set_up(connection)
        self.sizes.learn(self.dialect.request_limit(connection))

    @property
    def place(self) -> str:
        """The database's URL without its password."""
        return self.settings.place

    def close(self) -> None:
        """Close every connection. Calling it again does nothing."""
        if self._closed:
            return
        self._closed = True
        # A fork shares its parent's sockets: closing them here would end the parent's sessions.
        self.engine.dispose(close=os.getpid() == self._pid)
        if self._writers is not None:
            self._writers.close()

    def run(self, work: Callable[[sa.Connection], T], writing: bool = True, wait: bool = True) -> T:
        """Run ``work`` in one transaction at READ COMMITTED, and return what it returned once that is committed.

        A transaction that lost against another (deadlock, serialisation, also at COMMIT) is run again within a
        budget, one whose connection broke is run again once, on a new one. The first may have been committed:
        ``work`` must be such that twice does what once does, or find out.

        :param writing: False where ``work`` changes nothing.
        :param wait: False to be told at the first lock that another transaction kept for longer than the limit.
        :raises StorageUnavailable: the database cannot be reached, is too busy, or the budget is used up; it may have
            been committed.
        :raises IncompatibleSchema: a table is missing.
        :raises StorageFailure: it was refused.
        """
        self._check_process()
        deadline = time.monotonic() + _BUDGET
        reconnected = False
        for attempt in range(1, _TRIES + 1):
            try:
                with self._transaction(writing) as connection:
                    return work(connection)
            except (sa.exc.SQLAlchemyError, self._client_error) as err:
                verdict = errors.judge(err)
                again = attempt < _TRIES and time.monotonic() < deadline
                if verdict is errors.Verdict.RECONNECT and again and not reconnected:
                    reconnected = True
                elif again and (verdict is errors.Verdict.RETRY or (verdict is errors.Verdict.LOCKED and wait)):
                    time.sleep(random.uniform(0.0, min(0.2, 0.005 * 2 ** attempt)))
                else:
                    raise self.translated(err, verdict) from err
        raise AssertionError('unreachable: the last attempt returns or raises')

    @contextlib.contextmanager
    def bare(self) -> Iterator[Any]:
        """Give a cursor of the client library, in a transaction that writes; the block commits it.

        It spares what SQLAlchemy does around every statement, which takes longer than a short statement itself. It is
        one try: who is not content with that goes on with :meth:`run`. On PostgreSQL it is for a single statement,
        which is a transaction by itself: it is committed when it has been executed, without a round trip more. So is a
        block of statements of MariaDB's that ends with the commit.

        :raises sqlalchemy.exc.SQLAlchemyError: as a connection of SQLAlchemy would.
        :raises StorageUnavailable: the other writers of an SQLite database kept it.
        """
        self._check_process()
        with self._queue(writing=True), self._turn_of_one():
            connection: Any = self._raw_connection()
            single = self.engine.dialect.name == 'postgresql'
            try:
                if single:
                    connection.dbapi_connection.autocommit = True
                yield from self._bare(connection)
            except self._client_error as err:
                raise self._wrapped(err, connection) from err
            finally:
                if single and connection.is_valid:
                    self._end_single(connection)
                connection.close()

    def _raw_connection(self) -> Any:
        try:
            return self.engine.raw_connection()
        except self._client_error as err:
            raise self._as_sqlalchemys(err, broken=False) from err

    def _bare(self, connection: Any) -> Iterator[Any]:
        dialect = self.engine.dialect
        try:
            cursor = connection.cursor()
            if self._sqlite:
                dialect.do_execute(cursor, _BEGIN, ())
            yield cursor
            cursor.close()
            # Where the statement has committed, the server needs not be asked again.
            dialect.do_commit(connection if self.dialect.is_open(connection.dbapi_connection) else _COMMITTED)
        except BaseException:
            try:
                dialect.do_rollback(connection)
            except Exception:
                connection.invalidate()
            raise

    def _end_single(self, connection: Any) -> None:
        try:
            connection.dbapi_connection.autocommit = False
        except self._client_error:
            connection.invalidate()

    def _wrapped(self, err: Any, connection: Any) -> BaseException:
        """Return the client's error as SQLAlchemy would raise it; what broke one connection has broken others too."""
        dialect = self.engine.dialect
        broken = not connection.is_valid or dialect.is_disconnect(err, connection.dbapi_connection, None)
        if broken:
            if connection.is_valid:
                connection.invalidate()
            self.engine.dispose()
        return self._as_sqlalchemys(err, broken)

    def _as_sqlalchemys(self, err: Any, broken: bool) -> BaseException:
        wrapped: BaseException = sa.exc.DBAPIError.instance(
            None, None, err, type(err), hide_parameters=True, connection_invalidated=broken,
            dialect=self.engine.dialect)
        return wrapped

    def translated(self, err: BaseException, verdict: errors.Verdict) -> exceptions.TaskFlowException:
        """Return the error to raise instead of the database's, ``from`` it."""
        return errors.translated(err, verdict, self.settings, REVISION)

    @property
    def _client_error(self) -> type[BaseException]:
        module: Any = self.engine.dialect.loaded_dbapi
        error: type[BaseException] = module.Error
        return error

    def _check_process(self) -> None:
        if self._closed:
            raise exceptions.StorageFailure(f'the backend of {self.place} was closed')
        if os.getpid() != self._pid:
            raise exceptions.StorageFailure(
                f'the backend of {self.place} was made in process {self._pid} and is used in its fork {os.getpid()}:'
                ' each process needs a backend of its own, made after the fork')

    @contextlib.contextmanager
    def _transaction(self, writing: bool) -> Iterator[sa.Connection]:
        engine = self._writing_engine if writing else self.engine
        with self._queue(writing), self._turn_of_one(), engine.connect() as connection:
            try:
                with connection.begin():
                    yield connection
            except BaseException:
                _abandon(connection)
                raise

    @contextlib.contextmanager
    def _turn_of_one(self) -> Iterator[None]:
        """Wait a moment until one of the connections that are kept is free.

        Most transactions are over sooner than another connection is made, which would be closed again afterwards. Who
        has waited goes on all the same, with a connection beyond those.
        """
        taken = self._kept.acquire(timeout=_MOMENT)
        try:
            yield
        finally:
            if taken:
                self._kept.release()

    def _queue(self, writing: bool) -> contextlib.AbstractContextManager[None]:
        if self._writers is None or not (writing or self._alone):
            return contextlib.nullcontext()
        return self._turn(self._writers)

    @contextlib.contextmanager
    def _turn(self, writers: filelock.FileLock) -> Iterator[None]:
        writers.acquire(self.settings.write_timeout)
        try:
            yield
        finally:
            writers.release()

    @contextlib.contextmanager
    def migrating(self) -> Iterator[sa.Connection]:
        """Give a transaction whose statements may take their time, for changing the schema.

        :raises StorageUnavailable: the database cannot be reached.
        :raises StorageFailure: a change was refused.
        """
        self._check_process()
        try:
            if self._sqlite:
                with self._transaction(writing=True) as connection:
                    yield connection
                return
            engine = sa.create_engine(
                self.settings.url, poolclass=sa.NullPool, connect_args=self.dialect.migration_args(),
                hide_parameters=True)
            with engine.connect() as connection, connection.begin():
                yield connection
        except (sa.exc.SQLAlchemyError, self._client_error) as err:
            raise self.translated(err, errors.judge(err)) from err


class _Committed:
    """Stands for a connection whose transaction is committed."""

    def commit(self) -> None:
        """Do nothing."""


_COMMITTED: Any = _Committed()


def _abandon(connection: sa.Connection) -> None:
    """End a transaction that failed: where its commit did, SQLAlchemy takes it for ended, and it may not be."""
    if connection.closed or connection.invalidated:
        return
    try:
        connection.connection.rollback()
    except Exception:
        connection.invalidate()


def _begin_sqlite(connection: sa.Connection) -> None:
    # A transaction that reads first and writes later cannot wait for other writers (SQLITE_BUSY_SNAPSHOT).
    writing = connection.get_execution_options().get('tfd_writing')
    connection.exec_driver_sql(_BEGIN if writing else 'BEGIN')
