# SPDX-License-Identifier: Apache-2.0
"""What the ways of recording steps on the different databases have in common."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa

from tfd_drivers.sql import history
from tfd_drivers.sql.groups import Item

__all__ = [
    'GUARD', 'HISTORY', 'WRITTEN', 'Build', 'Columns', 'IncompleteError', 'Row', 'Send', 'atoms_by_columns', 'doubt',
    'guard_row', 'history_row', 'row_of_one',
]

Row: TypeAlias = dict[str, Any]
Columns: TypeAlias = tuple[str, ...]
Build: TypeAlias = Callable[[sa.Dialect], sa.ClauseElement]
#: Sends the statement of a key, which is built when it is first asked for, with these rows of parameters; returns how
#: many rows it met.
Send: TypeAlias = Callable[[Any, Hashable, Build, Sequence[Row]], int]

GUARD = ('job', 'epoch', 'seq', 'idle')
HISTORY = ('flow', 'seq', 'job', 'epoch', 'owner', 'at', 'what')
#: What is no progress shall not show in ``seq - claimed_seq``, which is what a claim has recorded.
WRITTEN = 'seq = jobs.seq + 1, claimed_seq = jobs.claimed_seq'


class IncompleteError(Exception):
    """A flow, or one of its atoms, has no row. Whoever writes alone finds out whose."""


def doubt(items: Sequence[Item]) -> None:
    """Take down that, from now on, these may be recorded."""
    for item in items:
        item.doubtful = True


def guard_row(item: Item) -> Row:
    """Return the parameters of a guard."""
    return {'job': item.fence.job, 'epoch': item.fence.epoch, 'seq': item.before.seq, 'idle': item.idle}


def history_row(item: Item) -> Row:
    """Return the row of the history."""
    return history.row(item.entry, item.before.seq + 1, item.before.owner, item.at, item.what)


def atoms_by_columns(items: Iterable[Item]) -> dict[Columns, list[Row]]:
    """Return the rows of all atoms that change, by what changes."""
    grouped: dict[Columns, list[Row]] = {}
    for item in items:
        flow = item.entry.flow
        for change in item.entry.changes:
            row = dict(zip(change.columns, change.values, strict=True))
            row['flow'], row['number'] = flow, change.number
            grouped.setdefault(change.columns, []).append(row)
    return grouped


def row_of_one(item: Item) -> tuple[Row, tuple[bool, tuple[Columns, ...]]]:
    """Return the parameters of the statement of one flow, and what tells that statement from others.

    Those of its atoms are named by their place in the step.
    """
    changes = item.entry.changes
    row = guard_row(item)
    row |= {'flow': item.entry.flow, 'owner': item.before.owner, 'at': item.at, 'what': item.what, 'rows': item.rows}
    if item.state is not None:
        row['state'] = item.state
    for index, change in enumerate(changes):
        row[f'number_{index}'] = change.number
        for name, value in zip(change.columns, change.values, strict=True):
            row[f'{name}_{index}'] = value
    return row, (item.state is not None, tuple([change.columns for change in changes]))
