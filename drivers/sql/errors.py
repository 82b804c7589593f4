# SPDX-License-Identifier: Apache-2.0
"""What an error of a database means: the one place where SQLAlchemy's errors become ours."""

from __future__ import annotations

import enum
from typing import Any

import sqlalchemy as sa

from tfd import exceptions
from tfd_drivers.sql.settings import Settings

__all__ = ['Verdict', 'judge', 'translated']


class Verdict(enum.Enum):
    """What can be done about an error."""

    #: The transaction lost against another one: the same again, at once.
    RETRY = 'retry'
    #: Another transaction keeps a lock for longer than the limit: it may be a deadlock that was not recognized in time
    #: (PostgreSQL looks after a second), or somebody who is stopped.
    LOCKED = 'locked'
    #: The connection is gone: the same again on a new one, once.
    RECONNECT = 'reconnect'
    #: It may work later.
    UNAVAILABLE = 'unavailable'
    #: There is no such table or column.
    SCHEMA = 'schema'
    #: A row with that key exists.
    DUPLICATE = 'duplicate'
    #: It would be refused again.
    REFUSED = 'refused'


#: PyMySQL gives the server's error numbers (and 2xxx for its own).
_MYSQL = {
    1213: Verdict.RETRY,  # deadlock; on Galera a lost certification, also at COMMIT
    1020: Verdict.RETRY,  # record has changed since last read (MariaDB, snapshot isolation)
    1205: Verdict.LOCKED,  # lock wait timeout
    1969: Verdict.UNAVAILABLE, 3024: Verdict.UNAVAILABLE, 1317: Verdict.UNAVAILABLE,  # statement timeout, interrupted
    1040: Verdict.UNAVAILABLE, 1203: Verdict.UNAVAILABLE, 1226: Verdict.UNAVAILABLE,  # too many connections
    1053: Verdict.UNAVAILABLE, 1047: Verdict.UNAVAILABLE, 1180: Verdict.UNAVAILABLE,  # shutdown, Galera not ready
    1290: Verdict.UNAVAILABLE, 1836: Verdict.UNAVAILABLE, 1792: Verdict.UNAVAILABLE,  # read only, as in a failover
    1021: Verdict.UNAVAILABLE, 1114: Verdict.UNAVAILABLE, 20: Verdict.UNAVAILABLE,  # disk full, table full
    3: Verdict.UNAVAILABLE, 1026: Verdict.UNAVAILABLE, 1598: Verdict.UNAVAILABLE,  # no file, or binary log, written
    1037: Verdict.UNAVAILABLE, 1041: Verdict.UNAVAILABLE, 1135: Verdict.UNAVAILABLE,  # out of memory or threads
    1927: Verdict.RECONNECT, 4031: Verdict.RECONNECT, 2006: Verdict.RECONNECT, 2013: Verdict.RECONNECT,
    2014: Verdict.RECONNECT,
    2003: Verdict.UNAVAILABLE, 2002: Verdict.UNAVAILABLE, 1158: Verdict.RECONNECT, 1159: Verdict.RECONNECT,
    1153: Verdict.REFUSED,  # larger than max_allowed_packet
    1146: Verdict.SCHEMA, 1054: Verdict.SCHEMA,
    1062: Verdict.DUPLICATE,
}

#: The storage engine's own error, whose number is in the text: it may be the disk, and it may be the row.
_MYSQL_ENGINE = 1030
_ENOSPC = 'error 28'

#: The server has no connection left, at all or for this account.
_CROWDED = (1040, 1203, 1226)
#: The same of PostgreSQL, whose client gives no code for what happens before it is connected.
_CROWDED_TEXTS = ('too many c', 'connection slots are reserved')

#: SQLSTATE, whole or its first two characters.
_POSTGRESQL = {
    '40001': Verdict.RETRY, '40P01': Verdict.RETRY,
    '55P03': Verdict.LOCKED, '57014': Verdict.UNAVAILABLE, '57P03': Verdict.UNAVAILABLE,
    '25006': Verdict.UNAVAILABLE,  # read only, as in a failover
    '53': Verdict.UNAVAILABLE,  # resources, disk full, too many connections
    '57P01': Verdict.RECONNECT, '57P02': Verdict.RECONNECT, '57P05': Verdict.RECONNECT, '25P03': Verdict.RECONNECT,
    '08': Verdict.RECONNECT,
    '58': Verdict.UNAVAILABLE,
    '42P01': Verdict.SCHEMA, '42703': Verdict.SCHEMA,
    '23505': Verdict.DUPLICATE,
}

#: The first two words of SQLite's error names.
_SQLITE = {
    'SQLITE_BUSY': Verdict.UNAVAILABLE, 'SQLITE_LOCKED': Verdict.UNAVAILABLE, 'SQLITE_FULL': Verdict.UNAVAILABLE,
    'SQLITE_IOERR': Verdict.UNAVAILABLE, 'SQLITE_CANTOPEN': Verdict.UNAVAILABLE, 'SQLITE_NOMEM': Verdict.UNAVAILABLE,
    'SQLITE_PROTOCOL': Verdict.UNAVAILABLE, 'SQLITE_INTERRUPT': Verdict.UNAVAILABLE,
    'SQLITE_CONSTRAINT': Verdict.DUPLICATE,
}


def judge(err: BaseException) -> Verdict:
    """Return what can be done about an error that SQLAlchemy, or the database's client, raised."""
    if isinstance(err, sa.exc.TimeoutError):
        return Verdict.UNAVAILABLE
    known = _by_code(getattr(err, 'orig', None) or err)
    if known is not None:
        return known
    if isinstance(err, sa.exc.DBAPIError) and err.connection_invalidated:
        return Verdict.RECONNECT
    if isinstance(err,
        sa.exc.OperationalError | sa.exc.InterfaceError | sa.exc.InternalError) and not _has_code(err.orig):
        # The client could not even ask: no such host, connection refused, time-out.
        return Verdict.UNAVAILABLE
    return Verdict.REFUSED


def _has_code(orig: Any) -> bool:
    return bool(getattr(orig, 'sqlstate', None) or getattr(orig, 'sqlite_errorname', None)) or _mysql_code(orig) > 0


def _mysql_code(orig: Any) -> int:
    code = orig.args[0] if getattr(orig, 'args', ()) else 0
    return code if isinstance(code, int) else 0


def _by_code(orig: Any) -> Verdict | None:
    if code := _mysql_code(orig):
        if code == _MYSQL_ENGINE and _ENOSPC in str(orig):
            return Verdict.UNAVAILABLE
        return _MYSQL.get(code)
    state = getattr(orig, 'sqlstate', None)
    if state:
        return _POSTGRESQL.get(state) or _POSTGRESQL.get(state[:2])
    name = getattr(orig, 'sqlite_errorname', None)
    if name:
        if 'no such table' in str(orig) or 'no such column' in str(orig) or 'no column named' in str(orig):
            return Verdict.SCHEMA
        return _SQLITE.get('_'.join(name.split('_')[:2]))
    return None


def translated(
    err: BaseException, verdict: Verdict, settings: Settings, revision: str,
) -> exceptions.TaskFlowException:
    """Return the error to raise instead, ``from`` this one. Its text holds no parameters: they are users' data.

    :param settings: those of the database.
    :param revision: the schema revision that is expected.
    """
    place = settings.place
    if isinstance(err, sa.exc.TimeoutError):
        return exceptions.StorageUnavailable(
            f'no connection to the database {place} became free within {settings.pool_timeout:g} s:'
            f' {_in_use(settings)}')
    orig = getattr(err, 'orig', None) or err
    why = ' '.join(str(part) for part in getattr(orig, 'args', ()) or (orig,)).strip().splitlines()
    # SQLite's text is often no more than "disk I/O error".
    text = ' '.join((f'{type(orig).__name__}:', *why[:1], getattr(orig, 'sqlite_errorname', ''))).strip()
    if verdict is Verdict.SCHEMA:
        return exceptions.IncompatibleSchema(place, None, revision)
    if verdict is Verdict.DUPLICATE:
        return exceptions.StorageFailure(f'the database {place} has a row with that key already: {text}')
    if verdict is Verdict.REFUSED:
        return exceptions.StorageFailure(f'the database {place} refused a request: {text}')
    if _is_crowded(orig):
        text = f'{text} ({_in_use(settings)})'
    return exceptions.StorageUnavailable(f'the database {place} cannot be used now: {text}')


def _is_crowded(orig: Any) -> bool:
    return _mysql_code(orig) in _CROWDED or any(text in str(orig) for text in _CROWDED_TEXTS)


def _in_use(settings: Settings) -> str:
    return (f'each process uses up to max_pool_size = {settings.max_pool_size} and'
            f' max_overflow = {settings.max_overflow} more')
