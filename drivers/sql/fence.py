# SPDX-License-Identifier: Apache-2.0
"""The fence: no transaction of an engine records anything that does not write the row of the job that it runs."""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa

from tfd import exceptions
from tfd.persistence import record
from tfd_drivers.sql import tables
from tfd_drivers.sql.database import Database

__all__ = ['Known', 'Sequences', 'guard', 'guard_at', 'look', 'lost', 'settle']


def _bind(column: sa.Column[Any], name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=column.type)


_ID = _bind(tables.jobs.c.id, 'key_id')
_EPOCH = _bind(tables.jobs.c.epoch, 'key_epoch')
_SEQ = _bind(tables.jobs.c.seq, 'key_seq')
#: Jobs of which a process knows the number of writes; far above what it runs at once.
_KNOWN = 10_000


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


def _sequence() -> sa.Select[Any]:
    jobs = tables.jobs
    return sa.select(jobs.c.seq, jobs.c.owner).where(jobs.c.id == _ID, jobs.c.epoch == _EPOCH).with_for_update()


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
        raise lost(fence)


def guard_at(
    database: Database, connection: sa.Connection, fence: record.Fence, progress: bool, before: int,
) -> bool:
    """Do the same where the row has seen just so many writes; return whether it has."""
    return 1 == database.statements.get(
        connection, ('guard at', progress), lambda _dialect: _guard(progress).where(tables.jobs.c.seq == _SEQ),
    ).run(connection, ({'key_id': fence.job, 'key_epoch': fence.epoch, 'key_seq': before},))


class Known(NamedTuple):
    """What is known of a job's row: how many writes it has seen, and the incarnation that owns it."""

    seq: int
    owner: str


def look(database: Database, connection: sa.Connection, fence: record.Fence) -> Known | None:
    """Return what is to be known of a job's row, once no other transaction writes it; keep it so until the end.

    A transaction whose commit was not answered may still go on in the server: it holds the row, and is waited for.

    :returns: None where it has another epoch.
    """
    found = database.statements.get(connection, 'sequence', lambda _dialect: _sequence()).select(
        connection, {'key_id': fence.job, 'key_epoch': fence.epoch}).one_or_none()
    return None if found is None else Known(found.seq, found.owner)


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
    raise lost(fence)


def lost(fence: record.Fence) -> exceptions.OwnershipLost:
    """Return the error of whoever writes under a fence that holds no more."""
    return exceptions.OwnershipLost(fence.job, fence.epoch, 'its row has another epoch by now')


class Sequences:
    """How many writes the rows of the jobs have seen that this process runs. Safe to use from any thread.

    What is forgotten, or was never known, is read from the row.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, Known]] = {}
        self._doubts: dict[str, tuple[record.Entry, Known]] = {}

    def get(self, fence: record.Fence) -> Known | None:
        """Return what is known of the job under this epoch."""
        known = self._known.get(fence.job)
        return known[1] if known is not None and known[0] == fence.epoch else None

    def wrote(self, fence: record.Fence, before: Known) -> None:
        """Take down that the row has seen one write more."""
        self._doubts.pop(fence.job, None)
        if len(self._known) >= _KNOWN and fence.job not in self._known:
            self._known.pop(next(iter(list(self._known))), None)
        self._known[fence.job] = (fence.epoch, before._replace(seq=before.seq + 1))

    def forget(self, fence: record.Fence) -> None:
        """Know nothing of a job any more."""
        self._known.pop(fence.job, None)
        self._doubts.pop(fence.job, None)

    def doubt(self, fence: record.Fence, entry: record.Entry, before: Known) -> None:
        """Take down that it is not known whether this step was recorded."""
        self.forget(fence)
        self._doubts[fence.job] = (entry, before)

    def doubted(self, entry: record.Entry) -> Known | None:
        """Return what was known before this step may have been recorded, None where there is no doubt."""
        assert entry.fence is not None
        doubt = self._doubts.get(entry.fence.job)
        return doubt[1] if doubt is not None and doubt[0] == entry else None
