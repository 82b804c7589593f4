# SPDX-License-Identifier: Apache-2.0
"""Jobs as rows: posted, found, claimed under a new epoch, given back."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import sqlalchemy as sa

from tfd import exceptions, states
from tfd.jobs import record
from tfd.persistence import codec as codecs
from tfd.persistence.record import Fence, Settlement
from tfd_drivers.sql import fence as fences
from tfd_drivers.sql import job_queries as queries
from tfd_drivers.sql import tables
from tfd_drivers.sql.database import Database
from tfd_drivers.sql.statements import upsert

__all__ = ['SqlJobStore']

#: How many jobs of one owner are looked at, at most; far above what a worker runs at once.
_OWNED = 10_000

# The port's method ``list`` hides the builtin inside the class.
_Rows = Sequence[Sequence[Any]]
_Candidates = list[record.Candidate]
_Jobs = list[record.Job]

_FIELDS = tuple(field.name for field in fields(record.Job))
_STORE = _FIELDS.index('store')


class _LazyStore(Mapping[str, Any]):
    """A store that is decoded when somebody looks into it, which may raise InvalidFormat or UnknownKey."""

    __slots__ = ('_codec', '_decoded', '_stored')

    def __init__(self, codec: codecs.JsonCodec, stored: str) -> None:
        self._codec = codec
        self._stored = stored
        self._decoded: Mapping[str, Any] | None = None

    def _store(self) -> Mapping[str, Any]:
        if self._decoded is None:
            self._decoded = self._codec.decode(self._stored)
        return self._decoded or {}

    def __getitem__(self, key: str) -> Any:
        return self._store()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._store())

    def __len__(self) -> int:
        return len(self._store())

    def __repr__(self) -> str:
        # What is in it may be a secret.
        return f'<store of {len(self._stored)} characters>'


class SqlJobStore:
    """A :class:`tfd.jobs.ports.JobStore` in SQL."""

    def __init__(self, database: Database, wall: Callable[[], float] = time.time) -> None:
        self._database = database
        self._wall = wall
        self._codec = codecs.JsonCodec(database.sizes.excess, database.settings.sealing)

    # -- posting and reading -------------------------------------------------------------------------

    def post(self, jobs: Sequence[record.NewJob]) -> _Jobs:
        """Record new jobs, and return them as stored; of one whose token is known, the first is returned."""
        if not jobs:
            return []
        now = self._wall()
        rows = {job.token: self._row(job, now) for job in reversed(jobs)}
        found = self._database.run(lambda connection: self._post(connection, rows))
        return [found[job.token] for job in jobs]

    def _row(self, job: record.NewJob, now: float) -> dict[str, Any]:
        row = record.Job(
            id=job.id, token=job.token, name=job.name, flow=job.flow, version=job.version, store={},
            state=states.UNCLAIMED, outcome='', priority=job.priority, not_before=max(0.0, job.not_before), owner='',
            claim_id='',
            epoch=0, seq=0, claimed_seq=0, attempts=0, claims=0, shard=record.shard_of(job.id),
            book_uuid=str(uuid.uuid4()),
            flow_uuid=str(uuid.uuid4()), reason='', connections='', created_at=now, updated_at=now)
        tables.check_lengths(tables.jobs, row)
        return {**asdict(row), 'store': self._codec.encode(dict(job.store), f'store of job {job.name!r}')}

    def _post(self, connection: sa.Connection, rows: Mapping[str, dict[str, Any]]) -> dict[str, record.Job]:
        # In the order of their tokens: two posters of the same jobs wait for each other and do not deadlock.
        tokens = sorted(rows)
        for row in rows.values():
            self._database.sizes.check_row(f'store of job {row["name"]!r}', row.values())
        self._database.statements.get(
            connection, 'post', lambda dialect: upsert(dialect, tables.jobs, (), ()),
        ).run(connection, [rows[token] for token in tokens])
        stored = connection.execute(sa.select(tables.jobs).where(tables.jobs.c.token.in_(tokens)))
        found = {job.token: job for job in map(self._job, stored)}
        for token in tokens:
            if token not in found:
                raise exceptions.Duplicate(
                    f'a job with id {rows[token]["id"]!r} exists under another token than {token!r}')
        return found

    def _job(self, row: Sequence[Any]) -> record.Job:
        """Return a job whose store is read when it is looked at: one that cannot be read hides nothing else."""
        values = list(row)
        values[_STORE] = _LazyStore(self._codec, values[_STORE])
        return record.Job(*values)

    def _claimed(self, row: Sequence[Any]) -> record.Job:
        """Return a job whose store is read now: who is to run it needs it."""
        values = list(row)
        values[_STORE] = self._codec.decode(values[_STORE])
        return record.Job(*values)

    def get(self, job_id: str) -> record.Job:
        """Return a job."""
        return self._job(self._database.run(lambda connection: _existing(connection, job_id), writing=False))

    def find(self, token: str) -> record.Job:
        """Return the job that was posted with this token."""
        jobs = tables.jobs
        query = sa.select(jobs).where(jobs.c.token == token)
        row = self._database.run(lambda connection: connection.execute(query).one_or_none(), writing=False)
        if row is None:
            raise exceptions.NotFound(f'no job with token {token!r} is stored')
        return self._job(row)

    def list(self, query: record.JobQuery) -> _Jobs:
        """Return a page of jobs, newest first."""
        def read(connection: sa.Connection) -> _Rows:
            before = None if query.before is None else _existing(connection, query.before)
            return connection.execute(queries.page(query, before)).all()

        return [self._job(row) for row in self._database.run(read, writing=False)]

    def pending(self, shards: Collection[int], now: float, limit: int) -> _Candidates:
        """Return unclaimed jobs of these shards whose ``not_before`` has come, most urgent and then oldest first."""
        wanted = sorted(set(shards))
        if not wanted or limit < 1:
            return []
        row: dict[str, Any] = {f'in_{index}': shard for index, shard in enumerate(wanted)}
        row |= {'state': states.UNCLAIMED, 'now': now, 'limit': limit}
        return self._candidates(('pending', len(wanted)), lambda: queries.pending(len(wanted)), row)

    def orphans(self, living: Collection[str], limit: int) -> _Candidates:
        """Return claimed jobs whose owner is none of the living incarnations."""
        owners = sorted(set(living) - {''})
        row: dict[str, Any] = {f'living_{index}': owner for index, owner in enumerate(owners)}
        row |= {'state': states.CLAIMED, 'limit': limit}
        return self._candidates(('orphans', len(owners)), lambda: queries.orphans(len(owners)), row)

    def _candidates(
        self, key: tuple[str, int], build: Callable[[], sa.Select[Any]], row: dict[str, Any]
    ) -> _Candidates:
        def read(connection: sa.Connection) -> _Rows:
            statement = self._database.statements.get(connection, key, lambda _dialect: build())
            return statement.select(connection, row).all()

        return [record.Candidate(*found) for found in self._database.run(read, writing=False)]

    def owned(self, owner: str) -> _Jobs:
        """Return the claimed jobs whose owner is this incarnation."""
        jobs = tables.jobs
        query = sa.select(jobs).where(jobs.c.owner == owner, jobs.c.state == states.CLAIMED).limit(_OWNED)
        rows = self._database.run(lambda connection: connection.execute(query).all(), writing=False)
        return [self._job(row) for row in rows]

    # -- claims --------------------------------------------------------------------------------------

    def claim(self, candidate: record.Candidate, owner: str, claim_id: str) -> record.Claim:
        """Make ``owner`` the job's owner under a new epoch."""
        row = {
            'key_id': candidate.id, 'key_epoch': candidate.epoch, 'owner': owner, 'claim_id': claim_id,
            'connections': self._database.dialect.connections, 'updated_at': self._wall(),
        }

        def write(connection: sa.Connection) -> Sequence[Any]:
            """Change the row; return it as it is now."""
            met = self._database.statements.get(
                connection, 'claim', lambda _dialect: queries.claim()).run(connection, (row,))
            found = _read(connection, candidate.id)
            if met != 1:
                # It may have been this very claim: its answer was lost, and it is made again.
                _check_claimed(found, candidate, claim_id)
            return found or ()

        # Who keeps the row may be the stopped owner: the caller knows what to do about that.
        return record.Claim(self._claimed(self._database.run(write, wait=False)))

    def settle(self, fence: Fence, settlement: Settlement) -> None:
        """Give a job back outside of an engine's last step."""
        now = self._wall()
        self._database.run(lambda connection: fences.settle(
            self._database, connection, fence, settlement, progress=False, now=now))

    def release(self, job_id: str, state: str) -> None:
        """Make a PARKED job UNCLAIMED again, its attempts forgotten."""
        states.check_job_transition(states.PARKED, state)
        jobs = tables.jobs
        change = sa.update(jobs).where(jobs.c.id == job_id, jobs.c.state == states.PARKED).values(
            state=state, attempts=0, outcome='', reason='', claimed_seq=jobs.c.seq, updated_at=self._wall())

        def write(connection: sa.Connection) -> None:
            if connection.execute(change).rowcount != 1:
                found: Any = _existing(connection, job_id)
                raise exceptions.InvalidState(f'job {job_id} is {found.state}, expected {states.PARKED}')

        self._database.run(write)

    def unblock(self, candidate: record.Candidate) -> int:
        """End the database connections that the row's former owner left; return how many."""
        jobs, dialect = tables.jobs, self._database.dialect

        def end(connection: sa.Connection) -> int:
            """End those that the row names, unless they are this process's own."""
            named = connection.execute(sa.select(jobs.c.connections).where(
                jobs.c.id == candidate.id, jobs.c.epoch == candidate.epoch)).scalar()
            if not named or named == dialect.connections:
                return 0
            return dialect.end_connections(connection, named)

        return self._database.run(end, writing=False)

    def board_id(self, propose: str | None = None) -> str | None:
        """Return the board's id; where there is none yet and one is proposed, record that first."""
        board = tables.board

        def work(connection: sa.Connection) -> str | None:
            """Record the proposal, unless there is an id; return what there is."""
            if propose is not None:
                self._database.statements.get(
                    connection, 'board', lambda dialect: upsert(dialect, board, ('name',), ()),
                ).run(connection, ({'name': 'id', 'value': propose},))
            found: str | None = connection.execute(sa.select(board.c.value).where(board.c.name == 'id')).scalar()
            return found

        return self._database.run(work, writing=propose is not None)


def _read(connection: sa.Connection, job_id: str) -> Sequence[Any] | None:
    return connection.execute(sa.select(tables.jobs).where(tables.jobs.c.id == job_id)).one_or_none()


def _existing(connection: sa.Connection, job_id: str) -> Sequence[Any]:
    found = _read(connection, job_id)
    if found is None:
        raise exceptions.NotFound(f'no job {job_id!r} is stored')
    return found


def _check_claimed(found: Any, candidate: record.Candidate, claim_id: str) -> None:
    if found is None:
        raise exceptions.UnclaimableJob(f'job {candidate.id} is gone')
    if (found.claim_id, found.epoch, found.state) != (claim_id, candidate.epoch + 1, states.CLAIMED):
        raise exceptions.UnclaimableJob(
            f'job {candidate.id} is {found.state} at epoch {found.epoch}, expected epoch {candidate.epoch}')
