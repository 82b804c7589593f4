# SPDX-License-Identifier: Apache-2.0
"""The queue of SQLite's writers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import fixtures
import testtools

from tfd import exceptions
from tfd_drivers.sql.filelock import FileLock


class FileLockTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.path = self.useFixture(fixtures.TempDir()).join('lock')

    def make(self, path: str | None) -> FileLock:
        # Two locks of one process exclude each other as those of two processes do: each has its own open file.
        lock = FileLock(path)
        self.addCleanup(lock.close)
        return lock

    def test_one_passes_at_a_time(self) -> None:
        one, other = self.make(self.path), self.make(self.path)
        one.acquire(1)
        self.assertRaises(exceptions.StorageUnavailable, other.acquire, 0.01)
        one.release()
        other.acquire(5)
        other.release()

    def test_one_thread_passes_at_a_time(self) -> None:
        for path in (self.path, None):
            lock = self.make(path)
            lock.acquire(1)
            self.assertRaises(exceptions.StorageUnavailable, lock.acquire, 0.01)
            lock.release()
            lock.acquire(1)
            lock.release()

    def test_a_child_does_not_keep_it_when_its_parent_dies(self) -> None:
        program = (
            'import os, sys, time\n'
            'from tfd_drivers.sql.filelock import FileLock\n'
            'lock = FileLock(sys.argv[1])\n'
            'lock.acquire(5)\n'
            'child = os.fork()\n'
            'if not child:\n'
            '    os.close(1)\n'
            '    time.sleep(60)\n'
            'print(child, flush=True)\n'
            'os._exit(0)\n')
        ended = subprocess.run([sys.executable, '-c', program, self.path], stdout=subprocess.PIPE,
                               stdin=subprocess.DEVNULL, check=True, timeout=30)
        self.addCleanup(os.kill, int(ended.stdout), signal.SIGKILL)
        lock = self.make(self.path)
        lock.acquire(2)
        lock.release()

    def test_who_waits_is_woken(self) -> None:
        one, other = self.make(self.path), self.make(self.path)
        one.acquire(1)
        got = threading.Event()

        def wait() -> None:
            other.acquire(30)
            got.set()
            other.release()

        thread = threading.Thread(target=wait)
        thread.start()
        self.assertFalse(got.wait(0.02))
        one.release()
        self.assertTrue(got.wait(30))
        thread.join()

    def test_what_comes_too_late_goes_to_the_next_or_back(self) -> None:
        one, other, third = self.make(self.path), self.make(self.path), self.make(self.path)
        one.acquire(1)
        for _ in range(3):
            self.assertRaises(exceptions.StorageUnavailable, other.acquire, 0.005)
        one.release()
        # The thread that waited on for `other` gives back what it gets.
        third.acquire(30)
        third.release()
        other.acquire(30)
        other.release()

    def test_a_file_that_cannot_be_made(self) -> None:
        lock = self.make('/nonexistent/folder/lock')
        for _ in range(2):
            self.assertRaises(exceptions.StorageUnavailable, lock.acquire, 1)
