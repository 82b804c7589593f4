# SPDX-License-Identifier: Apache-2.0
"""The queue of an SQLite database's writers."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
import weakref

from tfd import exceptions

__all__ = ['FileLock']

LOG = logging.getLogger(__name__)


class FileLock:
    """Lets one writer of all processes on a host pass at a time, by an exclusive lock on a file.

    SQLite's own waiting is a poll with growing pauses: of four busy processes one was seen to starve for four
    seconds. The kernel wakes those that wait in flock(2), so each gets its turn. A process that dies lets go.

    ``flock`` cannot be given a time-out. Who finds the lock taken has a helper thread wait for it; where that takes
    too long the thread stays, at most one per lock, and what it gets in the end goes to the next who asks, or is
    given back.

    A fork does not share it: a child of whoever holds the lock would keep it after its parent's death.

    :param path: the file, made where it does not exist; None where there are no other processes.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._turn = threading.Lock()
        self._fd = -1
        self._state = threading.Condition()
        self._waiting = False  # a helper thread is inside flock
        self._wanted = False   # whoever started it still waits
        self._got = False
        self._error: OSError | None = None
        _LOCKS.add(self)

    def acquire(self, timeout: float) -> None:
        """Take the lock.

        :param timeout: seconds.
        :raises StorageUnavailable: it was not free in time, or the file cannot be used.
        """
        deadline = time.monotonic() + timeout
        if not self._turn.acquire(timeout=timeout):
            raise exceptions.StorageUnavailable(f'the writers of this process kept {self._path} for {timeout} s')
        try:
            if self._path is not None:
                self._take(deadline, timeout)
        except BaseException:
            self._turn.release()
            raise

    def release(self) -> None:
        """Let go of the lock."""
        try:
            if self._fd >= 0:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
        finally:
            self._turn.release()

    def close(self) -> None:
        """Close the file, unless a helper thread still waits for it. Nobody may hold the lock."""
        with self._state:
            if self._fd >= 0 and not self._waiting:
                os.close(self._fd)
                self._fd = -1

    def forked(self) -> None:
        """In the child of a fork: leave the file to the parent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _take(self, deadline: float, timeout: float) -> None:
        try:
            if self._fd < 0:
                self._fd = os.open(str(self._path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
            if not self._waiting:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
        except BlockingIOError:
            pass
        except OSError as err:
            raise exceptions.StorageUnavailable(f'the lock file {self._path} cannot be used: {err}') from err
        self._wait(deadline, timeout)

    def _wait(self, deadline: float, timeout: float) -> None:
        with self._state:
            self._wanted = True
            if not self._waiting:
                self._waiting, self._got, self._error = True, False, None
                threading.Thread(target=self._block, name='tfd-sqlite-writers', daemon=True).start()
            done = self._state.wait_for(lambda: self._got or self._error is not None, deadline - time.monotonic())
            self._wanted = False
            if self._got:
                self._got = False
                return
            error = self._error
        if done and error is not None:
            raise exceptions.StorageUnavailable(f'the lock file {self._path} cannot be used: {error}') from error
        raise exceptions.StorageUnavailable(f'other processes kept the lock file {self._path} for {timeout} s')

    def _block(self) -> None:
        error: OSError | None = None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX)
        except OSError as err:
            error = err
        with self._state:
            self._waiting = False
            self._error = error
            if error is None:
                self._got = self._wanted
                if not self._wanted:
                    fcntl.flock(self._fd, fcntl.LOCK_UN)
            self._state.notify_all()


_LOCKS: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _leave_all() -> None:
    for lock in list(_LOCKS):
        lock.forked()


os.register_at_fork(after_in_child=_leave_all)
