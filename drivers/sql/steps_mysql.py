# SPDX-License-Identifier: Apache-2.0
"""Steps of jobs on MariaDB and MySQL: one request for one flow, a few for many.

That of one flow is a block of statements on MariaDB, the commit included: nothing of it goes on after a statement that
meets something else than its row. MySQL has no such blocks: there it is a join of all rows, which meets all or none,
and the commit is a request of its own.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tfd_drivers.sql import history
from tfd_drivers.sql.groups import Item
from tfd_drivers.sql.sending import (
    GUARD,
    HISTORY,
    WRITTEN,
    Columns,
    IncompleteError,
    Row,
    Send,
    atoms_by_columns,
    doubt,
    guard_row,
    history_row,
    row_of_one,
)

__all__ = ['write', 'write_mariadb']

#: The error of a block one of whose statements met something else than one row; beyond those of the servers.
_UNMET = 45001


def write_mariadb(send: Send, cursor: Any, items: Sequence[Item]) -> list[Item]:
    """Record steps; return those whose guard was met. One alone is committed then."""
    return write(send, cursor, items) if len(items) > 1 else _write_block(send, cursor, items[0])


def write(send: Send, cursor: Any, items: Sequence[Item]) -> list[Item]:
    """Record steps; return those whose guard was met."""
    if len(items) == 1:
        row, key = row_of_one(items[0])
        met = list(items) if send(cursor, ('one', key), functools.partial(_one, key), (row,)) else []
    else:
        met = _write_many(send, cursor, items)
    if met:
        send(cursor, 'history', history.insert, [history_row(item) for item in met])
    return met


def _write_block(send: Send, cursor: Any, item: Item) -> list[Item]:
    row, key = row_of_one(item)
    doubt([item])
    try:
        send(cursor, ('block', key), functools.partial(_block, key), (row,))
    except Exception as err:
        if getattr(err, 'args', ())[:1] == (_UNMET,):
            raise IncompleteError from err
        raise
    return [item]


def _write_many(send: Send, cursor: Any, items: Sequence[Item]) -> list[Item]:
    keys = {f'id_{index}': item.fence.job for index, item in enumerate(items)}
    send(cursor, ('locks', len(items)), functools.partial(_locks, len(items)), (keys,))
    found = {job: (epoch, seq) for job, epoch, seq in cursor.fetchall()}
    met = [item for item in items if found.get(item.fence.job) == (item.fence.epoch, item.before.seq)]
    if met:
        _rows(send, cursor, 'jobs', GUARD, [guard_row(item) for item in met])
    states = [
        {'flow': item.entry.flow, 'state': item.state, 'updated_at': item.at} for item in met if item.state is not None]
    if states:
        _rows(send, cursor, 'flows', ('flow', 'state', 'updated_at'), states)
    for columns, rows in atoms_by_columns(met).items():
        _rows(send, cursor, 'atoms', ('flow', 'number', *columns), rows)
    return met


def _rows(send: Send, cursor: Any, table: str, columns: Columns, rows: Sequence[Row]) -> None:
    row = {f'{name}_{index}': values[name] for index, values in enumerate(rows) for name in columns}
    build = functools.partial(_many, table, columns, len(rows))
    if send(cursor, ('rows', table, columns, len(rows)), build, (row,)) != len(rows):
        raise IncompleteError


def _block(key: tuple[bool, Sequence[Columns]], _dialect: sa.Dialect) -> sa.ClauseElement:
    """Return the statements for one flow, the guard first. It ends at an error, which is one of the block."""
    has_state, changes = key
    statements = [f'UPDATE jobs SET {WRITTEN} + :idle WHERE id = :job AND epoch = :epoch AND seq = :seq']
    if has_state:
        statements.append('UPDATE flows SET state = :state, updated_at = :at WHERE uuid = :flow')
    for index, columns in enumerate(changes):
        assignments = ', '.join(f'{name} = :{name}_{index}' for name in columns)
        statements.append(f'UPDATE atoms SET {assignments} WHERE flow = :flow AND number = :number_{index}')
    unmet = f"IF ROW_COUNT() <> 1 THEN SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = {_UNMET}; END IF;"
    history = f'INSERT INTO history ({", ".join(HISTORY)}) VALUES (:flow, :seq + 1, :job, :epoch, :owner, :at, :what)'
    updates = ' '.join(f'{statement}; {unmet}' for statement in statements)
    return sa.text(f'BEGIN NOT ATOMIC {updates} {history}; COMMIT; END')


def _one(key: tuple[bool, Sequence[Columns]], _dialect: sa.Dialect) -> sa.ClauseElement:
    """Return the statement for one flow: a join of all rows that it changes, which meets all or none."""
    has_state, changes = key
    joins: list[str] = []
    assignments = ['jobs.seq = jobs.seq + 1', 'jobs.claimed_seq = jobs.claimed_seq + :idle']
    if has_state:
        joins.append(' JOIN flows ON flows.uuid = :flow')
        assignments += ['flows.state = :state', 'flows.updated_at = :at']
    for index, columns in enumerate(changes):
        joins.append(f' JOIN atoms AS a{index} ON a{index}.flow = :flow AND a{index}.number = :number_{index}')
        assignments += [f'a{index}.{name} = :{name}_{index}' for name in columns]
    return sa.text(
        f'UPDATE jobs{"".join(joins)} SET {", ".join(assignments)}'
        ' WHERE jobs.id = :job AND jobs.epoch = :epoch AND jobs.seq = :seq')


def _locks(count: int, _dialect: sa.Dialect) -> sa.ClauseElement:
    ids = ', '.join(f':id_{index}' for index in range(count))
    # Of a short table it would rather read, and lock, every row.
    return sa.text(
        f'SELECT id, epoch, seq FROM jobs FORCE INDEX (PRIMARY) WHERE id IN ({ids}) ORDER BY id FOR UPDATE SKIP LOCKED')


def _many(table: str, columns: Columns, count: int, dialect: sa.Dialect) -> sa.ClauseElement:
    """Return the statement that gives many rows of a table their new values: a join with them."""
    collation = 'utf8mb4_nopad_bin' if getattr(dialect, 'is_mariadb', True) else 'utf8mb4_0900_bin'

    def value(name: str, index: int) -> str:
        # A literal has the collation of the connection; that of the first row counts for all.
        text = f':{name}_{index}'
        if name in ('job', 'flow') and index == 0:
            text = f'CONVERT({text} USING utf8mb4) COLLATE {collation}'
        return f'{text} AS {name}'

    rows = ' UNION ALL '.join(
        'SELECT ' + ', '.join(value(name, index) for name in columns) for index in range(count))
    on, changed = {
        'jobs': (
            'jobs.id = c.job AND jobs.epoch = c.epoch AND jobs.seq = c.seq',
            'jobs.seq = jobs.seq + 1, jobs.claimed_seq = jobs.claimed_seq + c.idle'),
        'flows': ('flows.uuid = c.flow', 'flows.state = c.state, flows.updated_at = c.updated_at'),
        'atoms': (
            'atoms.flow = c.flow AND atoms.number = c.number',
            ', '.join(f'atoms.{name} = c.{name}' for name in columns[2:])),
    }[table]
    return sa.text(f'UPDATE ({rows}) AS c STRAIGHT_JOIN {table} ON {on} SET {changed}')
