# SPDX-License-Identifier: Apache-2.0
"""An executor of green threads: for services that run on eventlet, and for tasks that wait more than they work."""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable, Mapping
from concurrent import futures
from typing import Any

import eventlet
from eventlet import event, hubs
from eventlet import queue as green_queue

from tfd.executors import calls
from tfd.executors.carriers import Call, Carrier, Check, FutureCarrier, Sink, refused

__all__ = ['GreenThreadExecutor']

#: Green threads at once, where nobody says how many: each costs a few kilobytes.
_MANY = 1000


class GreenThreadExecutor(futures.Executor):
    """Runs calls on green threads of the thread that submits them.

    Whoever submits must give way to them: what blocks the thread, as waiting for a future's result does, blocks them
    all. For one thread at a time.

    :param max_workers: green threads at once; further calls wait for their turn.
    :ivar max_workers: as given.
    """

    def __init__(self, max_workers: int | None = None) -> None:
        if max_workers is not None and max_workers < 1:
            raise ValueError(f'max_workers must be at least 1, not {max_workers}')
        self.max_workers = max_workers or _MANY
        self._running = 0
        self._waiting: collections.deque[tuple[futures.Future[Any] | None, Callable[[], None]]] = collections.deque()
        self._closed = False
        self._idle: event.Event | None = None
        self._hub: Any = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> futures.Future[Any]:
        """Run a call on a green thread; return its future.

        :raises RuntimeError: the executor was shut down, or green threads of another thread are at work.
        """
        future: futures.Future[Any] = futures.Future()
        self.start(functools.partial(_settle, future, fn, args, kwargs), future)
        return future

    def start(self, job: Callable[[], None], future: futures.Future[Any] | None = None) -> None:
        """Run a job, which raises nothing, on a green thread.

        :param future: to be cancelled where the job is dropped.
        :raises RuntimeError: as :meth:`submit`.
        """
        if self._closed:
            raise RuntimeError('cannot schedule new futures after shutdown')
        if self._hub is not hubs.get_hub():
            if self._running:
                raise RuntimeError('green threads of another thread are at work: make an executor for each thread')
            self._hub = hubs.get_hub()
        self._waiting.append((future, job))
        if self._running < self.max_workers:
            self._running += 1
            eventlet.spawn_n(self._work)

    def _work(self) -> None:
        try:
            while self._waiting:
                self._waiting.popleft()[1]()
        finally:
            self._running -= 1
            if not self._running and self._idle is not None:
                self._idle.send()
                self._idle = None

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; wait for those that run, giving way to them.

        :param cancel_futures: drop the calls that have not begun.
        """
        self._closed = True
        if cancel_futures:
            while self._waiting:
                future = self._waiting.popleft()[0]
                if future is not None:
                    future.cancel()
        if wait and self._running:
            if self._idle is None:
                self._idle = event.Event()
            self._idle.wait()

    def carrier(self, check: Check, sink: Sink) -> Carrier:
        """Return the way of one run to this executor."""
        return _GreenCarrier(self, check, sink)

    @staticmethod
    def borrow(executor: Any, check: Check, sink: Sink) -> Carrier:
        """Return the way of one run to another executor of green threads."""
        return _BorrowedCarrier(executor, check, sink, green_queue.LightQueue())


def _settle(future: futures.Future[Any], fn: Callable[..., Any], args: Any, kwargs: Any) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = fn(*args, **kwargs)
    except BaseException as err:
        # As the executors of concurrent.futures do: it is raised where the result is asked for.
        future.set_exception(err)
    else:
        future.set_result(result)


class _BorrowedCarrier(FutureCarrier):
    def _call(self, call: Call, atom: Any, arguments: Mapping[str, Any]) -> Any:
        # Whatever identifies a thread here may have been made to identify a green one.
        return call(atom, arguments)


class _GreenCarrier:
    """Takes calls to green threads of its own thread; no lock and no future is needed."""

    def __init__(self, executor: GreenThreadExecutor, check: Check, sink: Sink) -> None:
        self._executor = executor
        self._check = check
        self._sink = sink
        self._under_way = 0
        self._closed = False
        self._ended: collections.deque[tuple[int, Any, BaseException | None]] = collections.deque()
        self._news: event.Event | None = None

    def submit(self, node: int, call: Call, atom: Any, arguments: Mapping[str, Any]) -> None:
        """Have an atom called."""
        try:
            self._executor.start(functools.partial(self._run, node, call, atom, arguments))
        except RuntimeError as err:
            raise refused(self._executor, atom, err) from err
        self._under_way += 1

    def _run(self, node: int, call: Call, atom: Any, arguments: Mapping[str, Any]) -> None:
        if self._closed:
            return
        ended: tuple[int, Any, BaseException | None]
        try:
            if self._check is not None:
                self._check()
            ended = (node, calls.in_context(self._sink, call, atom, arguments), None)
        except BaseException as err:
            ended = (node, None, err)
        self._ended.append(ended)
        if self._news is not None:
            self._news.send()
            self._news = None

    def take(self, timeout: float | None, most: int) -> list[tuple[int, Any]]:
        """Return what has ended; give way to green threads meanwhile."""
        done: list[tuple[int, Any]] = []
        if not self._under_way:
            return done
        if not self._ended:
            self._news = event.Event()
            with eventlet.Timeout(timeout, False):
                self._news.wait()
            self._news = None
        while self._ended and len(done) < most:
            node, outcome, error = self._ended.popleft()
            if error is not None:
                raise error
            done.append((node, outcome))
        self._under_way -= len(done)
        return done

    def close(self) -> bool:
        """Let nothing more begin."""
        self._closed = True
        return self._under_way > 0
