# SPDX-License-Identifier: Apache-2.0
"""What a conductor and the parallel engine run their calls in: simulated threads."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Mapping
from typing import Any

from tests.simulation.hub import Event, Process
from tfd.executors import calls

__all__ = ['Pool', 'SimulatedThreads']


class SimulatedThreads:
    """The :class:`tfd.conductors.threads.Threads` of a simulated process."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def event(self) -> Event:
        """Return a new event."""
        return Event(self._process.hub)

    def pool(self, workers: int) -> Pool:
        """Return a new pool."""
        return Pool(self._process)


class Pool(concurrent.futures.Executor):
    """Makes each call in a thread of its own; as many as there are."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._running = 0
        self._idle = Event(process.hub)

    def submit(self, call: Any, /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        """Have a call made."""
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self._running += 1
        self._process.spawn('job', lambda: self._run(future, lambda: call(*args, **kwargs)))
        return future

    def _run(self, future: concurrent.futures.Future[Any], call: Callable[[], object]) -> None:
        try:
            result = call()
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(result)
        self._running -= 1
        self._idle.set()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait until every call has ended."""
        while wait and self._running:
            self._idle.clear()
            self._idle.wait()

    def carrier(self, check: Any, sink: Any) -> _Carrier:
        """Return the way of one run of the parallel engine to these threads."""
        return _Carrier(self._process, check, sink)


class _Carrier:
    """A :class:`tfd.executors.carriers.Carrier`: check and call are one step."""

    def __init__(self, process: Process, check: Any, sink: Any) -> None:
        self._process = process
        self._check = check
        self._sink = sink
        self._under_way = 0
        self._closed = False
        self._some = Event(process.hub)
        self._ended: list[tuple[int, Any, BaseException | None]] = []

    def submit(self, node: int, call: Any, atom: Any, arguments: Mapping[str, Any]) -> None:
        """Have an atom called."""
        self._under_way += 1
        self._process.spawn('task', lambda: self._run(node, call, atom, arguments))

    def _run(self, node: int, call: Any, atom: Any, arguments: Mapping[str, Any]) -> None:
        if self._closed:
            return
        try:
            if self._check is not None:
                self._check()
            outcome = calls.in_context(self._sink, call, atom, arguments)
        except Exception as error:
            self._ended.append((node, None, error))
        else:
            self._ended.append((node, outcome, None))
        self._some.set()

    def take(self, timeout: float | None, most: int) -> list[tuple[int, Any]]:
        """Return what has ended; wait for one where none has."""
        if self._under_way and not self._ended:
            self._some.clear()
            self._some.wait(timeout)
        taken, self._ended = self._ended[:most], self._ended[most:]
        self._under_way -= len(taken)
        for _, _, error in taken:
            if error is not None:
                raise error
        return [(node, outcome) for node, outcome, _ in taken]

    def close(self) -> bool:
        """Let nothing more begin."""
        self._closed = True
        return self._under_way > 0
