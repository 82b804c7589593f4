# SPDX-License-Identifier: Apache-2.0
"""An executor of green threads: for services that run on eventlet, and for tasks that wait more than they work."""

from __future__ import annotations

import collections
from collections.abc import Callable
from concurrent import futures
from typing import Any

import eventlet
from eventlet import event
from eventlet import queue as green_queue

__all__ = ['GreenThreadExecutor']

#: Green threads at once, where nobody says how many: each costs a few kilobytes.
_MANY = 1000


class GreenThreadExecutor(futures.Executor):
    """Runs calls on green threads of the thread that submits them.

    Whoever submits must give way to them: what blocks the thread, as waiting for a future's result does, blocks them
    all. The parallel engine waits on :meth:`completions` instead.

    :param max_workers: green threads at once; further calls wait for their turn.
    """

    def __init__(self, max_workers: int | None = None) -> None:
        if max_workers is not None and max_workers < 1:
            raise ValueError(f'max_workers must be at least 1, not {max_workers}')
        self._most = max_workers or _MANY
        self._running = 0
        self._waiting: collections.deque[tuple[futures.Future[Any], Callable[[], Any]]] = collections.deque()
        self._closed = False
        self._idle: event.Event | None = None

    @staticmethod
    def completions() -> Any:
        """Return a queue to wait on for calls that have ended, which gives way to green threads meanwhile."""
        return green_queue.LightQueue()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> futures.Future[Any]:
        """Run a call on a green thread; return its future.

        :raises RuntimeError: the executor was shut down.
        """
        if self._closed:
            raise RuntimeError('cannot schedule new futures after shutdown')
        future: futures.Future[Any] = futures.Future()
        self._waiting.append((future, lambda: fn(*args, **kwargs)))
        if self._running < self._most:
            self._running += 1
            eventlet.spawn_n(self._work)
        return future

    def _work(self) -> None:
        try:
            while self._waiting:
                future, call = self._waiting.popleft()
                if future.set_running_or_notify_cancel():
                    _settle(future, call)
        finally:
            self._running -= 1
            if not self._running and self._idle is not None:
                self._idle.send()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; wait for those that run, giving way to them.

        :param cancel_futures: drop the calls that have not begun.
        """
        self._closed = True
        if cancel_futures:
            for future, _ in self._waiting:
                future.cancel()
        if wait and self._running:
            if self._idle is None:
                self._idle = event.Event()
            self._idle.wait()


def _settle(future: futures.Future[Any], call: Callable[[], Any]) -> None:
    try:
        result = call()
    except BaseException as err:
        # As the executors of concurrent.futures do: it is raised where the result is asked for.
        future.set_exception(err)
    else:
        future.set_result(result)
