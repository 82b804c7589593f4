# SPDX-License-Identifier: Apache-2.0
"""Rows of logbooks, flows and atoms, for their users' connections. Not on the path of a running flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from tfd import exceptions, states
from tfd.persistence import record
from tfd_drivers.sql import fence, tables
from tfd_drivers.sql.database import Database
from tfd_drivers.sql.statements import upsert

__all__ = ['SqlRows']


class SqlRows:
    """The :class:`tfd.persistence.logbooks.Rows` of a transaction."""

    def __init__(self, database: Database, connection: sa.Connection) -> None:
        self._database = database
        self._connection = connection

    def books(self, uuid: str | None = None) -> list[record.BookRecord]:
        """Return this book, or every book, oldest first."""
        table = tables.logbooks
        query = sa.select(table).order_by(table.c.created_at, table.c.uuid)
        if uuid is not None:
            query = query.where(table.c.uuid == uuid)
        return [record.BookRecord(*row) for row in self._connection.execute(query)]

    def flows(self, book: str | None = None, uuid: str | None = None) -> list[record.FlowRecord]:
        """Return the flows of a book, oldest first, or this flow."""
        table = tables.flows
        wanted = table.c.uuid == uuid if uuid is not None else table.c.book == book
        query = sa.select(table).where(wanted).order_by(table.c.created_at, table.c.uuid)
        return [record.FlowRecord(*row) for row in self._connection.execute(query)]

    def atoms(self, flow: str | None = None, uuid: str | None = None) -> list[record.AtomRecord]:
        """Return the atoms of a flow, in the order of their numbers, or this atom."""
        table = tables.atoms
        wanted = table.c.flow == flow if flow is not None else table.c.uuid == uuid
        query = sa.select(table).where(wanted).order_by(table.c.flow, table.c.number)
        return [record.AtomRecord(*row) for row in self._connection.execute(query)]

    def claim(self, flow: str) -> tuple[str, str] | None:
        """Return job and owner of a flow whose job is CLAIMED; keep a job of another state from being claimed."""
        jobs = tables.jobs
        query = sa.select(jobs.c.id, jobs.c.epoch, jobs.c.state, jobs.c.owner).where(jobs.c.flow_uuid == flow)
        found = self._connection.execute(query).first()
        if found is not None and found.state not in (states.CLAIMED, states.COMPLETE):
            try:
                # A claim waits for this write, and loads what this transaction has written.
                fence.guard(self._database, self._connection, record.Fence(found.id, found.epoch), progress=False)
            except exceptions.OwnershipLost:
                found = self._connection.execute(query).first()
        return (found.id, found.owner) if found is not None and found.state == states.CLAIMED else None

    def put_book(self, book: record.BookRecord) -> None:
        """Insert or replace a book."""
        self._put(tables.logbooks, ('uuid',), (book,))

    def put_flow(self, flow: record.FlowRecord) -> None:
        """Insert or replace a flow."""
        self._put(tables.flows, ('uuid',), (flow,))

    def put_atoms(self, atoms: Sequence[record.AtomRecord]) -> None:
        """Insert or replace atoms, by flow and number."""
        self._put(tables.atoms, ('flow', 'number'), atoms)

    def _put(self, table: sa.Table, keys: tuple[str, ...], records: Sequence[Any]) -> None:
        for row in records:
            tables.check_lengths(table, row)
            self._database.sizes.check_row(
                f'row of {row.name!r} in {table.name}', (getattr(row, name, None) for name in record.VALUES))
        if not records:
            return
        names = [field.name for field in fields(records[0])]
        changed = tuple(name for name in names if name not in keys)
        self._database.statements.get(
            self._connection, ('upsert', table.name, changed), lambda dialect: upsert(dialect, table, keys, changed),
        ).run(self._connection, [{name: getattr(row, name) for name in names} for row in records])

    def delete_book(self, uuid: str) -> None:
        """Remove a book, its flows, their atoms and what was decided in them."""
        flows = tables.flows
        mine = sa.select(flows.c.uuid).where(flows.c.book == uuid)
        for table in tables.OF_FLOW:
            self._connection.execute(sa.delete(table).where(table.c.flow.in_(mine)))
        self._connection.execute(sa.delete(flows).where(flows.c.book == uuid))
        self._connection.execute(sa.delete(tables.logbooks).where(tables.logbooks.c.uuid == uuid))

    def clear(self) -> None:
        """Remove every book, flow and atom that no job owns."""
        jobs, flows, logbooks = tables.jobs, tables.flows, tables.logbooks
        owned = sa.select(jobs.c.flow_uuid)
        for table in tables.OF_FLOW:
            self._connection.execute(sa.delete(table).where(table.c.flow.not_in(owned)))
        self._connection.execute(sa.delete(flows).where(flows.c.uuid.not_in(owned)))
        self._connection.execute(sa.delete(logbooks).where(logbooks.c.uuid.not_in(sa.select(jobs.c.book_uuid))))
