# SPDX-License-Identifier: Apache-2.0
"""Carriers: take the calls of one run's atoms to where they run, and bring back what they came to."""

from __future__ import annotations

import collections
import queue
import threading
import time
from collections.abc import Callable, Mapping
from concurrent import futures
from typing import Any, NamedTuple, Protocol

from tfd import exceptions
from tfd.executors import calls
from tfd.types import failure as ft

__all__ = ['Carrier', 'Check', 'FutureCarrier', 'Sink', 'ThreadCarrier', 'Uncalled', 'closed', 'refused']

#: Called immediately before each call; raises where nothing may begin.
Check = Callable[[], None] | None
#: Told of progress: ``sink(task, progress, details)``.
Sink = Callable[[Any, float, Mapping[str, Any] | None], None]
#: A function of :mod:`tfd.executors.calls`, which returns what the atom returned or its Failure.
Call = Callable[[Any, Mapping[str, Any]], Any]

#: Seconds after which a thread that makes calls gives the pool's other users their turn.
_TURN = 0.01


class Uncalled(NamedTuple):
    """The outcome of an atom that certainly was not called: there is nothing of it to revert."""

    failure: ft.Failure


class Carrier(Protocol):
    """The way of one run to an executor, and back. An executor may bring its own: ``carrier(check, sink)``.

    Used by one thread. Conditions that a carrier keeps:

    - ``check`` is called as shortly before an atom is called as can be; where it raises, the atom is not called.
    - What an atom tells of its progress reaches the sink, and its listeners, in order and before its outcome does.
    - Whatever keeps one atom from being called, or its outcome from coming back, is that atom's Failure, inside of
      :class:`Uncalled` where it was not called; where the executor itself cannot go on, :meth:`take` raises.
    - KeyboardInterrupt and SystemExit, which calls let through, are raised by :meth:`take` where atoms are called in
      the thread that uses the carrier, and the atom's Failure elsewhere (:func:`tfd.executors.calls.in_worker`).
    """

    def submit(self, node: int, call: Call, atom: Any, arguments: Mapping[str, Any]) -> None:
        """Have ``call(atom, arguments)`` called.

        :raises ExecutionFailure: the executor takes no calls.
        """

    def take(self, timeout: float | None, most: int) -> list[tuple[int, Any]]:
        """Return ``(node, outcome)`` of calls that have ended, in that order; wait for one where none has.

        :param timeout: seconds to wait.
        :param most: return so many at most.
        :raises ExecutionFailure: the executor cannot go on.
        :raises BaseException: what a call must not hide: the claim is lost, the process is to end.
        """

    def close(self) -> bool:
        """Let nothing more begin; tell whether something has not ended. Its outcome comes back no more."""


def refused(executor: Any, atom: Any, error: BaseException) -> exceptions.ExecutionFailure:
    """Return the error to raise where an executor takes no calls."""
    return exceptions.ExecutionFailure(f'atom {atom.name!r} cannot be handed to {executor!r}: {error}')


def closed(executor: Any, error: BaseException) -> exceptions.ExecutionFailure:
    """Return the error to raise where an executor has dropped calls that it took."""
    return exceptions.ExecutionFailure(f'{executor!r} has dropped calls that it took: {error}')


class FutureCarrier:
    """Makes each call a call of its own on an executor.

    :param executor: whatever has ``submit``.
    :param ended: a queue to wait on that lets the executor's calls go on meanwhile.
    """

    def __init__(self, executor: Any, check: Check, sink: Sink, ended: Any = None) -> None:
        self._executor = executor
        self._check = check
        self._sink = sink
        self._under_way: dict[Any, int] = {}
        self._ended: Any = queue.SimpleQueue() if ended is None else ended
        self._thread = threading.get_ident()

    def submit(self, node: int, call: Call, atom: Any, arguments: Mapping[str, Any]) -> None:
        """Have an atom called."""
        try:
            future = self._hand_over(call, atom, arguments)
        except RuntimeError as err:
            raise refused(self._executor, atom, err) from err
        self._under_way[future] = node
        future.add_done_callback(self._ended.put)

    def _hand_over(self, call: Call, atom: Any, arguments: Mapping[str, Any]) -> Any:
        return self._executor.submit(self._run, call, atom, arguments)

    def _run(self, call: Call, atom: Any, arguments: Mapping[str, Any]) -> Any:
        """Run in a worker: look whether it may begin, then call at once."""
        if self._check is not None:
            self._check()
        return calls.in_context(self._sink, self._call, call, atom, arguments)

    def _call(self, call: Call, atom: Any, arguments: Mapping[str, Any]) -> Any:
        # Some executors make calls at once, where they are submitted.
        if threading.get_ident() == self._thread:
            return call(atom, arguments)
        return calls.in_worker(call, atom, arguments)

    def take(self, timeout: float | None, most: int) -> list[tuple[int, Any]]:
        """Return what has ended."""
        done: list[tuple[int, Any]] = []
        if not self._under_way:
            return done
        try:
            future = self._ended.get(timeout=timeout)
            while True:
                done.append((self._under_way.pop(future), self._outcome(future)))
                if len(done) >= most:
                    return done
                future = self._ended.get_nowait()
        except queue.Empty:
            return done

    def _outcome(self, future: Any) -> Any:
        try:
            return future.result()
        except futures.CancelledError as err:
            raise closed(self._executor, err) from err

    def close(self) -> bool:
        """Let nothing more begin."""
        abandoned = bool(self._under_way)
        for future in self._under_way:
            future.cancel()
        self._under_way.clear()
        return abandoned


class ThreadCarrier:
    """Has the threads of a pool take calls from a queue, turn by turn, instead of submitting each.

    A future for each call costs more than a task that does little. A turn makes calls for a moment, or one call that
    takes longer, and goes to the end of the pool's queue, where somebody else's calls may wait.

    :param executor: the pool.
    :param workers: how many threads it has.
    """

    def __init__(self, executor: futures.Executor, check: Check, sink: Sink, workers: int) -> None:
        self._executor = executor
        self._check = check
        self._sink = sink
        self._workers = workers
        self._lock = threading.Lock()
        self._turns = 0
        self._under_way = 0
        self._waiting: collections.deque[tuple[int, Call, Any, Mapping[str, Any]]] = collections.deque()
        # (node, outcome, error that is to be raised)
        self._ended: queue.SimpleQueue[tuple[int, Any, BaseException | None]] = queue.SimpleQueue()

    def submit(self, node: int, call: Call, atom: Any, arguments: Mapping[str, Any]) -> None:
        """Have an atom called."""
        self._under_way += 1
        self._waiting.append((node, call, atom, arguments))
        with self._lock:
            if self._turns >= self._workers:
                return
            self._turns += 1
        try:
            self._take_turn()
        except RuntimeError as err:
            raise refused(self._executor, atom, err) from err

    def _work(self) -> None:
        """Run in a worker: make calls until there are none, or the turn is over."""
        until = time.monotonic() + _TURN
        token = calls.PROGRESS.set(self._sink)
        try:
            while self._goes_on():
                self._call_next()
                if time.monotonic() > until:
                    self._take_turn()
                    return
        except RuntimeError as err:
            self._ended.put((0, None, closed(self._executor, err)))
        finally:
            calls.PROGRESS.reset(token)

    def _call_next(self) -> None:
        try:
            node, call, atom, arguments = self._waiting.popleft()
        except IndexError:
            return
        try:
            if self._check is not None:
                self._check()
            outcome = call(atom, arguments)
        except calls.ENDS as err:
            # As calls.in_worker, which is a frame more for every task.
            self._ended.put((node, calls.interrupted(atom, err), None))
        except BaseException as err:
            self._ended.put((node, None, err))
        else:
            self._ended.put((node, outcome, None))

    def _take_turn(self) -> None:
        self._executor.submit(self._work).add_done_callback(self._left)

    def _goes_on(self) -> bool:
        """Tell whether there may be another call; end this turn where there is none."""
        if self._waiting:
            return True
        # With the lock: a call that is added from now on finds that there is one turn less.
        with self._lock:
            if self._waiting:
                return True
            self._turns -= 1
            return False

    def _left(self, turn: futures.Future[None]) -> None:
        """See to it that nobody waits for a turn that never came."""
        error = futures.CancelledError() if turn.cancelled() else turn.exception()
        if error is not None:
            self._ended.put((0, None, closed(self._executor, error)))

    def take(self, timeout: float | None, most: int) -> list[tuple[int, Any]]:
        """Return what has ended."""
        done: list[tuple[int, Any]] = []
        if not self._under_way:
            return done
        get = self._ended.get_nowait
        try:
            node, outcome, error = self._ended.get(timeout=timeout)
            while True:
                if error is not None:
                    raise error
                done.append((node, outcome))
                if len(done) >= most:
                    break
                node, outcome, error = get()
        except queue.Empty:
            pass
        self._under_way -= len(done)
        return done

    def close(self) -> bool:
        """Let nothing more begin."""
        self._waiting.clear()
        return self._under_way > 0
