# SPDX-License-Identifier: Apache-2.0
"""The statements of the job store: each is answered from an index, however many jobs there are.

A condition on several shards, states or ranges of owners together with an order and a limit makes a database sort all
that meet it; here each of them is asked for in its own order and with the limit, and only those few are put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from tfd import states
from tfd.jobs import record
from tfd_drivers.sql import tables

__all__ = ['claim', 'orphans', 'page', 'pending']

_CANDIDATE = tuple(field.name for field in fields(record.Candidate))


def _bind(column: str, name: str | None = None) -> sa.BindParameter[Any]:
    return sa.bindparam(name or column, type_=tables.jobs.c[column].type)


def _limit() -> sa.BindParameter[int]:
    # Not an expression that is rendered when it is run: prepared statements are text.
    return sa.bindparam('limit', type_=sa.Integer)


def _together(parts: Sequence[sa.Select[Any]]) -> sa.Subquery:
    """Return the rows of these limited selects. Each is wrapped: SQLite knows no limit inside a UNION."""
    wrapped = [sa.select(part.subquery(f'part_{index}')) for index, part in enumerate(parts)]
    return (wrapped[0] if len(wrapped) == 1 else sa.union_all(*wrapped)).subquery('parts')


def pending(shards: int) -> sa.Select[Any]:
    """Return the query for candidates of this many shards.

    Jobs whose time has not come are not even looked at. Those whose time has come are sorted, all of them: usually few,
    since somebody claims them. Parameters: ``state``, ``now``, ``limit``, ``in_0``, ``in_1``, …
    """
    jobs = tables.jobs
    columns = [*(jobs.c[name] for name in _CANDIDATE), jobs.c.priority, jobs.c.created_at]
    order = (jobs.c.priority.desc(), jobs.c.created_at, jobs.c.id)
    wanted = [_bind('shard', f'in_{index}') for index in range(shards)]
    pending = sa.select(*columns).where(jobs.c.state == _bind('state'))
    parts = [
        pending.where(jobs.c.shard == shard, jobs.c.not_before == sa.literal_column('0')).order_by(*order)
        .limit(_limit()) for shard in wanted
    ]
    parts.append(
        pending.where(
            jobs.c.shard.in_(wanted), jobs.c.not_before > sa.literal_column('0'),
            jobs.c.not_before <= _bind('not_before', 'now'))
        .order_by(*order).limit(_limit()))
    found = _together(parts)
    return sa.select(*(found.c[name] for name in _CANDIDATE)).order_by(
        found.c.priority.desc(), found.c.created_at, found.c.id).limit(_limit())


def orphans(living: int) -> sa.Select[Any]:
    """Return the query for candidates whose owner is none of this many.

    The living owners, in order, leave gaps between them: each gap is a range of the index on owners, so that the jobs
    of the living are not even looked at. Parameters: ``state``, ``limit``, ``living_0``, ``living_1``, … in order.
    """
    jobs = tables.jobs
    owner = jobs.c.owner
    owners = [_bind('owner', f'living_{index}') for index in range(living)]
    gaps = [
        sa.and_(owner > after, owner < before) for after, before in zip(['', *owners], [*owners, None], strict=True)
        if before is not None
    ]
    gaps.append(owner > (owners[-1] if owners else ''))
    columns = [jobs.c[name] for name in _CANDIDATE]
    parts = [
        sa.select(*columns).where(gap, jobs.c.state == _bind('state')).order_by(owner, jobs.c.created_at,
            jobs.c.id).limit(_limit())
        for gap in gaps
    ]
    found = _together(parts)
    return sa.select(*(found.c[name] for name in _CANDIDATE)).order_by(found.c.owner, found.c.id).limit(_limit())


def page(query: record.JobQuery, before: Any) -> sa.Select[Any]:
    """Return the query for a page of a list, newest first.

    :param before: the row of the last job of the page above, None for the first page.
    """
    jobs = tables.jobs
    wanted: list[sa.ColumnElement[bool]] = []
    if query.owner is not None:
        wanted.append(jobs.c.owner == query.owner)
    if before is not None:
        wanted.append(sa.or_(
            jobs.c.created_at < before.created_at, sa.and_(jobs.c.created_at == before.created_at,
                jobs.c.id < before.id)))
        # Said once more in a way that every optimizer takes for the end of an index range.
        wanted.append(jobs.c.created_at <= before.created_at)
    newest = sa.select(jobs).where(*wanted).order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(
        max(0, query.limit))
    parts = [newest.where(jobs.c.state == state) for state in sorted(set(query.states))]
    if len(parts) < 2:
        # Not as a part of something: SQLite would copy all of it twice.
        return parts[0] if parts else newest
    found = _together(parts)
    return sa.select(found).order_by(found.c.created_at.desc(), found.c.id.desc()).limit(max(0, query.limit))


def claim() -> sa.Update:
    """Return the update that changes the owner. Parameters: ``key_id``, ``key_epoch`` and the new values."""
    jobs = tables.jobs
    # In this order: MySQL evaluates from left to right and with the new values.
    attempts = sa.case((jobs.c.seq > jobs.c.claimed_seq, 1), else_=jobs.c.attempts + 1)
    values: list[tuple[sa.Column[Any], Any]] = [
        (jobs.c.attempts, attempts), (jobs.c.claimed_seq, jobs.c.seq), (jobs.c.claims, jobs.c.claims + 1),
        (jobs.c.epoch, jobs.c.epoch + 1), (jobs.c.state, states.CLAIMED),
    ]
    values += [(jobs.c[name], _bind(name)) for name in ('owner', 'claim_id', 'connections', 'updated_at')]
    return sa.update(jobs).ordered_values(*values).where(
        jobs.c.id == _bind('id', 'key_id'), jobs.c.epoch == _bind('epoch', 'key_epoch'),
        sa.or_(jobs.c.state == states.UNCLAIMED, jobs.c.state == states.CLAIMED))
