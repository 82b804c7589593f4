# SPDX-License-Identifier: Apache-2.0
"""Rows of the history: one for each step of a job, written with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from tfd.persistence import record
from tfd_drivers.sql import tables
from tfd_drivers.sql.database import Database

__all__ = ['add', 'insert', 'is_trimmed', 'load', 'row']

#: Steps of a flow that are kept, the last ones, and after how many the older ones are removed.
_KEPT = 10_000
_TRIM = 1_000


def is_trimmed(seq: int) -> bool:
    """Tell whether older rows are to be removed with this step."""
    return seq % _TRIM == 0


def row(entry: record.Entry, seq: int, owner: str, now: float, what: str) -> dict[str, Any]:
    """Return the row of a step.

    :param seq: how many writes the row of the job has seen, with this one.
    :param what: what :func:`tfd.persistence.history.described` says.
    """
    assert entry.fence is not None
    return {
        'flow': entry.flow, 'seq': seq, 'job': entry.fence.job, 'epoch': entry.fence.epoch, 'owner': owner, 'at': now,
        'what': what}


def insert(_dialect: sa.Dialect) -> sa.ClauseElement:
    """Return the statement that adds a row."""
    table = tables.history
    return sa.insert(table).values({column.name: sa.bindparam(column.name, type_=column.type) for column in table.c})


def add(database: Database, connection: sa.Connection, values: dict[str, Any]) -> None:
    """Add a row, and remove what is too old to be kept."""
    database.statements.get(connection, 'history', insert).run(connection, (values,))
    if is_trimmed(values['seq']):
        table = tables.history
        connection.execute(sa.delete(table).where(
            table.c.flow == values['flow'], table.c.seq <= values['seq'] - _KEPT))


def load(connection: sa.Connection, flow: str, after: int, limit: int) -> Sequence[record.StepRecord]:
    """Return rows of a flow in their order: a range of the primary key."""
    table = tables.history
    found = connection.execute(
        sa.select(table).where(table.c.flow == flow, table.c.seq > after).order_by(table.c.seq, table.c.job)
        .limit(limit))
    return [record.StepRecord(*values) for values in found]
