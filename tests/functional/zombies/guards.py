# SPDX-License-Identifier: Apache-2.0
"""What might be taken for a guard, in its place: to show that the races tell it from one."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator
from unittest import mock

import sqlalchemy as sa

from tfd.persistence.record import Entry, Fence
from tfd_drivers.sql import fence as fences
from tfd_drivers.sql import steps, tables
from tfd_drivers.sql.journal import SqlJournal

__all__ = ['Guard', 'instead', 'locked', 'nothing', 'shared', 'unlocked']

Guard = Callable[[sa.Connection, Fence], None]


def nothing(_connection: sa.Connection, _fence: Fence) -> None:
    """Let everything pass."""


def _epoch(fence: Fence) -> sa.Select[tuple[int]]:
    jobs = tables.jobs
    return sa.select(jobs.c.epoch).where(jobs.c.id == fence.job, jobs.c.epoch == fence.epoch)


def _check(connection: sa.Connection, fence: Fence, query: sa.Select[tuple[int]] | sa.TextClause) -> None:
    if connection.execute(query).one_or_none() is None:
        raise fences.lost(fence)


def unlocked(connection: sa.Connection, fence: Fence) -> None:
    """Read the job's row."""
    _check(connection, fence, _epoch(fence))


def locked(connection: sa.Connection, fence: Fence) -> None:
    """Read the job's row, and keep others from it until the end of the transaction."""
    _check(connection, fence, _epoch(fence).with_for_update())


def shared(connection: sa.Connection, fence: Fence) -> None:
    """Read the job's row, and keep others from changing it, as MariaDB says it."""
    jobs = tables.jobs
    _check(connection, fence, sa.text(
        'SELECT epoch FROM jobs WHERE id = :id AND epoch = :epoch LOCK IN SHARE MODE').bindparams(
            sa.bindparam('id', fence.job, type_=jobs.c.id.type), sa.bindparam('epoch', fence.epoch)))


@contextlib.contextmanager
def instead(guard: Guard) -> Iterator[None]:
    """Have every step of a job written behind this and nothing else, for a ``with`` block."""
    def append(self: SqlJournal, entry: Entry) -> None:
        database, fence = self._database, entry.fence
        assert fence is not None

        def write(connection: sa.Connection) -> None:
            guard(connection, fence)
            steps.write(database, connection, dataclasses.replace(entry, fence=None), time.time)

        database.run(write)

    with mock.patch.object(SqlJournal, 'append', append):
        yield
