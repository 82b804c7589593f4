# SPDX-License-Identifier: Apache-2.0
"""Worker processes end when the process does that they work for, however that ends, and not before."""

from __future__ import annotations

import os
import pathlib
import select
import signal
import subprocess
import sys
import time

import fixtures
import testtools

from tests.functional.processes import host

_PATIENCE = 60.0


class SignalsTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.host = subprocess.Popen(
            [sys.executable, host.__file__, str(self.folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True)
        self.addCleanup(self.host.communicate)
        self.addCleanup(self.host.kill)
        self.workers = [self._worker(name) for name in 'ab']

    def _worker(self, name: str) -> int:
        """Return a file descriptor of the process in which a task runs, which can be read once that has ended."""
        ends = time.monotonic() + _PATIENCE
        while not (self.folder / name).exists():
            self.assertLess(time.monotonic(), ends, f'task {name} has not begun')
            time.sleep(0.01)
        worker = os.pidfd_open(int((self.folder / name).read_text()))
        self.addCleanup(os.close, worker)
        return worker

    def _assert_no_worker_is_left(self) -> None:
        for worker in self.workers:
            self.assertTrue(select.select([worker], [], [], _PATIENCE)[0])

    def test_all_end_with_ctrl_c(self) -> None:
        os.killpg(self.host.pid, signal.SIGINT)
        self.assertIn(b'KeyboardInterrupt', self.host.communicate(timeout=_PATIENCE)[1])
        self._assert_no_worker_is_left()

    def test_all_end_with_a_host_that_is_killed(self) -> None:
        self.host.kill()
        self._assert_no_worker_is_left()

    def test_a_service_that_is_stopped_lets_its_tasks_end(self) -> None:
        os.killpg(self.host.pid, signal.SIGTERM)
        self.assertEqual(b'SUCCESS\n', self.host.communicate(timeout=_PATIENCE)[0])
        self._assert_no_worker_is_left()
