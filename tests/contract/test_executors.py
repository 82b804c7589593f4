# SPDX-License-Identifier: Apache-2.0
"""Executors of every kind, and their carriers, keep their contract."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent import futures
from typing import Any

import testtools

from tfd import executors
from tfd.testing.executors import CarrierContract, ExecutorContract
from tfd_drivers.process.executor import ProcessExecutor

try:
    import eventlet
    import futurist
    from eventlet import event

    from tfd_drivers.eventlet.executor import GreenThreadExecutor
except ImportError:
    eventlet = None


class ThreadsTest(ExecutorContract, testtools.TestCase):
    def make(self, workers: int) -> Any:
        return executors.acquire('threads', workers)


class Own(futures.Executor):
    """What somebody else may have made."""

    def __init__(self, workers: int) -> None:
        self._pool = futures.ThreadPoolExecutor(workers)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> futures.Future[Any]:
        return self._pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait, cancel_futures=cancel_futures)


class AnyExecutorTest(ExecutorContract, testtools.TestCase):
    def make(self, workers: int) -> Any:
        return Own(workers)


class ProcessesTest(ExecutorContract, testtools.TestCase):
    def make(self, workers: int) -> Any:
        return ProcessExecutor(workers)


class BorrowedPoolTest(CarrierContract, testtools.TestCase):
    """A pool of processes that the caller made."""

    def make(self, workers: int) -> Any:
        return futures.ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context('forkserver'))


class GreenGate:
    def __init__(self) -> None:
        self._event = event.Event()

    def wait(self) -> None:
        self._event.wait()

    def open(self) -> None:
        self._event.send()


class _Green:
    """Green threads go on while this thread waits in eventlet's way only."""

    in_own_thread = True

    def make_gate(self, path: str) -> Any:
        return GreenGate()

    def until(self, future: futures.Future[Any]) -> None:
        while not future.done():
            self.give_way()

    def give_way(self) -> None:
        eventlet.sleep(0)


@testtools.skipIf(eventlet is None, 'eventlet and futurist are not installed')
class GreenThreadsTest(_Green, ExecutorContract, testtools.TestCase):
    def make(self, workers: int) -> Any:
        return GreenThreadExecutor(workers)


@testtools.skipIf(eventlet is None, 'eventlet and futurist are not installed')
class FuturistsGreenThreadsTest(_Green, CarrierContract, testtools.TestCase):
    def make(self, workers: int) -> Any:
        return futurist.GreenThreadPoolExecutor(workers)
