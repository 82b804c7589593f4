# SPDX-License-Identifier: Apache-2.0
"""Removing finished jobs, and all that belongs to them, in transactions of a bounded size."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from tfd import exceptions, states
from tfd.jobs.retention import OUTCOMES, Expiry
from tfd_drivers.sql import tables
from tfd_drivers.sql.database import Database

__all__ = ['SqlRetention', 'expired']

#: Rows of history and atoms that one transaction removes: a fraction of a second, and far below what a cluster
#: replicates at once.
_ROWS = 5000

#: Tables whose rows belong to a flow.
_OF_FLOW = (tables.history, tables.decisions, tables.atoms)

#: Those of them that have many, with the column that numbers them.
_NUMBERED = ((tables.history, tables.history.c.seq), (tables.atoms, tables.atoms.c.number))

_Job = Sequence[Any]
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
        def find(connection: sa.Connection) -> tuple[Sequence[_Job], _Sizes]:
            jobs = connection.execute(expired(expiry, limit)).all()
            return jobs, _sizes(connection, [job[1] for job in jobs])

        jobs, sizes = self._database.run(find, writing=False)
        batch = _as_many_as_fit(jobs, sizes)
        if batch:
            self._shrink(batch[0][1], sizes)
            self._database.run(lambda connection: _remove_jobs(connection, batch))
        return len(batch)

    def _shrink(self, flow: str, sizes: _Sizes) -> None:
        """Remove history and atoms of a flow that has more of them than one transaction removes."""
        for table, number in _NUMBERED:
            for last in range(_ROWS, sizes[table.name].get(flow, (0, 0))[1] + 1, _ROWS):
                part = sa.delete(table).where(table.c.flow == flow, number < last)
                self._database.run(functools.partial(_execute, part))

    def remove(self, job_id: str) -> None:
        """Remove this job, unless it is CLAIMED."""
        jobs = tables.jobs
        query = sa.select(jobs.c.id, jobs.c.flow_uuid, jobs.c.book_uuid, jobs.c.state, jobs.c.owner).where(
            jobs.c.id == job_id)
        gone = sa.delete(jobs).where(jobs.c.id == job_id, jobs.c.state != states.CLAIMED)

        def work(connection: sa.Connection) -> None:
            found = connection.execute(query).one_or_none()
            if found is None:
                raise exceptions.NotFound(f'no job {job_id!r} is stored')
            if connection.execute(gone).rowcount != 1:
                raise exceptions.InvalidState(f'job {job_id} is claimed by {found.owner or "somebody"}')
            _remove_flows(connection, [found.flow_uuid], [found.book_uuid])

        self._database.run(work)

    def orphans(self, before: float, after: str, limit: int, remove: bool) -> tuple[int, str | None]:
        """Look at some of the flows, in the order of their UUIDs, for those that no job owns."""
        flows, jobs = tables.flows, tables.jobs
        query = sa.select(flows.c.uuid, flows.c.book, flows.c.state, flows.c.updated_at).where(
            flows.c.uuid > after).order_by(flows.c.uuid).limit(limit)

        def work(connection: sa.Connection) -> tuple[int, str | None]:
            found = connection.execute(query).all()
            owned = set(connection.scalars(
                sa.select(jobs.c.flow_uuid).where(jobs.c.flow_uuid.in_([flow.uuid for flow in found]))))
            orphans = [
                flow for flow in found
                if flow.uuid not in owned and flow.state in OUTCOMES and (flow.updated_at or 0.0) < before]
            if remove and orphans:
                books = {flow.book for flow in orphans if flow.book is not None}
                _remove_flows(connection, [flow.uuid for flow in orphans], books)
            return len(orphans), found[-1].uuid if len(found) == limit else None

        return self._database.run(work, writing=remove)


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


def _as_many_as_fit(jobs: Sequence[_Job], sizes: _Sizes) -> Sequence[_Job]:
    """Return the first job, and those after it whose steps and atoms fit into the same transaction."""
    rows = 0
    for count, job in enumerate(jobs):
        rows += sum(each.get(job[1], (0, 0))[0] for each in sizes.values())
        if rows > _ROWS:
            return jobs[:max(1, count)]
    return jobs


def _remove_jobs(connection: sa.Connection, batch: Sequence[_Job]) -> None:
    jobs = tables.jobs
    # In the order of their keys: two of these wait for each other and do not deadlock.
    ids = sorted(job[0] for job in batch)
    connection.execute(sa.delete(jobs).where(jobs.c.id.in_(ids), jobs.c.state == states.COMPLETE))
    _remove_flows(connection, [job[1] for job in batch], {job[2] for job in batch})


def _remove_flows(connection: sa.Connection, flows: Sequence[str], books: Collection[str]) -> None:
    """Remove flows, what belongs to them, and those of the logbooks that are empty then."""
    uuids = sorted(flows)
    for table in _OF_FLOW:
        connection.execute(sa.delete(table).where(table.c.flow.in_(uuids)))
    connection.execute(sa.delete(tables.flows).where(tables.flows.c.uuid.in_(uuids)))
    if books:
        logbooks = tables.logbooks
        used = sa.exists().where(tables.flows.c.book == logbooks.c.uuid)
        connection.execute(sa.delete(logbooks).where(logbooks.c.uuid.in_(sorted(books)), ~used))
