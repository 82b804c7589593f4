# SPDX-License-Identifier: Apache-2.0
"""Writes one step in a transaction of its own: whatever a step can hold, one statement for each kind of row."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from tfd import exceptions
from tfd.persistence import record
from tfd_drivers.sql import fence, history, tables
from tfd_drivers.sql.database import Database
from tfd_drivers.sql.statements import upsert

__all__ = ['Single', 'write']


class Single:
    """The work of a transaction that records one step of a job. It may be run again: it finds out what came of it.

    A transaction whose connection broke at its commit may have been committed. The row of the job tells: it has seen
    one write more. Nobody else writes it while it has this epoch.

    :param what: what the history says of it.
    :param before: what was known of the row before the first try, None where nothing was.
    :param doubtful: whether a try may have been committed already.
    :ivar before: the same, known once the step was tried.
    """

    def __init__(
        self, database: Database, entry: record.Entry, what: str, now: Callable[[], float],
        before: fence.Known | None, doubtful: bool,
    ) -> None:
        assert entry.fence is not None
        self._database = database
        self._entry = entry
        self._what = what
        self._fence = entry.fence
        self._now = now
        self.before = before
        self.doubtful = doubtful

    def __call__(self, connection: sa.Connection) -> None:
        """Record the step, unless it is recorded."""
        entry, database = self._entry, self._database
        if not (self._guard(connection) if entry.settlement is None else self._settle(connection, entry.settlement)):
            return
        write(database, connection, entry, self._now)
        assert self.before is not None
        history.add(database, connection, history.row(
            entry, self.before.seq + 1, self.before.owner, self._now(), self._what))

    def _settle(self, connection: sa.Connection, settlement: record.Settlement) -> bool:
        # Whose it is will not be in the row any more.
        self.before = fence.look(self._database, connection, self._fence) or self.before
        # False where it was recorded before, with all that is in this entry.
        return fence.settle(
            self._database, connection, self._fence, settlement, self._entry.progresses, self._now())

    def _guard(self, connection: sa.Connection) -> bool:
        doubtful, self.doubtful = self.doubtful, True
        progress = self._entry.progresses
        if self.before is None or doubtful:
            found = self._look(connection)
            if doubtful and self.before is not None and found.seq == self.before.seq + 1:
                return False
            self.before = found
        elif fence.guard_at(self._database, connection, self._fence, progress, self.before.seq):
            return True
        else:
            self.before = self._look(connection)
        fence.guard(self._database, connection, self._fence, progress)
        return True

    def _look(self, connection: sa.Connection) -> fence.Known:
        found = fence.look(self._database, connection, self._fence)
        if found is None:
            raise fence.lost(self._fence)
        return found


def write(database: Database, connection: sa.Connection, entry: record.Entry, now: Callable[[], float]) -> None:
    """Write the rows of a step.

    :raises NotFound: the flow, or one of its atoms, has none.
    """
    if entry.changes:
        _change_atoms(database, connection, entry)
    if entry.columns:
        _change_flow(database, connection, entry, now())
    if entry.decisions:
        _decide(database, connection, entry)


def _change_atoms(database: Database, connection: sa.Connection, entry: record.Entry) -> None:
    # By number: two transactions that change the same atoms lock them in the same order.
    grouped: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    changes = entry.changes
    for change in sorted(changes, key=_number) if len(changes) > 1 else changes:
        row = dict(zip(change.columns, change.values, strict=True))
        row['key_flow'], row['key_number'] = entry.flow, change.number
        grouped.setdefault(change.columns, []).append(row)
    for columns, rows in grouped.items():
        statement = database.statements.get(connection, ('atoms', columns), functools.partial(_update_atom, columns))
        met = statement.run(connection, rows)
        if met != len({row['key_number'] for row in rows}) and met != len(rows):
            raise exceptions.NotFound(f'flow {entry.flow!r} is recorded without some of its atoms, or not at all')


def _change_flow(database: Database, connection: sa.Connection, entry: record.Entry, now: float) -> None:
    row = dict(zip(entry.columns, entry.values, strict=True))
    row |= {'key_uuid': entry.flow, 'updated_at': now}
    columns = entry.columns
    met = database.statements.get(
        connection, ('flows', columns), lambda _dialect: _update_flow(columns)).run(connection, (row,))
    if met != 1:
        raise exceptions.NotFound(f'no flow {entry.flow!r} is recorded')


def _decide(database: Database, connection: sa.Connection, entry: record.Entry) -> None:
    if not entry.changes and not entry.columns:
        _check_flow(database, connection, entry.flow)
    # The last decision on a subject is the one that counts.
    latest = {decision.subject: decision for decision in entry.decisions}
    kept = [asdict(decision) for decision in latest.values() if decision.answer]
    gone = [{'key_flow': entry.flow, 'key_subject': decision.subject}
            for decision in latest.values() if not decision.answer]
    columns = ('attempt', 'answer')
    if kept:
        database.statements.get(
            connection, ('upsert', 'decisions', columns),
            lambda dialect: upsert(dialect, tables.decisions, ('flow', 'subject'), columns)).run(connection, kept)
    if gone:
        database.statements.get(connection, 'undecide', lambda _dialect: _delete_decision()).run(connection, gone)


def _check_flow(database: Database, connection: sa.Connection, flow: str) -> None:
    flows = tables.flows
    found = database.statements.get(
        connection, 'find flow',
        lambda _dialect: sa.select(flows.c.uuid).where(flows.c.uuid == _bind(flows.c.uuid, 'key_uuid')),
    ).select(connection, {'key_uuid': flow}).first()
    if found is None:
        raise exceptions.NotFound(f'no flow {flow!r} is recorded')


def _number(change: record.Change) -> int:
    return change.number


def _bind(column: sa.Column[Any], name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=column.type)


def _values(table: sa.Table, columns: Iterable[str]) -> dict[str, sa.BindParameter[Any]]:
    return {name: _bind(table.c[name], name) for name in columns}


def _update_atom(columns: Sequence[str], _dialect: sa.Dialect) -> sa.Update:
    atoms = tables.atoms
    return sa.update(atoms).values(_values(atoms, columns)).where(
        atoms.c.flow == _bind(atoms.c.flow, 'key_flow'), atoms.c.number == _bind(atoms.c.number, 'key_number'))


def _update_flow(columns: tuple[str, ...]) -> sa.Update:
    flows = tables.flows
    return sa.update(flows).values(_values(flows, (*columns, 'updated_at'))).where(
        flows.c.uuid == _bind(flows.c.uuid, 'key_uuid'))


def _delete_decision() -> sa.Delete:
    decisions = tables.decisions
    return sa.delete(decisions).where(
        decisions.c.flow == _bind(decisions.c.flow, 'key_flow'),
        decisions.c.subject == _bind(decisions.c.subject, 'key_subject'))
