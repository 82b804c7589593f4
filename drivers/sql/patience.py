# SPDX-License-Identifier: Apache-2.0
"""Calls that end in time, whatever the database does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from tfd import exceptions

__all__ = ['Patience']

_R = TypeVar('_R')

#: Threads that are kept for the next call.
_KEPT = 4


class _Call(Generic[_R]):
    """One call, and who still waits for it."""

    def __init__(self, work: Callable[[], _R], late: Callable[[], None] | None) -> None:
        self._work = work
        self._late = late
        self._guard = threading.Lock()
        self._finished = threading.Event()
        self._given_up = False
        self._error: BaseException | None = None
        self._result: _R | None = None

    def run(self) -> None:
        """Do the work; whoever gave up waiting for it is told that it is done."""
        try:
            self._result = self._work()
        except BaseException as error:
            self._error = error
        with self._guard:
            self._finished.set()
            late = self._late if self._given_up else None
        if late is not None:
            late()

    def result(self, timeout: float) -> Any:
        """Wait for the end of the work, and return or raise what it did.

        :raises TimeoutError: not within ``timeout`` seconds.
        """
        self._finished.wait(timeout)
        with self._guard:
            if not self._finished.is_set():
                self._given_up = True
                raise TimeoutError
        if self._error is not None:
            raise self._error
        return self._result


class Patience:
    """Runs calls on threads of its own, and waits for each no longer than its limit.

    PostgreSQL's client has no limit of its own on how long an answer may take: with a server that is frozen, not
    gone, a call would last as long as that. A call that was given up goes on until its connection fails.

    :param limit: seconds.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._guard = threading.Lock()
        self._idle: list[SimpleQueue[_Call[Any] | None]] = []
        self._closed = False

    def call(self, work: Callable[[], _R], late: Callable[[], None] | None = None) -> _R:
        """Return what ``work`` returns, or raise what it raises.

        :param late: called when work that was given up has come to an end after all.
        :raises StorageUnavailable: it took too long; it may still be done, or not.
        """
        call = _Call(work, late)
        self._worker().put(call)
        try:
            result: _R = call.result(self._limit)
        except TimeoutError:
            raise exceptions.StorageUnavailable(f'the database did not answer within {self._limit:g} s') from None
        return result

    def close(self) -> None:
        """End the threads that are idle, and the others when they are done."""
        with self._guard:
            self._closed = True
            for worker in self._idle:
                worker.put(None)
            self._idle.clear()

    def _worker(self) -> SimpleQueue[_Call[Any] | None]:
        with self._guard:
            if self._idle:
                return self._idle.pop()
        calls: SimpleQueue[_Call[Any] | None] = SimpleQueue()
        threading.Thread(target=self._run, args=(calls,), name='tfd-sql-lease-call', daemon=True).start()
        return calls

    def _run(self, calls: SimpleQueue[_Call[Any] | None]) -> None:
        while (call := calls.get()) is not None:
            call.run()
            del call
            with self._guard:
                if self._closed or len(self._idle) >= _KEPT:
                    return
                self._idle.append(calls)
