# SPDX-License-Identifier: Apache-2.0
"""What a board costs that has finished many jobs: claim, page of a list, batch of a purge, at two sizes."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence

import fixtures
import sqlalchemy as sa

from tests.functional import servers
from tests.functional.sql.finished import analyze, fill
from tfd import states
from tfd.jobs import record
from tfd.jobs.retention import Expiry
from tfd_drivers.sql.backend import SqlBackend

__all__ = ['main']

_KINDS = ('sqlite', 'mariadb', 'postgresql')
_SEED = 1000
_LIMIT = 1.5
#: Beside these the cache of a small server is all that is measured.
_SETTINGS = {'mariadb': {'innodb-buffer-pool-size': '3G', 'innodb-log-file-size': '512M'}}


@contextlib.contextmanager
def _place(kind: str, folder: fixtures.Fixture) -> Iterator[str]:
    """Give the URL of an empty database, on a server that syncs its log at each commit."""
    if kind == 'sqlite':
        yield f'sqlite:///{folder.path}/tfd.sqlite'
        return
    server = servers.MariaDB(settings=_SETTINGS['mariadb'], fsync=True) if kind == 'mariadb' else servers.PostgreSQL(
        fsync=True)
    with server, servers.Database(kind, server) as database:
        yield database.url


def _grow(backend: SqlBackend, wanted: int, now: float) -> None:
    """Double what there is until there are so many finished jobs."""
    database = backend.database
    fill(database, _SEED, now)
    have, round_ = _SEED, 0
    while have < wanted:
        more = min(have, wanted - have)
        database.engine.dispose()
        with _unlimited(database.settings.url) as connection:
            for statement in _doubling(connection.dialect.name, f'-{round_}', more, have):
                connection.execute(sa.text(statement))
        have, round_ = have + more, round_ + 1
        print(f'  {have:,} jobs', file=sys.stderr, flush=True)


@contextlib.contextmanager
def _unlimited(url: sa.URL) -> Iterator[sa.Connection]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    if url.get_backend_name() == 'sqlite':
        @sa.event.listens_for(engine, 'connect')
        def prepare(connection: object, _record: object) -> None:
            connection.create_function('md5', 1, lambda text: hashlib.md5(text.encode()).hexdigest())  # type: ignore

    with engine.begin() as connection:
        yield connection


def _doubling(dialect: str, salt: str, count: int, age: int) -> list[str]:
    """Return statements that copy the newest finished jobs, and what belongs to them, as ``age`` seconds older."""
    def new(column: str) -> str:
        return f"md5(concat({column}, '{salt}'))" if dialect == 'mysql' else f"md5({column} || '{salt}')"

    chosen = (
        f"SELECT flow_uuid FROM jobs WHERE state = 'COMPLETE' ORDER BY updated_at DESC, id LIMIT {count}")
    times = f'created_at - {age}, updated_at - {age}'
    flows = f'(SELECT uuid, book, name, state, meta, digest, created_at, updated_at FROM flows) f JOIN ({chosen}) c'
    return [
        f'INSERT INTO logbooks SELECT {new("b.uuid")}, b.name, b.meta, b.created_at - {age}, b.updated_at - {age}'
        f' FROM (SELECT * FROM logbooks) b JOIN (SELECT book_uuid FROM jobs WHERE flow_uuid IN'
        f' (SELECT flow_uuid FROM ({chosen}) x)) c ON c.book_uuid = b.uuid',
        f'INSERT INTO atoms SELECT {new("a.flow")}, a.number, {new("a.uuid")}, a.name, a.kind, a.version, a.state,'
        ' a.intention, a.result, a.failure, a.revert_result, a.revert_failure, a.meta FROM (SELECT * FROM atoms) a'
        f' JOIN ({chosen}) c ON c.flow_uuid = a.flow',
        f'INSERT INTO decisions SELECT {new("d.flow")}, d.subject, d.attempt, d.answer FROM (SELECT * FROM decisions) d'
        f' JOIN ({chosen}) c ON c.flow_uuid = d.flow',
        f'INSERT INTO history SELECT {new("h.flow")}, h.seq, {new("h.job")}, h.epoch, h.owner, h.at - {age}, h.what'
        f' FROM (SELECT * FROM history) h JOIN ({chosen}) c ON c.flow_uuid = h.flow',
        f'INSERT INTO flows SELECT {new("f.uuid")}, {new("f.book")}, f.name, f.state, f.meta, f.digest,'
        f' f.created_at - {age}, f.updated_at - {age} FROM {flows} ON c.flow_uuid = f.uuid',
        f'INSERT INTO jobs SELECT {new("id")}, {new("token")}, name, flow, version, store, state, outcome, priority,'
        f' not_before, owner, claim_id, epoch, seq, claimed_seq, attempts, claims, shard, {new("book_uuid")},'
        f' {new("flow_uuid")}, reason, connections, {times} FROM (SELECT * FROM jobs'
        f" WHERE state = 'COMPLETE' ORDER BY updated_at DESC, id LIMIT {count}) j",
    ]


def _acts(backend: SqlBackend, now: float, size: int, rounds: int) -> dict[str, Callable[[], object]]:
    """Return what is measured, by name."""
    jobs, kept = backend.jobs(), backend.retention()
    jobs.post([record.NewJob(str(uuid.uuid4()), str(uuid.uuid4()), 'n', 'f') for _ in range(2 * rounds)])

    def claim() -> None:
        (candidate,) = jobs.pending(range(record.SHARDS), now, 1)
        jobs.claim(candidate, 'me/0/0', str(uuid.uuid4()))

    expiry = Expiry(states.SUCCESS, now - size + 100 * (rounds + 5))
    return {
        'claim': claim,
        'page': lambda: jobs.list(record.JobQuery(limit=100)),
        'page by state': lambda: jobs.list(record.JobQuery(limit=100, states=(states.COMPLETE,))),
        'purge batch': lambda: kept.purge(expiry, 100),
    }


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1000


def _run(kind: str, sizes: Sequence[int], rounds: int) -> list[dict[str, float]]:
    """Return the medians in milliseconds at each size.

    The sizes take turns, so that a busy machine is so for all, and each is the first every other time: there the first
    of two short acts is interrupted less often.
    """
    now = time.time()
    with contextlib.ExitStack() as stack:
        acts = []
        for size in sizes:
            url = stack.enter_context(_place(kind, stack.enter_context(fixtures.TempDir())))
            backend = stack.enter_context(contextlib.closing(SqlBackend({'connection': url, 'statement_timeout': 600})))
            backend.schema().sync()
            print(f'{kind}: making {size:,} jobs', file=sys.stderr, flush=True)
            _grow(backend, size, now)
            analyze(backend.database)
            acts.append(_acts(backend, now, size, rounds))
        times: list[dict[str, list[float]]] = [{name: [] for name in each} for each in acts]
        for number in range(rounds):
            for name in acts[0]:
                turns = list(zip(acts, times, strict=True))
                for each, found in turns[::-1] if number % 2 else turns:
                    found[name].append(_timed(each[name]))
        return [{name: statistics.median(found[name]) for name in found} for found in times]


def main() -> int:
    """Return the command's exit status."""
    parser = argparse.ArgumentParser(prog='tools/bench retention', description=__doc__)
    parser.add_argument('--kinds', type=lambda text: text.split(','), default=list(_KINDS), help='a,b,…')
    parser.add_argument('--few', type=int, default=10_000, help='finished jobs of the small board')
    parser.add_argument('--many', type=int, default=1_000_000, help='finished jobs of the large one')
    parser.add_argument('--rounds', type=int, default=30)
    parser.add_argument('--check', action='store_true', help='exit status 1 if one costs more than 1.5 times as much')
    parser.add_argument('--json', action='store_true')
    arguments = parser.parse_args()
    worst = 0.0
    for kind in arguments.kinds:
        few, many = _run(kind, (arguments.few, arguments.many), arguments.rounds)
        if arguments.json:
            print(json.dumps({'kind': kind, 'few': few, 'many': many}), flush=True)
        for name in few:
            worst = max(worst, many[name] / few[name])
            if not arguments.json:
                print(f'{kind:11} {name:14} {few[name]:9.2f} ms {many[name]:9.2f} ms {many[name] / few[name]:6.2f} ×',
                      flush=True)
    return int(arguments.check and worst > _LIMIT)


if __name__ == '__main__':
    sys.exit(main())
