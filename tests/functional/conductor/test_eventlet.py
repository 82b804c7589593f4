# SPDX-License-Identifier: Apache-2.0
"""Workers that run their jobs on green threads."""

from __future__ import annotations

import os
import pathlib
import selectors
import signal
import socket

import testtools

from tests.functional.conductor.fleet import Fleet, Process, alive, until
from tfd import states
from tfd.cmd import exits
from tfd.jobs import record

_SECONDS = 60.0
_FLOWS = 2000


class _Gate:
    """A server that says nothing to anybody until as many as are expected have come."""

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._server = socket.create_server(('127.0.0.1', 0), backlog=4096)
        self._server.setblocking(False)
        self.port = self._server.getsockname()[1]
        self.waiting: list[socket.socket] = []

    def come(self) -> bool:
        with selectors.DefaultSelector() as selector:
            selector.register(self._server, selectors.EVENT_READ)
            while len(self.waiting) < self._expected and selector.select(0):
                self.waiting.append(self._server.accept()[0])
        return len(self.waiting) >= self._expected

    def open(self) -> None:
        for connection in self.waiting:
            connection.sendall(b'go')

    def close(self) -> None:
        for connection in (self._server, *self.waiting):
            connection.close()


class EventletTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.fleet = self.useFixture(Fleet(
            'mariadb', executor='eventlet', workers=1, max_jobs=_FLOWS, session_timeout=300.0, poll_interval=0.2))
        with self.fleet.file.open('a') as file:
            # They come for a connection all at once, and each has its turn; so has what renews the lease.
            file.write('[database]\nmax_pool_size = 15\npool_timeout = 120\n')
        self.addOnException(lambda _: self.addDetail('log', testtools.content.text_content(
            self.fleet.log()[-5000:])))

    def _gate(self, expected: int) -> _Gate:
        gate = _Gate(expected)
        self.addCleanup(gate.close)
        return gate

    def _worker(self, daemon: Process) -> int:
        until(lambda: 'conductor starts' in daemon.log, _SECONDS)
        found = [
            int(child) for thread in pathlib.Path(f'/proc/{daemon.pid}/task').iterdir()
            for child in (thread / 'children').read_text().split()]
        self.assertEqual(1, len(found))
        return found[0]

    def test_thousands_of_flows_wait_in_one_worker(self) -> None:
        gate = self._gate(_FLOWS)
        self.fleet.client.post_many([self.fleet.posting('waits', port=gate.port) for _ in range(_FLOWS)])
        daemon = self.fleet.daemon()
        worker = self._worker(daemon)
        until(gate.come, 300.0)
        # All of them wait now, and the process has a handful of threads.
        threads = len(list(pathlib.Path(f'/proc/{worker}/task').iterdir()))
        self.assertLess(threads, 10)
        self.assertEqual([], self._in(states.COMPLETE, 1))
        gate.open()
        until(lambda: len(self._in(states.COMPLETE, _FLOWS + 1)) == _FLOWS, 300.0)
        self.assertEqual({states.SUCCESS}, {job.outcome for job in self._in(states.COMPLETE, _FLOWS)})
        self.assertEqual({1}, {job.claims for job in self._in(states.COMPLETE, _FLOWS)})
        daemon.terminate()
        self.assertEqual(exits.Exit.DONE, daemon.wait(_SECONDS))

    def _in(self, state: str, limit: int) -> list[record.Job]:
        return self.fleet.client.list(states=[state], limit=limit)

    def test_signals_are_heard_as_by_other_workers(self) -> None:
        gate = self._gate(1)
        with self.fleet.file.open('a') as file:
            file.write(f'[oslo_reports]\nlog_dir = {self.fleet.dir}\n')
        daemon = self.fleet.daemon()
        worker = self._worker(daemon)
        job = self.fleet.post('waits', port=gate.port)
        until(gate.come, _SECONDS)
        os.kill(daemon.pid, signal.SIGUSR2)
        until(lambda: daemon.log.count('report written') == 2, _SECONDS)
        [text] = [file.read_text() for file in self.fleet.dir.glob(f'*gurumeditation_*_{worker}')]
        self.assertIn(f'job {job.id}', text)
        self.assertIn('Green Threads', text)
        os.kill(daemon.pid, signal.SIGHUP)
        os.kill(worker, signal.SIGKILL)
        until(lambda: daemon.log.count('conductor starts') == 2, _SECONDS)
        self.assertEqual(2, len(list(pathlib.Path(f'/proc/{daemon.pid}/task').iterdir())))
        worker = self._worker(daemon)
        daemon.terminate()
        self.assertEqual(exits.Exit.DONE, daemon.wait(_SECONDS))
        self.assertFalse(alive(worker))

    def test_a_worker_does_not_outlive_its_parent(self) -> None:
        daemon = self.fleet.daemon()
        worker = self._worker(daemon)
        os.kill(daemon.pid, signal.SIGKILL)
        until(lambda: not alive(worker), _SECONDS)
        self.assertIn('the parent process has died', daemon.log)
