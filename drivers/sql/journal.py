# SPDX-License-Identifier: Apache-2.0
"""Steps of engines in SQL: all of a step is in one transaction, behind the guard of the job that owns the flow."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

import sqlalchemy as sa

from tfd import exceptions
from tfd.persistence import codec as codecs
from tfd.persistence import history, record
from tfd_drivers.sql import history as rows
from tfd_drivers.sql import loading, steps, tables
from tfd_drivers.sql.database import Database
from tfd_drivers.sql.fence import Known, Sequences, guard, look, lost
from tfd_drivers.sql.groups import Group
from tfd_drivers.sql.quick import QuickWriter
from tfd_drivers.sql.statements import upsert

__all__ = ['SqlJournal']


class SqlJournal:
    """A :class:`tfd.persistence.base.Journal` in SQL.

    :meth:`append` is the one entrance for steps. Those of jobs that change atoms and nothing else share transactions
    with others that come at the same time.
    """

    def __init__(self, database: Database, wall: Callable[[], float] = time.time) -> None:
        self._database = database
        self._sequences = Sequences()
        self._quick = QuickWriter(database)
        self._group = Group(self._quick)
        self._wall = wall
        self._codec = codecs.JsonCodec(database.sizes.excess, database.settings.sealing)

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
        if fence is not None:
            self._sequences.forget(fence)
        before = self._database.run(lambda connection: self._create(connection, mine, atoms, fence))
        if fence is not None and before is not None:
            self._sequences.wrote(fence, before)

    def _create(
        self, connection: sa.Connection, flow: record.FlowRecord, atoms: Sequence[record.AtomRecord],
        fence: record.Fence | None,
    ) -> Known | None:
        """Do so; return what was known of the row of the job before."""
        before = None
        sizes = self._database.sizes
        sizes.check_row(f'record of flow {flow.name!r}', (flow.meta,))
        for atom in atoms:
            sizes.check_row(f'record of atom {atom.name!r}', (getattr(atom, name) for name in _ATOM_VALUES))
        if fence is not None:
            before = look(self._database, connection, fence)
            if before is None:
                raise lost(fence)
            guard(self._database, connection, fence, progress=False)
        if flow.book is not None:
            book = record.BookRecord(flow.book, flow.name, created_at=flow.updated_at, updated_at=flow.updated_at)
            self._upsert(connection, tables.logbooks, ('uuid',), (), [asdict(book)])
        self._upsert(connection, tables.flows, ('uuid',), ('digest', 'meta', 'updated_at'), [asdict(flow)])
        if atoms:
            self._upsert(connection, tables.atoms, ('flow', 'number'), (), [_row(atom) for atom in atoms])
        return before

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
        if entry.fence is None:
            self._database.run(lambda connection: self._write(connection, entry))
            return
        what = history.described(entry, self._failure_text)
        before = self._sequences.get(entry.fence)
        item = None if before is None else self._quick.item(entry, before, what, self._wall())
        if item is not None:
            self._group.write(item)
            if item.recorded:
                self._sequences.wrote(entry.fence, item.before)
                return
            if item.doubtful:
                self._sequences.doubt(entry.fence, entry, item.before)
            if item.error is not None:
                raise item.error
        self._append_alone(entry, entry.fence, what)

    def _write(self, connection: sa.Connection, entry: record.Entry) -> None:
        self._check_sizes(entry)
        steps.write(self._database, connection, entry, self._wall)

    def _check_sizes(self, entry: record.Entry) -> None:
        for change in entry.changes:
            self._database.sizes.check_row(f'record of atom {change.number} of flow {entry.flow}', change.values)

    def _failure_text(self, stored: Any) -> str:
        try:
            failure = self._codec.decode(stored)
            return f'{next(iter(failure))}: {failure.exception_str}'
        except Exception:
            # What cannot be read again is no reason not to record that it happened.
            return ''

    def _append_alone(self, entry: record.Entry, held: record.Fence, what: str) -> None:
        """Record a step in a transaction of its own."""
        before = self._sequences.doubted(entry)
        single = steps.Single(
            self._database, entry, what, self._wall, self._sequences.get(held) if before is None else before,
            doubtful=before is not None)

        def work(connection: sa.Connection) -> None:
            self._check_sizes(entry)
            single(connection)

        try:
            self._database.run(work)
        except BaseException as error:
            if isinstance(error, exceptions.StorageUnavailable) and single.before is not None:
                self._sequences.doubt(held, entry, single.before)
            else:
                self._sequences.forget(held)
            raise
        if single.before is not None and entry.settlement is None:
            self._sequences.wrote(held, single.before)
        else:
            self._sequences.forget(held)

    def history(self, flow: str, after: int = 0, limit: int = 1000) -> Sequence[record.StepRecord]:
        """Return what the steps of a job's flow did, oldest first."""
        return self._database.run(lambda connection: rows.load(connection, flow, after, limit), writing=False)

    def load(self, flow: str) -> record.Snapshot:
        """Return all that is recorded of the flow, read in one snapshot."""
        return self._database.run(lambda connection: loading.load(self._database, connection, flow), writing=False)


_ATOM_VALUES = tuple(field.name for field in fields(record.AtomRecord) if field.name in record.VALUES)
_ATOM_FIELDS = tuple(field.name for field in fields(record.AtomRecord))


def _row(atom: record.AtomRecord) -> dict[str, Any]:
    # asdict() looks into every value; these are flat.
    return {name: getattr(atom, name) for name in _ATOM_FIELDS}
