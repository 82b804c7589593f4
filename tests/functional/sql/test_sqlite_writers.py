# SPDX-License-Identifier: Apache-2.0
"""Several processes write one SQLite database: all of it arrives, and nobody starves."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import time
import uuid

from tests.functional.sql.cases import SqlTestCase, claim, post
from tfd import exceptions
from tfd.persistence.record import AtomRecord, Change, Entry, Fence, FlowRecord
from tfd_drivers.sql.backend import SqlBackend

_STEPS = 60


def _write(url: str, start: float) -> float:
    """Record the steps of a flow; return the seconds that the slowest took."""
    backend = SqlBackend(url)
    job = claim(backend, post(backend).id, str(os.getpid()))
    fence, journal = Fence(job.id, job.epoch), backend.journal()
    atoms = [AtomRecord(job.flow_uuid, n, str(uuid.uuid4()), f'a{n}', 'task') for n in range(_STEPS)]
    journal.create(FlowRecord(job.flow_uuid, job.book_uuid, 'f'), atoms, fence)
    time.sleep(max(0.0, start - time.time()))
    slowest = 0.0
    for number in range(_STEPS):
        began = time.monotonic()
        journal.append(Entry(job.flow_uuid, fence, changes=[Change(number, ('state',), ('SUCCESS',))]))
        slowest = max(slowest, time.monotonic() - began)
    found = journal.load(job.flow_uuid).atoms
    assert [atom.state for atom in found] == ['SUCCESS'] * _STEPS
    assert backend.jobs().get(job.id).seq == _STEPS + 1
    backend.close()
    return slowest


class SqliteWritersTest(SqlTestCase):

    kind = 'sqlite'

    def test_processes_write_at_once(self) -> None:
        spawn = multiprocessing.get_context('spawn')
        with concurrent.futures.ProcessPoolExecutor(4, mp_context=spawn) as pool:
            running = [pool.submit(_write, self.url, time.time() + 2) for _ in range(4)]
            slowest = max(done.result(timeout=120) for done in running)
        # Without the queue one of four waited for four seconds.
        self.assertLess(slowest, 3.0)

    def test_threads_write_at_once(self) -> None:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: post(self.backend), range(40)))

    def test_a_backend_is_refused_in_a_fork(self) -> None:
        self.backend.jobs().board_id()
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            try:
                self.backend.jobs().board_id()
                os.write(write, b'used')
            except exceptions.StorageFailure:
                os.write(write, b'refused')
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        self.assertEqual(b'refused', os.read(read, 100))
        os.close(read)
        os.close(write)
        self.backend.jobs().board_id()

    def test_a_closed_backend_is_refused(self) -> None:
        self.backend.close()
        self.backend.close()
        self.assertRaises(exceptions.StorageFailure, self.backend.jobs().board_id)
