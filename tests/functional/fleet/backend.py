# SPDX-License-Identifier: Apache-2.0
"""The SQL driver with points around, and inside, the transactions of a job's owner.

The daemons find it as ``fleet`` in the group ``tfd.persistence``; the URL behind ``fleet+`` is that
of the database.
"""

from __future__ import annotations

import collections
import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.functional.fleet import points
from tfd import exceptions
from tfd.jobs import record as jobs_record
from tfd.persistence import record
from tfd_drivers.sql.backend import SqlBackend

__all__ = ['PREFIX', 'Backend']

PREFIX = 'fleet+'


class Backend:
    """A backend that is a SqlBackend but for the points."""

    def __init__(self, conf: Mapping[str, Any]) -> None:
        self._real = SqlBackend(
            {**conf, 'connection': str(conf['connection']).removeprefix(PREFIX)})
        self._trail = _Trail(self._real)
        self._journal = _Journal(self._real.journal(), self._trail)
        self._jobs = _Jobs(self._real.jobs(), self._trail)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def journal(self) -> _Journal:
        return self._journal

    def jobs(self) -> _Jobs:
        return self._jobs


class _Trail:
    """Knows the jobs' points, and which transaction a thread is in."""

    def __init__(self, real: SqlBackend) -> None:
        self._real = real
        self._options: dict[str, Mapping[str, Any] | None] = {}
        self._here = threading.local()
        dialect: Any = real.database.engine.dialect
        self._commit = dialect.do_commit
        dialect.do_commit = self._do_commit
        self._execute = dialect.do_execute
        dialect.do_execute = self._do_execute

    @contextlib.contextmanager
    def around(self, job: str | None, name: str) -> Iterator[None]:
        if job is None:
            yield
            return
        self._reach(job, f'{name}:before')
        self._here.transaction = (job, f'{name}:commit')
        try:
            yield
        finally:
            self._here.transaction = None
        self._reach(job, f'{name}:after')

    def _do_commit(self, connection: Any) -> None:
        self._come_to_commit()
        self._commit(connection)

    def _do_execute(self, cursor: Any, statement: str, *args: Any, **kwargs: Any) -> None:
        # A single statement of PostgreSQL's, or a block of MariaDB's, is committed with its end: nothing comes between.
        if statement.startswith(('WITH g AS (UPDATE jobs', 'WITH l AS', 'BEGIN NOT ATOMIC')):
            self._come_to_commit()
        self._execute(cursor, statement, *args, **kwargs)

    def _come_to_commit(self) -> None:
        transaction = getattr(self._here, 'transaction', None)
        if transaction is not None:
            # What the point asks of the database has a transaction of its own.
            self._here.transaction = None
            self._reach(*transaction)

    def _reach(self, job: str, name: str) -> None:
        if job not in self._options:
            try:
                self._options[job] = self._real.jobs().get(job).store.get('fleet')
            except exceptions.TaskFlowException:
                self._options[job] = None
        points.reach(self._options[job], job, name)


class _Journal:

    def __init__(self, real: Any, trail: _Trail) -> None:
        self._real = real
        self._trail = trail
        self._steps: collections.Counter[record.Fence] = collections.Counter()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def create(
        self, flow: record.FlowRecord, atoms: Sequence[record.AtomRecord],
        fence: record.Fence | None = None,
    ) -> None:
        with self._trail.around(fence and fence.job, 'create'):
            self._real.create(flow, atoms, fence)

    def append(self, entry: record.Entry) -> None:
        if entry.fence is None:
            self._real.append(entry)
            return
        self._steps[entry.fence] += 1
        with self._trail.around(entry.fence.job, f'append:{self._steps[entry.fence]}'):
            self._real.append(entry)


class _Jobs:

    def __init__(self, real: Any, trail: _Trail) -> None:
        self._real = real
        self._trail = trail

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def claim(
        self, candidate: jobs_record.Candidate, owner: str, claim_id: str,
    ) -> jobs_record.Claim:
        with self._trail.around(candidate.id, 'claim'):
            claim: jobs_record.Claim = self._real.claim(candidate, owner, claim_id)
        return claim

    def settle(self, fence: record.Fence, settlement: record.Settlement) -> None:
        with self._trail.around(fence.job, 'settle'):
            self._real.settle(fence, settlement)
