# SPDX-License-Identifier: Apache-2.0
"""The flow of the fleet, behind a task that first takes something away from the process that runs it.

That task is recorded as done: a successor does not come to it. So the zombie-to-be runs without one
of the things that make zombies harmless, and its peers run with all of them.

``guard``
    Its writes are not guarded: they begin with no UPDATE of the job's row.
``clock``
    It does not ask its own clock before it calls a task.
``limit``
    The database lets its transactions be idle for as long as they like, as one without such a limit.

``watch`` takes nothing away: it adds the points ``check:N`` (from 1), between the last check before a
call and that call.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from tests.functional.fleet import flows, points
from tfd import task
from tfd.jobs.claim import ClaimedJob
from tfd.patterns import linear_flow
from tfd.persistence import record
from tfd_drivers.sql.journal import SqlJournal

__all__ = ['deprived']

_UNLIMITED = {
    'pymysql': 'SET SESSION idle_transaction_timeout = 0',
    'psycopg': 'SET SESSION idle_in_transaction_session_timeout = 0',
}


def _without_guard(fleet: Mapping[str, Any], job: str) -> None:
    append = SqlJournal.append

    def unguarded(self: SqlJournal, entry: record.Entry) -> None:
        append(self, dataclasses.replace(entry, fence=None, settlement=None))

    SqlJournal.append = unguarded  # type: ignore[method-assign]


def _without_clock(fleet: Mapping[str, Any], job: str) -> None:
    ClaimedJob.check = lambda self: None  # type: ignore[method-assign]


def _without_limit(fleet: Mapping[str, Any], job: str) -> None:
    def checkout(connection: Any, *_args: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_UNLIMITED[type(connection).__module__.partition('.')[0]])
        connection.commit()

    sa.event.listen(sa.Pool, 'checkout', checkout)


def _watch(fleet: Mapping[str, Any], job: str) -> None:
    check, counts = ClaimedJob.check, [0]

    def watched(self: ClaimedJob) -> None:
        check(self)
        if self.job.id == job:
            counts[0] += 1
            points.reach(fleet, job, f'check:{counts[0]}')

    ClaimedJob.check = watched  # type: ignore[method-assign]


_DEEDS = {
    'guard': _without_guard, 'clock': _without_clock, 'limit': _without_limit, 'watch': _watch,
}


class _Deprive(task.Task):

    def execute(self, fleet: Mapping[str, Any], tfd_job_id: str) -> None:
        for what in fleet['without']:
            _DEEDS[what](fleet, tfd_job_id)


def deprived() -> linear_flow.Flow:
    """Return the flow; it requires ``fleet``, with the names of what to do under ``without``."""
    return linear_flow.Flow('deprived').add(_Deprive('deprive'), *flows.six())
