# SPDX-License-Identifier: Apache-2.0
"""What a conductor waits on, and where its jobs run."""

from __future__ import annotations

import concurrent.futures
import contextlib
import threading
from typing import Protocol

__all__ = ['Event', 'NativeThreads', 'Threads']


class Event(Protocol):
    """As :class:`threading.Event`."""

    def is_set(self) -> bool:
        """Return whether it is set."""

    def set(self) -> None:
        """Set it, and wake whoever waits."""

    def clear(self) -> None:
        """Have those who wait from now on wait for the next :meth:`set`."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, so many seconds at most; return whether it is."""


class Threads(Protocol):
    """The kind of threads that a conductor lives in: its own, and those of its jobs."""

    def event(self) -> Event:
        """Return a new event, on which threads of this kind wait without keeping others from going on."""

    def pool(self, workers: int) -> contextlib.AbstractContextManager[concurrent.futures.Executor]:
        """Return a pool that makes so many calls at once, and whose exit waits until the last has ended."""


class NativeThreads:
    """The threads of the operating system."""

    def event(self) -> Event:
        """Return a new event."""
        return threading.Event()

    def pool(self, workers: int) -> contextlib.AbstractContextManager[concurrent.futures.Executor]:
        """Return a new pool."""
        return concurrent.futures.ThreadPoolExecutor(workers, thread_name_prefix='job')
