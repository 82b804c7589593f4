# SPDX-License-Identifier: Apache-2.0
"""Steps of engines in SQL: one transaction each, which begins with the guard of the job that owns the flow."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

import sqlalchemy as sa

from tfd import exceptions
from tfd.persistence import codec as codecs
from tfd.persistence import record
from tfd_drivers.sql import tables
from tfd_drivers.sql.database import Database
from tfd_drivers.sql.statements import upsert

__all__ = ['SqlJournal', 'guard', 'settle']


class SqlJournal:
    """A :class:`tfd.persistence.base.Journal` in SQL.

    :meth:`append` is the one entrance for steps: whatever shares transactions between flows goes in there.
    """

    def __init__(self, database: Database, wall: Callable[[], float] = time.time) -> None:
        self._database = database
        self._wall = wall
        self._codec = codecs.JsonCodec(database.sizes.excess)

    @property
    def codec(self) -> codecs.JsonCodec:
        """The codec of the value fields."""
        return self._codec

    def create(
        self, flow: record.FlowRecord, atoms: Sequence[record.AtomRecord], fence: record.Fence | None = None
    ) -> None:
        """Record a flow and its atoms, or the atoms that a recorded flow has not got yet."""
        now = self._wall()
        mine = replace(flow, created_at=flow.created_at or now, updated_at=now)
        tables.check_lengths(tables.flows, mine)
        for atom in atoms:
            tables.check_lengths(tables.atoms, atom)
        self._database.run(lambda connection: self._create(connection, mine, atoms, fence))

    def _create(
        self, connection: sa.Connection, flow: record.FlowRecord, atoms: Sequence[record.AtomRecord],
        fence: record.Fence | None,
    ) -> None:
        sizes = self._database.sizes
        sizes.check_row(f'record of flow {flow.name!r}', (flow.meta,))
        for atom in atoms:
            sizes.check_row(f'record of atom {atom.name!r}', (getattr(atom, name) for name in _ATOM_VALUES))
        if fence is not None:
            guard(self._database, connection, fence, progress=False)
        if flow.book is not None:
            book = record.BookRecord(flow.book, flow.name, created_at=flow.updated_at, updated_at=flow.updated_at)
            self._upsert(connection, tables.logbooks, ('uuid',), (), [asdict(book)])
        self._upsert(connection, tables.flows, ('uuid',), ('digest', 'meta', 'updated_at'), [asdict(flow)])
        if atoms:
            self._upsert(connection, tables.atoms, ('flow', 'number'), (), [_row(atom) for atom in atoms])

    def _upsert(
        self, connection: sa.Connection, table: sa.Table, keys: tuple[str, ...], columns: tuple[str, ...],
        rows: Sequence[dict[str, Any]],
    ) -> None:
        self._database.statements.get(
            connection, ('upsert', table.name, columns), lambda dialect: upsert(dialect, table, keys, columns),
        ).run(connection, rows)

    def append(self, entry: record.Entry) -> None:
        """Record one step."""
        for decision in entry.decisions:
            tables.check_lengths(tables.decisions, decision)
        self._database.run(lambda connection: self._append(connection, entry))

    def _append(self, connection: sa.Connection, entry: record.Entry) -> None:
        fence, settlement = entry.fence, entry.settlement
        for change in entry.changes:
            self._database.sizes.check_row(f'record of atom {change.number} of flow {entry.flow}', change.values)
        if fence is not None:
            if settlement is None:
                guard(self._database, connection, fence, entry.progresses)
            elif not settle(self._database, connection, fence, settlement, entry.progresses, self._wall()):
                # It was recorded before, with all that is in this entry.
                return
        if entry.changes:
            self._change_atoms(connection, entry.flow, entry.changes)
        if entry.columns:
            self._change_flow(connection, entry)
        if entry.decisions:
            self._decide(connection, entry)

    def _change_atoms(self, connection: sa.Connection, flow: str, changes: Sequence[record.Change]) -> None:
        # By number: two transactions that change the same atoms lock them in the same order.
        grouped: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for change in sorted(changes, key=_number) if len(changes) > 1 else changes:
            row = dict(zip(change.columns, change.values, strict=True))
            row['key_flow'], row['key_number'] = flow, change.number
            grouped.setdefault(change.columns, []).append(row)
        for columns, rows in grouped.items():
            statement = self._database.statements.get(
                connection, ('atoms', columns), functools.partial(_update_atom, columns))
            met = statement.run(connection, rows)
            if met != len({row['key_number'] for row in rows}) and met != len(rows):
                raise exceptions.NotFound(f'flow {flow!r} is recorded without some of its atoms, or not at all')

    def _change_flow(self, connection: sa.Connection, entry: record.Entry) -> None:
        row = dict(zip(entry.columns, entry.values, strict=True))
        row |= {'key_uuid': entry.flow, 'updated_at': self._wall()}
        columns = entry.columns
        met = self._database.statements.get(
            connection, ('flows', columns), lambda _dialect: _update_flow(columns)).run(connection, (row,))
        if met != 1:
            raise exceptions.NotFound(f'no flow {entry.flow!r} is recorded')

    def _decide(self, connection: sa.Connection, entry: record.Entry) -> None:
        if not entry.changes and not entry.columns:
            self._find_flow(connection, entry.flow)
        # The last decision on a subject is the one that counts.
        latest = {decision.subject: decision for decision in entry.decisions}
        kept = [asdict(decision) for decision in latest.values() if decision.answer]
        gone = [{'key_flow': entry.flow,
            'key_subject': decision.subject} for decision in latest.values() if not decision.answer]
        if kept:
            self._upsert(connection, tables.decisions, ('flow', 'subject'), ('attempt', 'answer'), kept)
        if gone:
            self._database.statements.get(
                connection, 'undecide', lambda _dialect: _delete_decision()).run(connection, gone)

    def load(self, flow: str) -> record.Snapshot:
        """Return all that is recorded of the flow, read in one snapshot."""
        return self._database.run(lambda connection: self._load(connection, flow), writing=False)

    def _load(self, connection: sa.Connection, flow: str) -> record.Snapshot:
        if connection.dialect.name != 'sqlite':
            # For this transaction only, which began after whatever the caller knows of: several reads, one moment.
            connection.exec_driver_sql('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ')
        found = self._find_flow(connection, flow)
        atoms, decisions = tables.atoms, tables.decisions
        key = {'key_flow': flow}
        atom_rows = self._select(
            connection, 'load atoms', sa.select(atoms).where(atoms.c.flow == _bind(atoms.c.flow, 'key_flow'))
            .order_by(atoms.c.number), key)
        decision_rows = self._select(
            connection, 'load decisions',
            sa.select(decisions).where(decisions.c.flow == _bind(decisions.c.flow, 'key_flow')), key)
        return record.Snapshot(
            found, [record.AtomRecord(*row) for row in atom_rows],
            [record.DecisionRecord(*row) for row in decision_rows])

    def _find_flow(self, connection: sa.Connection, flow: str) -> record.FlowRecord:
        flows = tables.flows
        rows = self._select(
            connection, 'load flow', sa.select(flows).where(flows.c.uuid == _bind(flows.c.uuid, 'key_uuid')),
            {'key_uuid': flow})
        if not rows:
            raise exceptions.NotFound(f'no flow {flow!r} is recorded')
        return record.FlowRecord(*rows[0])

    def _select(
        self, connection: sa.Connection, key: str, statement: sa.Select[Any], row: dict[str, Any]
    ) -> Sequence[Iterable[Any]]:
        return self._database.statements.get(connection, key, lambda _dialect: statement).select(connection, row).all()


_ATOM_VALUES = tuple(field.name for field in fields(record.AtomRecord) if field.name in record.VALUES)
_ATOM_FIELDS = tuple(field.name for field in fields(record.AtomRecord))


def _row(atom: record.AtomRecord) -> dict[str, Any]:
    # asdict() looks into every value; these are flat.
    return {name: getattr(atom, name) for name in _ATOM_FIELDS}


def _number(change: record.Change) -> int:
    return change.number


def _bind(column: sa.Column[Any], name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=column.type)


def _values(table: sa.Table, columns: Iterable[str]) -> dict[str, sa.BindParameter[Any]]:
    return {name: _bind(table.c[name], name) for name in columns}


def _update_atom(columns: tuple[str, ...], _dialect: sa.Dialect) -> sa.Update:
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
        decisions.c.flow == _bind(decisions.c.flow, 'key_flow'), decisions.c.subject == _bind(decisions.c.subject,
            'key_subject'))


# -- the fence -------------------------------------------------------------------------------------

_ID = _bind(tables.jobs.c.id, 'key_id')
_EPOCH = _bind(tables.jobs.c.epoch, 'key_epoch')


def _guarded() -> sa.Update:
    jobs = tables.jobs
    return sa.update(jobs).where(jobs.c.id == _ID, jobs.c.epoch == _EPOCH)


def _guard(progress: bool) -> sa.Update:
    jobs = tables.jobs
    values: list[tuple[sa.Column[Any], Any]] = [(jobs.c.seq, jobs.c.seq + 1)]
    if not progress:
        # What a claim has recorded is seq - claimed_seq: this write shall not show there.
        values.append((jobs.c.claimed_seq, jobs.c.claimed_seq + 1))
    return _guarded().ordered_values(*values)


def _settle(progress: bool, counts: bool) -> sa.Update:
    jobs = tables.jobs
    names = ('state', 'outcome', 'reason', 'owner', 'connections', 'updated_at')
    values: list[tuple[Any, Any]] = [(jobs.c[name], _bind(jobs.c[name], name)) for name in names]
    values += [(jobs.c.epoch, jobs.c.epoch + 1), (jobs.c.seq, jobs.c.seq + 1)]
    if not progress:
        values.append((jobs.c.claimed_seq, jobs.c.claimed_seq + 1))
    if not counts:
        values.append((jobs.c.attempts, sa.case((jobs.c.attempts > 0, jobs.c.attempts - 1), else_=0)))
    return _guarded().ordered_values(*values)


def guard(database: Database, connection: sa.Connection, fence: record.Fence, progress: bool) -> None:
    """Begin a transaction under a fence: write the job's row where it still has the epoch.

    A write, not a lock: a lock does not travel between the nodes of a cluster, and a reader of the row is not stopped
    by one.

    :param progress: whether the transaction records something that a later attempt would not have to do again.
    :raises OwnershipLost: it has another epoch.
    """
    met = database.statements.get(
        connection, ('guard', progress), lambda _dialect: _guard(progress),
    ).run(connection, ({'key_id': fence.job, 'key_epoch': fence.epoch},))
    if met != 1:
        raise exceptions.OwnershipLost(fence.job, fence.epoch, 'its row has another epoch by now')


def settle(
    database: Database, connection: sa.Connection, fence: record.Fence, settlement: record.Settlement, progress: bool,
    now: float
) -> bool:
    """Give a job back, as the guard of a last transaction.

    :returns: False where this claim gave it back before: an answer was lost, and all is recorded.
    :raises OwnershipLost: the fence does not hold.
    """
    row = {
        'key_id': fence.job, 'key_epoch': fence.epoch, 'state': settlement.state, 'outcome': settlement.outcome,
        'reason': settlement.reason, 'owner': '', 'connections': '', 'updated_at': now,
    }
    key = (progress, settlement.counts)
    met = database.statements.get(
        connection, ('settle', *key), lambda _dialect: _settle(*key)).run(connection, (row,))
    if met == 1:
        return True
    jobs = tables.jobs
    found = connection.execute(
        sa.select(jobs.c.epoch, jobs.c.claim_id, jobs.c.state).where(jobs.c.id == fence.job)).one_or_none()
    if found is not None and tuple(found) == (fence.epoch + 1, settlement.claim_id, settlement.state):
        return False
    raise exceptions.OwnershipLost(fence.job, fence.epoch, 'its row has another epoch by now')
