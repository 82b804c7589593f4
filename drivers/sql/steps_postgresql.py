# SPDX-License-Identifier: Apache-2.0
"""Steps of jobs on PostgreSQL: one statement, which is a transaction by itself, whatever the number of flows.

Of many flows it has each column as an array. The client library takes longer to make arrays of Python's lists than the
server to execute the statement, so they are made here, as text.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from tfd_drivers.sql.groups import Item
from tfd_drivers.sql.sending import GUARD, HISTORY, WRITTEN, Columns, Send, doubt, row_of_one

__all__ = ['write']

#: Columns of the steps: of what the statement for many knows of each flow.
_STEP = (*GUARD, 'rows', 'flow', 'state', 'owner', 'at', 'what')
_TYPES = {**dict.fromkeys(('epoch', 'seq', 'idle', 'rows', 'step', 'number'), 'bigint'), 'at': 'double precision'}


def write(send: Send, cursor: Any, items: Sequence[Item]) -> list[Item]:
    """Record steps; return those whose guard was met."""
    doubt(items)
    if len(items) == 1:
        row, key = row_of_one(items[0])
        return list(items) if send(cursor, ('one', key), functools.partial(_one, key), (row,)) else []
    row, columns = _arrays_of(items)
    send(cursor, ('many', columns), functools.partial(_many, columns), (row,))
    met = {step for step, _ in cursor.fetchall()}
    return [item for index, item in enumerate(items) if index in met]


def _arrays_of(items: Sequence[Item]) -> tuple[dict[str, str], tuple[Columns, ...]]:
    """Return the parameters of the statement for many, and the columns of atoms that change."""
    steps: list[tuple[Any, ...]] = []
    grouped: dict[Columns, list[tuple[Any, ...]]] = {}
    for index, item in enumerate(items):
        entry, known = item.entry, item.before
        steps.append((
            item.fence.job, item.fence.epoch, known.seq, item.idle, item.rows, entry.flow, item.state, known.owner,
            item.at, item.what))
        for change in entry.changes:
            grouped.setdefault(change.columns, []).append((index, change.number, *change.values))
    row = dict(zip([f's_{name}' for name in _STEP], _as_arrays(_STEP, steps), strict=True))
    key = sorted(grouped)
    for index, columns in enumerate(key):
        names = ('step', 'number', *columns)
        row.update(zip([f'a{index}_{name}' for name in names], _as_arrays(names, grouped[columns]), strict=True))
    return row, tuple(key)


def _as_arrays(names: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> list[str]:
    """Return each column of these rows as the text of an array."""
    return [
        f'{{{",".join(map(str if name in _TYPES else _quoted, column))}}}'
        for name, column in zip(names, zip(*rows, strict=True), strict=True)]


def _quoted(text: str | None) -> str:
    """Return an element of an array of texts."""
    if text is None:
        return 'NULL'
    if '"' in text or '\\' in text:
        text = text.replace('\\', '\\\\').replace('"', '\\"')
    return f'"{text}"'


def _unnest(prefix: str, columns: Sequence[str], more: str = '') -> str:
    arrays = ', '.join(f'CAST(:{prefix}_{name} AS {_TYPES.get(name, "text")}[])' for name in columns)
    names = [*columns, 'place'] if more else columns
    return f'unnest({arrays}){more} AS {prefix} ({", ".join(names)})'


def _many(key: Sequence[Columns], _dialect: sa.Dialect) -> sa.ClauseElement:
    """Return the statement for any number of flows: the guards, and the rows of the flows whose guard is met.

    It returns the steps that are met. Where one of their rows is not, it fails as a whole, by dividing by zero: it is
    committed when it ends, and nobody can take it back.
    """
    parts = [
        # Whoever changed a row since this statement began is seen: what is locked is looked at again.
        f'l AS (SELECT s.* FROM jobs JOIN {_unnest("s", _STEP, " WITH ORDINALITY")} ON jobs.id = s.job'
        ' WHERE jobs.epoch = s.epoch AND jobs.seq = s.seq ORDER BY jobs.id FOR UPDATE OF jobs SKIP LOCKED)',
        f'g AS (UPDATE jobs SET {WRITTEN} + l.idle FROM l WHERE jobs.id = l.job AND jobs.epoch = l.epoch'
        ' RETURNING l.*)',
        'f AS (UPDATE flows SET state = g.state, updated_at = g.at FROM g'
        ' WHERE flows.uuid = g.flow AND g.state IS NOT NULL RETURNING 1)',
    ]
    for index, columns in enumerate(key):
        name = f'a{index}'
        assignments = ', '.join(f'{column} = {name}.{column}' for column in columns)
        parts.append(
            f'r{index} AS (UPDATE atoms SET {assignments} FROM {_unnest(name, ("step", "number", *columns))}'
            f' JOIN g ON g.place = {name}.step + 1 WHERE atoms.flow = g.flow AND atoms.number = {name}.number'
            ' RETURNING 1)')
    parts.append(
        f'h AS (INSERT INTO history ({", ".join(HISTORY)})'
        ' SELECT g.flow, g.seq + 1, g.job, g.epoch, g.owner, g.at, g.what FROM g)')
    found = ' + '.join(f'(SELECT count(*) FROM {name})' for name in ('f', *(f'r{index}' for index in range(len(key)))))
    return sa.text(
        f'WITH {", ".join(parts)}'
        f' SELECT g.place - 1, 1 / CAST({found} = (SELECT sum(g.rows) FROM g) AS integer) FROM g')


def _one(key: tuple[bool, Sequence[Columns]], _dialect: sa.Dialect) -> sa.ClauseElement:
    """Return the statement for one flow: it returns a row if it was met, and fails as that for many does."""
    parts = [f'g AS (UPDATE jobs SET {WRITTEN} + :idle WHERE id = :job AND epoch = :epoch AND seq = :seq RETURNING 1)']
    found = []
    has_state, changes = key
    if has_state:
        parts.append('f AS (UPDATE flows SET state = :state, updated_at = :at FROM g WHERE uuid = :flow RETURNING 1)')
        found.append('(SELECT count(*) FROM f)')
    for index, columns in enumerate(changes):
        assignments = ', '.join(f'{name} = :{name}_{index}' for name in columns)
        parts.append(
            f'r{index} AS (UPDATE atoms SET {assignments} FROM g WHERE flow = :flow AND number = :number_{index}'
            ' RETURNING 1)')
        found.append(f'(SELECT count(*) FROM r{index})')
    parts.append(
        f'h AS (INSERT INTO history ({", ".join(HISTORY)}) SELECT :flow, :seq + 1, :job, :epoch, :owner,'
        ' :at, :what FROM g)')
    return sa.text(
        f'WITH {", ".join(parts)} SELECT 1 / CAST({" + ".join(found)} = :rows AS integer) FROM g')
