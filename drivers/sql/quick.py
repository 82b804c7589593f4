# SPDX-License-Identifier: Apache-2.0
"""Writes steps of jobs, one or many, in one transaction of as few statements as the database can do with.

What is written so is what flows do most of the time: atoms that change. Everything else, and every step with which
something is wrong, has a transaction of its own (:mod:`tfd_drivers.sql.steps`), which says what it is.

Each flow has its guard: the row of its job is *written* where it has the epoch of the fence, and has seen as many
writes as this process knows of. A row that another transaction has locked is not waited for where flows share one: the
trouble of one flow is not that of the others.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from tfd import exceptions
from tfd.persistence import record
from tfd_drivers.sql import errors, history
from tfd_drivers.sql.database import Database
from tfd_drivers.sql.fence import Known
from tfd_drivers.sql.groups import Item

__all__ = ['QuickWriter']

#: Atoms that one step changes, at most, and bytes that it has: what has more gains little by sharing a transaction.
_ATOMS = 8
_BYTES = 32_768
#: Bytes of a row beside its values.
_FRAME = 512
#: All of them are text.
_COLUMNS = frozenset(('state', 'intention', 'result', 'failure', 'revert_result', 'revert_failure', 'meta'))

_Row = dict[str, Any]
_Columns = tuple[str, ...]


class _IncompleteError(Exception):
    """Some atom of a flow has no row. Not seen outside."""


class QuickWriter:
    """Writes items in one transaction, and says of each what became of it.

    :param database: where to.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.engine.dialect
        self._write_into = {'sqlite': self._sqlite, 'postgresql': self._postgresql, 'mysql': self._mysql}[
            self._dialect.name]

    def item(self, entry: record.Entry, before: Known, what: str, now: float) -> Item | None:
        """Return the item of a step of a job, None where the step is not for this.

        :param before: what is known of the row of the job.
        :param what: what the history says of it.
        """
        changes = entry.changes
        if not 0 < len(changes) <= _ATOMS or entry.columns or entry.decisions or entry.settlement is not None:
            return None
        if history.is_trimmed(before.seq + 1):
            return None
        size = _FRAME + 2 * len(what)
        for change in changes:
            if not _COLUMNS.issuperset(change.columns):
                return None
            size += _FRAME + 2 * sum([len(value) for value in change.values if value is not None])
        numbers = {change.number for change in changes}
        if size > min(_BYTES, self._database.sizes.request // 4) or len(numbers) != len(changes):
            return None
        assert entry.fence is not None
        return Item(entry, entry.fence, before, what, now, size)

    def __call__(self, items: Sequence[Item]) -> None:
        """Write them. Those that are not recorded afterwards are to be written alone."""
        try:
            with self._database.bare() as cursor:
                met = self._write_into(cursor, items)
                _doubt(met)
            for item in items:
                item.doubtful = False
            for item in met:
                item.recorded = True
        except _IncompleteError:
            # Whoever writes alone finds out whose.
            return
        except sa.exc.SQLAlchemyError as err:
            verdict = errors.judge(err)
            if verdict is errors.Verdict.UNAVAILABLE:
                error = self._database.translated(err, verdict)
                error.__cause__ = err
                self._give_up(items, error)
        except exceptions.TaskFlowException as err:
            self._give_up(items, err)

    def _give_up(self, items: Sequence[Item], error: Exception) -> None:
        for item in items:
            item.error = error

    def _send(
        self, cursor: Any, key: Any, build: Callable[[sa.Dialect], sa.ClauseElement], rows: Sequence[_Row],
    ) -> int:
        statement = self._database.statements.get(self._database.engine, key, build)
        return statement.send(self._dialect, cursor, rows)

    def _send_one(
        self, cursor: Any, item: Item, build: Callable[[Sequence[_Columns], sa.Dialect], sa.ClauseElement],
    ) -> int:
        """Send the statement of one flow, whose atoms have their parameters by their place in the step."""
        row, changes = _guard_row(item), item.entry.changes
        row |= {'flow': item.entry.flow, 'owner': item.before.owner, 'at': item.at, 'what': item.what}
        for index, change in enumerate(changes):
            row[f'number_{index}'] = change.number
            for name, value in zip(change.columns, change.values, strict=True):
                row[f'{name}_{index}'] = value
        key = tuple([change.columns for change in changes])
        return self._send(cursor, ('quick one', key), functools.partial(build, key), (row,))

    # -- SQLite: nobody else writes meanwhile -------------------------------------------------------

    def _sqlite(self, cursor: Any, items: Sequence[Item]) -> list[Item]:
        met = [
            item for item in items
            if self._send(cursor, 'quick guard', _sqlite_guard, (_guard_row(item),)) == 1]
        for columns, rows in _by_columns(met).items():
            statement = functools.partial(_sqlite_atom, columns)
            if self._send(cursor, ('quick atoms', columns), statement, rows) != len(rows):
                raise _IncompleteError
        if met:
            self._send(cursor, 'history', history.insert, [_history_row(item) for item in met])
        return met

    # -- PostgreSQL: one statement, whatever the number of flows ------------------------------------

    def _postgresql(self, cursor: Any, items: Sequence[Item]) -> list[Item]:
        if len(items) == 1:
            return self._postgresql_one(cursor, items[0])
        row: _Row = _arrays('w', map(_guard_row, items), (*_GUARD, 'atoms'))
        row |= _arrays('h', map(_history_row, items), _HISTORY)
        grouped = sorted(_by_columns(items).items())
        for index, (columns, rows) in enumerate(grouped):
            row |= _arrays(f'u{index}', rows, ('job', 'flow', 'number', *columns))
        key = tuple([columns for columns, _ in grouped])
        _doubt(items)
        self._send(cursor, ('quick', key), functools.partial(_postgresql_steps, key), (row,))
        found = {job for job, _ in cursor.fetchall()}
        return [item for item in items if item.fence.job in found]

    def _postgresql_one(self, cursor: Any, item: Item) -> list[Item]:
        # Not by arrays: the client takes longer to make them than the server to execute this.
        _doubt([item])
        return [item] if self._send_one(cursor, item, _postgresql_step) else []

    # -- MariaDB and MySQL: one statement for one flow, four for many -------------------------------

    def _mysql(self, cursor: Any, items: Sequence[Item]) -> list[Item]:
        if len(items) == 1:
            met = [items[0]] if self._send_one(cursor, items[0], _mysql_step) else []
        else:
            met = self._mysql_atoms(cursor, items)
        if met:
            self._send(cursor, 'history', history.insert, [_history_row(item) for item in met])
        return met

    def _mysql_atoms(self, cursor: Any, items: Sequence[Item]) -> list[Item]:
        keys = {f'id_{index}': item.fence.job for index, item in enumerate(items)}
        self._send(cursor, ('quick locks', len(items)), functools.partial(_mysql_locks, len(items)), (keys,))
        found = {job: (epoch, seq) for job, epoch, seq in cursor.fetchall()}
        met = [item for item in items if found.get(item.fence.job) == (item.fence.epoch, item.before.seq)]
        if met:
            self._mysql_rows(cursor, 'jobs', _GUARD, [_guard_row(item) for item in met])
        for columns, rows in _by_columns(met).items():
            self._mysql_rows(cursor, 'atoms', ('flow', 'number', *columns), rows)
        return met

    def _mysql_rows(self, cursor: Any, table: str, columns: _Columns, rows: Sequence[_Row]) -> None:
        row = {f'{name}_{index}': values[name] for index, values in enumerate(rows) for name in columns}
        met = self._send(
            cursor, ('quick rows', table, columns, len(rows)),
            functools.partial(_mysql_many, table, columns, len(rows)), (row,))
        if met != len(rows):
            raise _IncompleteError


def _doubt(items: Sequence[Item]) -> None:
    """Take down that, from now on, these may be recorded."""
    for item in items:
        item.doubtful = True


_GUARD = ('job', 'epoch', 'seq', 'idle')
_HISTORY = ('flow', 'seq', 'job', 'epoch', 'owner', 'at', 'what')


def _guard_row(item: Item) -> _Row:
    # What is no progress shall not show in seq - claimed_seq, which is what a claim has recorded.
    return {'job': item.fence.job, 'epoch': item.fence.epoch, 'seq': item.before.seq,
            'idle': 0 if item.entry.progresses else 1, 'atoms': len(item.entry.changes)}


def _history_row(item: Item) -> _Row:
    return history.row(item.entry, item.before.seq + 1, item.before.owner, item.at, item.what)


def _by_columns(items: Iterable[Item]) -> dict[_Columns, list[_Row]]:
    """Return the rows of all atoms that change, by what changes."""
    grouped: dict[_Columns, list[_Row]] = {}
    for item in items:
        entry = item.entry
        for change in entry.changes:
            row = dict(zip(change.columns, change.values, strict=True))
            row['job'], row['flow'], row['number'] = item.fence.job, entry.flow, change.number
            grouped.setdefault(change.columns, []).append(row)
    return grouped


def _arrays(prefix: str, rows: Iterable[_Row], columns: _Columns) -> _Row:
    """Return columns of rows as parameters."""
    found = list(rows)
    return {f'{prefix}_{name}': [row[name] for row in found] for name in columns}


# -- the statements --------------------------------------------------------------------------------

_WRITTEN = 'seq = jobs.seq + 1, claimed_seq = jobs.claimed_seq'
_TYPES = {**dict.fromkeys(('epoch', 'seq', 'idle', 'atoms', 'number'), 'bigint'), 'at': 'double precision'}


def _sqlite_guard(_dialect: sa.Dialect) -> sa.ClauseElement:
    return sa.text(f'UPDATE jobs SET {_WRITTEN} + :idle WHERE id = :job AND epoch = :epoch AND seq = :seq')


def _sqlite_atom(columns: _Columns, _dialect: sa.Dialect) -> sa.ClauseElement:
    assignments = ', '.join(f'{name} = :{name}' for name in columns)
    return sa.text(f'UPDATE atoms SET {assignments} WHERE flow = :flow AND number = :number')


def _unnest(prefix: str, columns: _Columns) -> str:
    arrays = ', '.join(
        f'CAST(:{prefix}_{name} AS {_TYPES.get(name, "text")}[])' for name in columns)
    return f'unnest({arrays}) AS {prefix} ({", ".join(columns)})'


def _postgresql_steps(key: Sequence[_Columns], _dialect: sa.Dialect) -> sa.ClauseElement:
    """Return the statement for any number of flows: the guards, and the atoms of the flows whose guard is met.

    It returns the jobs that are met. Where one of their atoms is not, it fails as a whole, by dividing by zero: it is
    committed when it ends, and nobody can take it back.
    """
    parts = [
        # Whoever changed a row since this statement began is seen: what is locked is looked at again.
        f'l AS (SELECT jobs.id, w.epoch, w.idle, w.atoms FROM jobs JOIN {_unnest("w", (*_GUARD, "atoms"))}'
        ' ON jobs.id = w.job'
        ' WHERE jobs.epoch = w.epoch AND jobs.seq = w.seq ORDER BY jobs.id FOR UPDATE OF jobs SKIP LOCKED)',
        f'g AS (UPDATE jobs SET {_WRITTEN} + l.idle FROM l WHERE jobs.id = l.id AND jobs.epoch = l.epoch'
        ' RETURNING jobs.id, l.atoms)',
    ]
    for index, columns in enumerate(key):
        name = f'u{index}'
        assignments = ', '.join(f'{column} = {name}.{column}' for column in columns)
        parts.append(
            f'r{index} AS (UPDATE atoms SET {assignments} FROM {_unnest(name, ("job", "flow", "number", *columns))}'
            f' JOIN g ON g.id = {name}.job WHERE atoms.flow = {name}.flow AND atoms.number = {name}.number'
            ' RETURNING 1)')
    parts.append(
        f'h AS (INSERT INTO history ({", ".join(_HISTORY)}) SELECT {", ".join(f"h.{name}" for name in _HISTORY)}'
        f' FROM {_unnest("h", _HISTORY)} JOIN g ON g.id = h.job)')
    atoms = ' + '.join(f'(SELECT count(*) FROM r{index})' for index in range(len(key)))
    return sa.text(
        f'WITH {", ".join(parts)}'
        f' SELECT g.id, 1 / CAST({atoms} = (SELECT sum(g.atoms) FROM g) AS integer) FROM g')


def _postgresql_step(key: Sequence[_Columns], _dialect: sa.Dialect) -> sa.ClauseElement:
    """Return the statement for one flow: it returns a row if it was met, and fails as that for many does."""
    parts = [f'g AS (UPDATE jobs SET {_WRITTEN} + :idle WHERE id = :job AND epoch = :epoch AND seq = :seq RETURNING 1)']
    for index, columns in enumerate(key):
        assignments = ', '.join(f'{name} = :{name}_{index}' for name in columns)
        parts.append(
            f'r{index} AS (UPDATE atoms SET {assignments} FROM g WHERE flow = :flow AND number = :number_{index}'
            ' RETURNING 1)')
    parts.append(
        f'h AS (INSERT INTO history ({", ".join(_HISTORY)}) SELECT :flow, :seq + 1, :job, :epoch, :owner,'
        ' :at, :what FROM g)')
    atoms = ' + '.join(f'(SELECT count(*) FROM r{index})' for index in range(len(key)))
    return sa.text(f'WITH {", ".join(parts)} SELECT 1 / CAST({atoms} = :atoms AS integer) FROM g')


def _mysql_step(key: Sequence[_Columns], _dialect: sa.Dialect) -> sa.ClauseElement:
    """Return the statement for one flow: a join of the job's row with those of its atoms, which meets all or none."""
    joins: list[str] = []
    assignments = ['jobs.seq = jobs.seq + 1', 'jobs.claimed_seq = jobs.claimed_seq + :idle']
    for index, columns in enumerate(key):
        joins.append(f' JOIN atoms AS a{index} ON a{index}.flow = :flow AND a{index}.number = :number_{index}')
        assignments += [f'a{index}.{name} = :{name}_{index}' for name in columns]
    return sa.text(
        f'UPDATE jobs{"".join(joins)} SET {", ".join(assignments)}'
        ' WHERE jobs.id = :job AND jobs.epoch = :epoch AND jobs.seq = :seq')


def _mysql_locks(count: int, _dialect: sa.Dialect) -> sa.ClauseElement:
    ids = ', '.join(f':id_{index}' for index in range(count))
    # Of a short table it would rather read, and lock, every row.
    return sa.text(
        f'SELECT id, epoch, seq FROM jobs FORCE INDEX (PRIMARY) WHERE id IN ({ids}) ORDER BY id FOR UPDATE SKIP LOCKED')


def _mysql_many(table: str, columns: _Columns, count: int, dialect: sa.Dialect) -> sa.ClauseElement:
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
    if table == 'jobs':
        on = 'jobs.id = c.job AND jobs.epoch = c.epoch AND jobs.seq = c.seq'
        changed = 'jobs.seq = jobs.seq + 1, jobs.claimed_seq = jobs.claimed_seq + c.idle'
    else:
        on = 'atoms.flow = c.flow AND atoms.number = c.number'
        changed = ', '.join(f'atoms.{name} = c.{name}' for name in columns[2:])
    return sa.text(f'UPDATE ({rows}) AS c STRAIGHT_JOIN {table} ON {on} SET {changed}')
