# SPDX-License-Identifier: Apache-2.0
"""Steps of jobs on SQLite: row by row. There are no round trips, and nobody else writes meanwhile."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tfd_drivers.sql import history
from tfd_drivers.sql.groups import Item
from tfd_drivers.sql.sending import WRITTEN, Columns, IncompleteError, Send, atoms_by_columns, guard_row, history_row

__all__ = ['write']


def write(send: Send, cursor: Any, items: Sequence[Item]) -> list[Item]:
    """Record steps; return those whose guard was met."""
    met = [item for item in items if send(cursor, 'guard', _guard, (guard_row(item),)) == 1]
    for item in met:
        if item.state is not None:
            row = {'state': item.state, 'at': item.at, 'flow': item.entry.flow}
            if send(cursor, 'flow', _flow, (row,)) != 1:
                raise IncompleteError
    for columns, rows in atoms_by_columns(met).items():
        if send(cursor, ('atoms', columns), functools.partial(_atom, columns), rows) != len(rows):
            raise IncompleteError
    if met:
        send(cursor, 'history', history.insert, [history_row(item) for item in met])
    return met


def _guard(_dialect: sa.Dialect) -> sa.ClauseElement:
    return sa.text(f'UPDATE jobs SET {WRITTEN} + :idle WHERE id = :job AND epoch = :epoch AND seq = :seq')


def _flow(_dialect: sa.Dialect) -> sa.ClauseElement:
    return sa.text('UPDATE flows SET state = :state, updated_at = :at WHERE uuid = :flow')


def _atom(columns: Columns, _dialect: sa.Dialect) -> sa.ClauseElement:
    assignments = ', '.join(f'{name} = :{name}' for name in columns)
    return sa.text(f'UPDATE atoms SET {assignments} WHERE flow = :flow AND number = :number')
