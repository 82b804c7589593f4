# SPDX-License-Identifier: Apache-2.0
"""Records flows of one library in one database, and tells how fast.

Started as ``python logbook_worker.py LIBRARY URL``; the library is ``core`` (SQLAlchemy Core alone), ``tfd``,
``taskflow`` or ``dbos``. Writes one line of JSON about itself, then one for each line that it reads, ``WHAT NUMBER``:

``serial N``
    A flow of N tasks that do nothing, one after the other; of Core: N transactions, each of which updates two rows as a
    step does. ``{"rate": per second}``
``many N``
    32 flows of N tasks at once. tfd only.
``load N``
    Loads a flow of N atoms, half of them done. tfd only. ``{"seconds": ..., "statements": ...}``
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import sys
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

FLOWS = 32
_PACKAGES = {'core': 'sqlalchemy'}
_WARM_UP = 10

Measure = Callable[[int], dict[str, float]]


def set_up_sqlite(connection: Any, _record: Any) -> None:
    """Have SQLite do the same for every library: a write-ahead log, and every commit on the disk."""
    if 'sqlite3' in type(connection).__module__:
        for pragma in ('journal_mode = WAL', 'synchronous = FULL'):
            connection.execute(f'PRAGMA {pragma}').close()


def core(url: str) -> dict[str, Measure]:
    """Return how SQLAlchemy Core is measured: what a step writes, without a guard, one at a time."""
    import sqlalchemy as sa

    from tfd.persistence.record import AtomRecord, FlowRecord
    from tfd_drivers.sql import tables
    from tfd_drivers.sql.backend import SqlBackend
    engine = sa.create_engine(url)
    atoms = tables.atoms
    update = sa.update(atoms).where(
        atoms.c.flow == sa.bindparam('key'), atoms.c.number == sa.bindparam('index')).values(state=sa.bindparam('to'))
    ends = update.values(result=sa.bindparam('value'))
    migrated(url)

    def serial(count: int) -> dict[str, float]:
        flow = str(uuid.uuid4())
        backend = SqlBackend(url)
        backend.journal().create(FlowRecord(flow, None, 'flow'), [
            AtomRecord(flow, number, str(uuid.uuid4()), f'task-{number}', 'task') for number in range(count + 1)])
        backend.close()
        began = time.perf_counter()
        for number in range(count):
            with engine.begin() as connection:
                connection.execute(ends, {'key': flow, 'index': number, 'to': 'SUCCESS', 'value': 'null'})
                connection.execute(update, {'key': flow, 'index': number + 1, 'to': 'RUNNING'})
        return {'rate': count / (time.perf_counter() - began)}

    return {'serial': serial}


def migrated(url: str) -> None:
    """Make tfd's tables."""
    from tfd_drivers.sql.backend import SqlBackend
    backend = SqlBackend(url)
    backend.get_connection().upgrade()
    backend.close()


def tfd(url: str) -> dict[str, Measure]:
    """Return how tfd is measured."""
    migrated(url)
    flows = _OwnedFlows(url)
    return {'serial': flows.serial, 'many': flows.many, 'load': flows.load}


class _Claim:
    """A claim on a new job, that nobody takes away."""

    def __init__(self, backend: Any) -> None:
        from tfd.jobs import record
        from tfd.persistence.record import Fence
        name = str(uuid.uuid4())
        (job,) = backend.jobs().post([record.NewJob(name, name, 'bench', 'bench')])
        candidate = record.Candidate(job.id, job.epoch, job.state, job.owner, job.flow, job.version, job.attempts)
        self.job = backend.jobs().claim(candidate, 'host/1/session', name).job
        self.fence = Fence(self.job.id, self.job.epoch)

    def check(self) -> None:
        """Believe in it."""

    def settlement(self, flow_state: str, _failures: Any) -> Any:
        """Complete the job."""
        from tfd.persistence.record import Settlement
        return Settlement(self.job.claim_id, 'COMPLETE', flow_state)


class _OwnedFlows:
    """Flows that a claimed job owns, so that every write is guarded."""

    def __init__(self, url: str) -> None:
        from tfd import task
        from tfd_drivers.sql.backend import SqlBackend
        self._backend = SqlBackend(url)
        self._task = type('Nothing', (task.Task,), {'execute': lambda self: None})

    def _engine(self, count: int, claim: _Claim) -> Any:
        from tfd import engines
        from tfd.patterns import linear_flow
        from tfd.persistence import models
        flow = linear_flow.Flow('bench').add(*[self._task(f'task-{number}') for number in range(count)])
        book = models.LogBook('bench', uuid=claim.job.book_uuid)
        detail = models.FlowDetail('bench', uuid=claim.job.flow_uuid)
        book.add(detail)
        return engines.load(flow, flow_detail=detail, book=book, backend=self._backend, ownership=claim)

    def serial(self, count: int) -> dict[str, float]:
        """Run one flow."""
        engine = self._engine(count, _Claim(self._backend))
        began = time.perf_counter()
        engine.run()
        return {'rate': count / (time.perf_counter() - began)}

    def many(self, count: int) -> dict[str, float]:
        """Run many flows at once."""
        engines = [self._engine(count, _Claim(self._backend)) for _ in range(FLOWS)]
        threads = [threading.Thread(target=engine.run) for engine in engines]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {'rate': FLOWS * count / (time.perf_counter() - began)}

    def load(self, count: int) -> dict[str, float]:
        """Load a flow that is half done."""
        from tfd.persistence.record import AtomRecord, Change, Entry, FlowRecord
        from tfd.testing.sql import StatementCounter
        claim, journal = _Claim(self._backend), self._backend.journal()
        flow = claim.job.flow_uuid
        atoms = [AtomRecord(flow, number, str(uuid.uuid4()), f'task-{number}', 'task') for number in range(count)]
        journal.create(FlowRecord(flow, claim.job.book_uuid, 'bench'), atoms, claim.fence)
        journal.append(Entry(flow, claim.fence, changes=[
            Change(number, ('state', 'result'), ('SUCCESS', '"a result"')) for number in range(count // 2)]))
        engine = self._engine(count, claim)
        with StatementCounter(self._backend.database.engine) as counter:
            began = time.perf_counter()
            engine.prepare()
            seconds = time.perf_counter() - began
        return {'seconds': seconds, 'statements': float(len(counter.statements))}


def taskflow(url: str) -> dict[str, Measure]:
    """Return how TaskFlow is measured: with its SQL backend, as it comes."""
    from taskflow import engines, task
    from taskflow.patterns import linear_flow
    from taskflow.persistence import backends
    backend = backends.fetch({'connection': url})
    connection = backend.get_connection()
    connection.upgrade()
    connection.close()

    class Nothing(task.Task):  # type: ignore[misc]
        def execute(self) -> None:
            pass

    def serial(count: int) -> dict[str, float]:
        flow = linear_flow.Flow('bench').add(*[Nothing(f'task-{number}') for number in range(count)])
        engine = engines.load(flow, backend=backend)
        began = time.perf_counter()
        engine.run()
        return {'rate': count / (time.perf_counter() - began)}

    return {'serial': serial}


def dbos(url: str) -> dict[str, Measure]:
    """Return how DBOS is measured: a workflow of steps."""
    from dbos import DBOS
    DBOS(config={
        'name': 'bench', 'system_database_url': url.replace('+psycopg', ''), 'run_admin_server': False,
        'log_level': 'ERROR'})

    @DBOS.step()  # type: ignore[untyped-decorator]
    def nothing() -> None:
        pass

    @DBOS.workflow()  # type: ignore[untyped-decorator]
    def flow(count: int) -> None:
        for _ in range(count):
            nothing()

    DBOS.launch()

    def serial(count: int) -> dict[str, float]:
        began = time.perf_counter()
        flow(count)
        return {'rate': count / (time.perf_counter() - began)}

    return {'serial': serial}


_LIBRARIES = {'core': core, 'tfd': tfd, 'taskflow': taskflow, 'dbos': dbos}


def main() -> None:
    """Answer each line of standard input with one measurement."""
    import sqlalchemy.event
    import sqlalchemy.pool
    sqlalchemy.event.listen(sqlalchemy.pool.Pool, 'connect', set_up_sqlite)
    library, url = sys.argv[1:]
    measures = _LIBRARIES[library](url)
    for measure in measures.values():
        measure(_WARM_UP)
    print(json.dumps({
        'library': library, 'python': platform.python_version(),
        'version': importlib.metadata.version(_PACKAGES.get(library, library))}), flush=True)
    for line in sys.stdin:
        what, number = line.split()
        print(json.dumps(measures[what](int(number))), flush=True)


if __name__ == '__main__':
    main()
