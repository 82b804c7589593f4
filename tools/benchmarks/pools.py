# SPDX-License-Identifier: Apache-2.0
"""Tasks that run at the same time, and the same calls made by an executor with nothing around it.

Each function returns what makes all the calls, to be timed from there to its return. Tasks that go to other processes
are found there by name, so they are made of tfd where this module is imported with it.
"""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Callable
from concurrent import futures
from typing import Any

__all__ = ['WAIT', 'WORKERS', 'Missing', 'bare', 'tfd_run']

WORKERS = 2
#: Seconds of computing of a task of the row of processes.
COMPUTING = 0.001
#: Seconds that a task of the row of green threads waits.
WAIT = 0.1

try:
    from tfd import task
except ImportError:  # the process that has no library
    _Task: Any = object
else:
    _Task = task.Task


class Missing(Exception):
    """A driver is not installed."""


def nothing() -> None:
    """Do nothing."""


def compute() -> None:
    """Compute for a millisecond of this process's own time, whoever else the machine works for."""
    end = time.process_time() + COMPUTING
    while time.process_time() < end:
        pass


_CALLS: dict[str, Callable[[], None]] = {'threads': nothing, 'processes': compute}
_EXECUTORS = {'threads': 'threads', 'processes': 'processes', 'green': 'greenthreads'}


class Calls(_Task):  # type: ignore[misc]
    """Makes one of the calls."""

    def __init__(self, name: str, kind: str) -> None:
        super().__init__(name)
        self.kind = kind

    def execute(self) -> None:
        """Make it."""
        _CALLS[self.kind]()


class Waits(_Task):  # type: ignore[misc]
    """Waits on a socket that nothing comes to."""

    def __init__(self, name: str, waiting: Any) -> None:
        super().__init__(name)
        self.waiting = waiting

    def execute(self) -> None:
        """Wait."""
        with self.waiting, contextlib.suppress(TimeoutError):
            self.waiting.recv(1)


def _waiting_tasks(count: int) -> list[Any]:
    try:
        from eventlet.green import socket
    except ImportError as error:
        raise Missing(str(error)) from error
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    tasks = []
    for number in range(count):
        waiting = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        waiting.bind(('127.0.0.1', 0))
        waiting.settimeout(WAIT)
        tasks.append(Waits(f'task-{number}', waiting))
    return tasks


def tfd_run(kind: str, count: int) -> Callable[[], Any]:
    """Return what runs a flow of unordered tasks on the parallel engine.

    :raises Missing: its executor is not installed.
    """
    from tfd import engines
    from tfd.patterns import unordered_flow
    tasks = _waiting_tasks(count) if kind == 'green' else [Calls(f'task-{number}', kind) for number in range(count)]
    flow = unordered_flow.Flow(kind).add(*tasks)
    workers = count if kind == 'green' else WORKERS

    def run() -> None:
        engines.load(flow, engine='parallel', executor=_EXECUTORS[kind], max_workers=workers).run()

    try:
        engines.load(flow, engine='parallel', executor=_EXECUTORS[kind], max_workers=workers)
    except (ImportError, TypeError, ValueError) as error:
        raise Missing(str(error)) from error
    return run


def bare(kind: str, count: int) -> Callable[[], Any]:
    """Return what makes the same calls by an executor of :mod:`concurrent.futures`."""
    pool = {'threads': futures.ThreadPoolExecutor, 'processes': futures.ProcessPoolExecutor}[kind]
    call = _CALLS[kind]

    def run() -> None:
        with pool(WORKERS) as executor:
            for future in [executor.submit(call) for _ in range(count)]:
                future.result()

    return run
