# SPDX-License-Identifier: Apache-2.0
"""Stored secrets: which keys encrypted them, and encrypting them anew in batches of a bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from tfd.persistence import codec, record
from tfd.persistence.base import SecretsBatch
from tfd.persistence.rotation import Rotation, check_keys
from tfd_drivers.sql import tables
from tfd_drivers.sql.database import Database

__all__ = ['SqlSecrets']


def _columns(table: sa.Table) -> tuple[sa.Column[Any], ...]:
    """Return the columns of a table that went through the codec."""
    return tuple(column for column in table.c if column.name in record.VALUES)


#: Whatever can hold a secret, in the order in which it is looked at. The history has texts only, masked before.
_PLACES = (
    (tables.jobs, (tables.jobs.c.store,)),
    *((table, _columns(table)) for table in (tables.logbooks, tables.flows, tables.atoms)),
)

_Row = Sequence[Any]


class SqlSecrets:
    """A :class:`tfd.persistence.base.Secrets` in SQL.

    A batch is a range of a primary key. A value is replaced where it is still as it was read: an engine's newer write
    stays.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sealing = database.settings.sealing

    def batches(self, size: int, rotate: bool) -> Iterator[SecretsBatch]:
        """Go through all that is stored, and yield what each batch had."""
        check_keys(self._sealing, rotate)
        for table, columns in _PLACES:
            keys = tuple(table.primary_key.columns)
            last: _Row | None = None
            while (end := self._end(keys, last, size)) is not None:
                yield self._batch(keys, columns, last, end, rotate)
                last = end

    def _end(self, keys: Sequence[sa.Column[Any]], last: _Row | None, size: int) -> _Row | None:
        """Return the key of the last row of the next batch, None where there is no more."""
        query = sa.select(*keys).where(*_beyond(keys, last)).order_by(*keys).limit(size)
        rows = self._database.run(lambda connection: connection.execute(query).all(), writing=False)
        return rows[-1] if rows else None

    def _batch(
        self, keys: Sequence[sa.Column[Any]], columns: Sequence[sa.Column[Any]], last: _Row | None, end: _Row,
        rotate: bool,
    ) -> SecretsBatch:
        query = sa.select(*keys, *columns).where(
            *_beyond(keys, last), *_up_to(keys, end),
            sa.or_(*(column.contains(codec.SECRET, autoescape=True) for column in columns))).order_by(*keys)
        rows = self._database.run(lambda connection: connection.execute(query).all(), writing=False)
        rotation = Rotation(self._sealing, rotate)
        changes: list[sa.Update] = []
        for row in rows:
            for column, stored in zip(columns, row[len(keys):], strict=True):
                new = rotation.look(stored, f'{column} of {"/".join(map(str, row[:len(keys)]))}')
                if new is not None:
                    changes.append(_replaced(column, keys, row, stored, new))
        changed = self._database.run(lambda connection: _execute(connection, changes)) if changes else 0
        return rotation.batch(changed, len(changes) - changed)


def _beyond(keys: Sequence[sa.Column[Any]], last: _Row | None) -> tuple[sa.ColumnElement[bool], ...]:
    if last is None:
        return ()
    if len(keys) == 1:
        return (keys[0] > last[0],)
    # Not as tuples: MariaDB would read the table from its begin.
    first, second = keys
    return first >= last[0], sa.or_(first > last[0], second > last[1])


def _up_to(keys: Sequence[sa.Column[Any]], end: _Row) -> tuple[sa.ColumnElement[bool], ...]:
    if len(keys) == 1:
        return (keys[0] <= end[0],)
    first, second = keys
    return first <= end[0], sa.or_(first < end[0], second <= end[1])


def _replaced(
    column: sa.Column[Any], keys: Sequence[sa.Column[Any]], row: _Row, stored: str, new: str
) -> sa.Update:
    """Return the statement that puts a value in the place of the one that was read, if that is still there."""
    same = (key == value for key, value in zip(keys, row, strict=False))
    return sa.update(column.table).where(*same, column == stored).values({column.name: new})


def _execute(connection: sa.Connection, changes: Sequence[sa.Update]) -> int:
    return sum(connection.execute(change).rowcount for change in changes)
