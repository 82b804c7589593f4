# SPDX-License-Identifier: Apache-2.0
"""Removing finished jobs, and all that belongs to them, in transactions of a bounded size."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from tfd import exceptions, states
from tfd.jobs.retention import OUTCOMES, Expiry
from tfd_drivers.sql import tables
from tfd_drivers.sql.database import Database

__all__ = ['SqlRetention', 'expired']

#: Rows of history and atoms that one transaction removes: a fraction of a second, and far below what a cluster
#: replicates at once.
_ROWS = 5000

#: Tables of which a flow has many rows, with the column that numbers them.
_NUMBERED = ((tables.history, tables.history.c.seq), (tables.atoms, tables.atoms.c.number))

#: By table and flow: how many rows there are, and the highest number of one.
_Sizes = dict[str, dict[str, tuple[int, int]]]


def expired(expiry: Expiry, limit: int) -> sa.Select[Any]:
    """Return the query for expired jobs, those first that have been done for longest: a range of an index."""
    jobs = tables.jobs
    return (
        sa.select(jobs.c.id, jobs.c.flow_uuid, jobs.c.book_uuid).where(*_has_expired(expiry))
        .order_by(jobs.c.updated_at, jobs.c.id).limit(limit))


def _has_expired(expiry: Expiry) -> tuple[sa.ColumnElement[bool], ...]:
    jobs = tables.jobs
    return jobs.c.state == states.COMPLETE, jobs.c.outcome == expiry.outcome, jobs.c.updated_at < expiry.before


class SqlRetention:
    """A :class:`tfd.jobs.retention.Retention` in SQL.

    A transaction deletes the rows of its jobs first: a second one that wants the same waits for it there, and then
    finds nothing to delete.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, expiry: Expiry) -> int:
        """Return how many jobs have expired."""
        query = sa.select(sa.func.count()).select_from(tables.jobs).where(*_has_expired(expiry))
        return self._database.run(lambda connection: connection.scalar(query), writing=False) or 0

    def purge(self, expiry: Expiry, limit: int) -> int:
        """Remove jobs that have expired, the oldest first."""
        def find(connection: sa.Connection) -> tuple[Sequence[Any], _Sizes]:
            """Return some of them, and how large their flows are."""
            jobs = connection.execute(expired(expiry, limit)).all()
            return jobs, _sizes(connection, [job.flow_uuid for job in jobs])

        jobs, sizes = self._database.run(find, writing=False)
        batch = jobs[:_how_many_fit([job.flow_uuid for job in jobs], sizes)]
        if batch:
            self._shrink(batch[0].flow_uuid, sizes)
            self._database.run(lambda connection: _remove_jobs(connection, batch))
        return len(batch)

    def _shrink(self, flow: str, sizes: _Sizes) -> None:
        """Remove history and atoms of a flow that has more of them than one transaction removes, up to the last ones.

        It must be certain that nobody runs it any more.
        """
        if _rows(flow, sizes) <= _ROWS:
            return
        for table, number in _NUMBERED:
            for last in range(_ROWS, sizes[table.name].get(flow, (0, 0))[1] + 1, _ROWS):
                part = sa.delete(table).where(table.c.flow == flow, number < last)
                self._database.run(functools.partial(_execute, part))

    def remove(self, job_id: str) -> None:
        """Remove this job, unless it is CLAIMED."""
        found, sizes = self._database.run(lambda connection: self._take(connection, job_id))
        self._shrink(found.flow_uuid, sizes)

        def work(connection: sa.Connection) -> None:
            """Remove what is left of it; nothing where somebody else did so meanwhile."""
            connection.execute(_unclaimed(sa.delete(tables.jobs), job_id))
            _remove_flows(connection, [found.flow_uuid], [found.book_uuid])

        self._database.run(work)

    def _take(self, connection: sa.Connection, job_id: str) -> tuple[Any, _Sizes]:
        """Return a job that nobody runs, and how large its flow is; from here on nobody claims it."""
        jobs = tables.jobs
        found = connection.execute(sa.select(jobs.c.flow_uuid, jobs.c.book_uuid, jobs.c.owner).where(
            jobs.c.id == job_id)).one_or_none()
        if found is None:
            raise exceptions.NotFound(f'no job {job_id!r} is stored')
        # It is not removed yet: where this is broken off, it can be removed by the same name.
        taken = _unclaimed(sa.update(jobs), job_id).values(state=states.COMPLETE, reason='it is being removed')
        if connection.execute(taken).rowcount != 1:
            raise exceptions.InvalidState(f'job {job_id} is claimed by {found.owner or "somebody"}')
        return found, _sizes(connection, [found.flow_uuid])

    def orphans(self, before: float, after: str, limit: int, remove: bool) -> tuple[int, str | None]:
        """Look at some of the flows, in the order of their UUIDs, for those that no job owns."""
        flows, jobs = tables.flows, tables.jobs
        query = sa.select(flows.c.uuid, flows.c.book, flows.c.state, flows.c.updated_at).where(
            flows.c.uuid > after).order_by(flows.c.uuid).limit(limit)

        def find(connection: sa.Connection) -> tuple[Sequence[Any], list[Any], _Sizes]:
            """Return what was looked at, what of it is to go, and how large that is."""
            seen = connection.execute(query).all()
            owned = set(connection.scalars(
                sa.select(jobs.c.flow_uuid).where(jobs.c.flow_uuid.in_([flow.uuid for flow in seen]))))
            orphans = [
                flow for flow in seen
                if flow.uuid not in owned and flow.state in OUTCOMES and (flow.updated_at or 0.0) < before]
            return seen, orphans, _sizes(connection, [flow.uuid for flow in orphans] if remove else [])

        seen, orphans, sizes = self._database.run(find, writing=False)
        left = orphans if remove else []
        while left:
            fit = _how_many_fit([flow.uuid for flow in left], sizes)
            self._remove_orphans([flow.uuid for flow in left[:fit]], before, sizes)
            left = left[fit:]
        return len(orphans), seen[-1].uuid if len(seen) == limit else None

    def _remove_orphans(self, uuids: Sequence[str], before: float, sizes: _Sizes) -> None:
        self._shrink(uuids[0], sizes)
        flows = tables.flows
        query = sa.select(flows.c.uuid, flows.c.book).where(
            flows.c.uuid.in_(uuids), flows.c.state.in_(OUTCOMES), sa.func.coalesce(flows.c.updated_at, 0.0) < before)

        def work(connection: sa.Connection) -> None:
            """Remove those that nobody has run again since they were found."""
            still = connection.execute(query).all()
            _remove_flows(
                connection, [flow.uuid for flow in still], {flow.book for flow in still if flow.book is not None})

        self._database.run(work)


def _execute(statement: sa.Delete, connection: sa.Connection) -> None:
    connection.execute(statement)


def _sizes(connection: sa.Connection, flows: Collection[str]) -> _Sizes:
    """Return how many steps and atoms each flow has that has any, and the highest number of one."""
    sizes: _Sizes = {}
    for table, number in _NUMBERED:
        query = sa.select(table.c.flow, sa.func.count(), sa.func.max(number)).where(
            table.c.flow.in_(flows)).group_by(table.c.flow)
        found = connection.execute(query).all() if flows else ()
        sizes[table.name] = {flow: (count, highest) for flow, count, highest in found}
    return sizes


def _rows(flow: str, sizes: _Sizes) -> int:
    """Return how many steps and atoms a flow has."""
    return sum(each.get(flow, (0, 0))[0] for each in sizes.values())


def _how_many_fit(flows: Sequence[str], sizes: _Sizes) -> int:
    """Return how many of the first flows have steps and atoms that fit into one transaction; one, at least."""
    rows = 0
    for count, flow in enumerate(flows):
        rows += _rows(flow, sizes)
        if rows > _ROWS:
            return max(1, count)
    return len(flows)


_Statement = TypeVar('_Statement', sa.Delete, sa.Update)


def _unclaimed(statement: _Statement, job_id: str) -> _Statement:
    jobs = tables.jobs
    return statement.where(jobs.c.id == job_id, jobs.c.state != states.CLAIMED)


def _remove_jobs(connection: sa.Connection, batch: Sequence[Any]) -> None:
    jobs = tables.jobs
    # In the order of their keys: two of these wait for each other and do not deadlock.
    ids = sorted(job.id for job in batch)
    connection.execute(sa.delete(jobs).where(jobs.c.id.in_(ids), jobs.c.state == states.COMPLETE))
    _remove_flows(connection, [job.flow_uuid for job in batch], {job.book_uuid for job in batch})


def _remove_flows(connection: sa.Connection, flows: Sequence[str], books: Collection[str]) -> None:
    """Remove flows, what belongs to them, and those of the logbooks that are empty then."""
    uuids = sorted(flows)
    for table in tables.OF_FLOW:
        connection.execute(sa.delete(table).where(table.c.flow.in_(uuids)))
    connection.execute(sa.delete(tables.flows).where(tables.flows.c.uuid.in_(uuids)))
    if books:
        logbooks = tables.logbooks
        used = sa.exists().where(tables.flows.c.book == logbooks.c.uuid)
        connection.execute(sa.delete(logbooks).where(logbooks.c.uuid.in_(sorted(books)), ~used))
