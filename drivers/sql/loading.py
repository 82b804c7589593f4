# SPDX-License-Identifier: Apache-2.0
"""Reads all that is recorded of a flow, in one snapshot."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from tfd import exceptions
from tfd.persistence import record
from tfd_drivers.sql import tables
from tfd_drivers.sql.database import Database

__all__ = ['load']

_FIELDS = tuple(field.name for field in fields(record.AtomRecord))

#: Atoms that MariaDB puts into one row of an answer.
_TOGETHER = 200


def load(database: Database, connection: sa.Connection, flow: str) -> record.Snapshot:
    """Return all that is recorded of the flow.

    :raises NotFound: no such flow.
    """
    # It began after whatever the caller knows of: several reads, one moment.
    for statement in database.dialect.reading:
        connection.exec_driver_sql(statement)

    def select(key: str, build: Callable[[], sa.ClauseElement]) -> Sequence[Any]:
        statement = database.statements.get(connection, key, lambda _dialect: build())
        return statement.select(connection, {'key_flow': flow}).all()

    found = select('load flow', lambda: _of_flow(tables.flows, tables.flows.c.uuid))
    if not found:
        raise exceptions.NotFound(f'no flow {flow!r} is recorded')
    rows: Iterable[Any] | None = None
    if connection.dialect.name == 'mysql':
        rows = _unpacked(select('load atoms together', _together))
    if rows is None:
        rows = select('load atoms', lambda: _of_flow(tables.atoms, tables.atoms.c.flow).order_by(tables.atoms.c.number))
    decisions = select('load decisions', lambda: _of_flow(tables.decisions, tables.decisions.c.flow))
    return record.Snapshot(
        record.FlowRecord(*found[0]), [record.AtomRecord(*row) for row in rows],
        [record.DecisionRecord(*row) for row in decisions])


def _of_flow(table: sa.Table[Any], column: sa.Column[Any]) -> sa.Select[Any]:
    return sa.select(table).where(column == sa.bindparam('key_flow', type_=column.type))


def _together() -> sa.TextClause:
    """Return the query for atoms of which many are one row, as JSON.

    PyMySQL reads rows and columns by Python code; of a large flow that takes longer than all else. (PostgreSQL's and
    SQLite's clients are written in C.)
    """
    columns = ', '.join(_FIELDS)
    return sa.text(
        f'SELECT COUNT(*), GROUP_CONCAT(JSON_ARRAY({columns}) ORDER BY number) FROM atoms WHERE flow = :key_flow'
        f' GROUP BY number DIV {_TOGETHER} ORDER BY number DIV {_TOGETHER}')


def _unpacked(groups: Iterable[tuple[int, str | None]]) -> list[list[Any]] | None:
    """Return the rows that were put together; None where the server has cut some off, which it does in silence."""
    rows: list[list[Any]] = []
    for count, text in groups:
        try:
            group = json.loads(f'[{text or ""}]')
        except ValueError:
            return None
        if len(group) != count:
            return None
        rows += group
    return rows
