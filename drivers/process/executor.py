# SPDX-License-Identifier: Apache-2.0
"""An executor of worker processes: for tasks that compute, and for those that may take a process down with them."""

from __future__ import annotations

import atexit
import collections
import os
import threading
import weakref
from collections.abc import Callable, Mapping
from concurrent import futures
from typing import Any

from tfd import exceptions
from tfd.executors import calls
from tfd.executors.carriers import Check, FutureCarrier, Sink
from tfd_drivers.process import attendant, borrowed, transfer, worker

__all__ = ['ProcessExecutor']

#: Processes in a row that end before they take a call: then it is not the calls that end them.
_STARTS = 3


class ProcessExecutor(futures.Executor):
    """Makes calls in worker processes, which are started when they are needed.

    Calls travel as pickles, so functions must be importable; a script that uses it begins with
    ``if __name__ == '__main__':``, as :mod:`multiprocessing` wants. A process that ends while it makes a call is
    replaced, and the call fails with :class:`~tfd.exceptions.WorkerDied`; others do not notice. Signals that go to all
    processes, as Ctrl-C, are left to this one; workers end when it does.

    :param max_workers: processes at once; by default one for each processor that this process may use.
    :ivar max_workers: as given.
    """

    def __init__(self, max_workers: int | None = None) -> None:
        if max_workers is not None and max_workers < 1:
            raise ValueError(f'max_workers must be at least 1, not {max_workers}')
        self.max_workers = max_workers or len(os.sched_getaffinity(0))
        self._changed = threading.Condition()
        self._waiting: collections.deque[attendant.Call] = collections.deque()
        self._idle = 0
        self._failed_starts = 0
        self._closed = False
        self._broken: exceptions.ExecutionFailure | None = None
        self._threads: set[threading.Thread] = set()
        self._processes: set[attendant.Process] = set()
        _EXECUTORS.add(self)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> futures.Future[Any]:
        """Have a function called in a worker process.

        :raises RuntimeError: the executor was shut down.
        """
        what = f'the call of {fn!r}'
        try:
            message = transfer.dump((fn, args, kwargs), worker.CALL.pack(0))
        except transfer.ERRORS as err:
            failed: futures.Future[Any] = futures.Future()
            failed.set_exception(exceptions.NotTransferable(what, err))
            return failed
        return self.enter(attendant.Call(what, message))

    def enter(self, call: attendant.Call) -> futures.Future[Any]:
        """Have a call made; return its future.

        :raises RuntimeError: the executor was shut down.
        """
        with self._changed:
            if self._closed:
                raise RuntimeError('cannot schedule new futures after shutdown')
            if self._broken is not None:
                call.future.set_exception(self._broken)
                return call.future
            self._waiting.append(call)
            if self._idle >= len(self._waiting):
                self._changed.notify()
            elif len(self._threads) < self.max_workers:
                thread = threading.Thread(target=self._attend, name='tfd-attendant', daemon=True)
                self._threads.add(thread)
                thread.start()
        return call.future

    # -- in the thread of a worker -----------------------------------------------------------------

    def _attend(self) -> None:
        """Keep a process that makes calls, for as long as there are any."""
        call: attendant.Call | None = None
        try:
            while True:
                process = self._start()
                if process is None:
                    self._drop(call)
                    return
                try:
                    call = attendant.attend(process, call or self._next(True), self._next)
                finally:
                    self._forget(process)
                if call is None:
                    return
        finally:
            with self._changed:
                self._threads.discard(threading.current_thread())

    def _start(self) -> attendant.Process | None:
        """Return a process that takes calls; None where none can be had."""
        while self._broken is None:
            try:
                process = attendant.Process()
            except Exception as err:
                # OSError, or RuntimeError in a worker whose main module starts workers when it is imported.
                self._note_start(err)
                continue
            self._processes.add(process)
            if process.is_ready():
                self._note_start(None)
                return process
            self._note_start(f'exit code {self._forget(process)}')
        return None

    def _forget(self, process: attendant.Process) -> int | None:
        code = process.end()
        self._processes.discard(process)
        process.forget()
        return code

    def _note_start(self, error: object) -> None:
        """Count processes that cannot be started; where that is all there are, say so to whoever waits."""
        with self._changed:
            self._failed_starts = 0 if error is None else self._failed_starts + 1
            if self._failed_starts < _STARTS:
                return
            self._broken = exceptions.ExecutionFailure(
                f'{_STARTS} worker processes have ended before they took a call, the last one with {error}: is the main'
                " module's own work under \"if __name__ == '__main__':\"?")
            dropped, self._waiting = self._waiting, collections.deque()
        for call in dropped:
            self._drop(call)

    def _drop(self, call: attendant.Call | None) -> None:
        if call is not None and call.future.set_running_or_notify_cancel():
            call.future.set_exception(self._broken)

    def _next(self, wait: bool) -> attendant.Call | None:
        with self._changed:
            while not self._waiting:
                if not wait or self._closed:
                    return None
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            return self._waiting.popleft()

    # -- closing -----------------------------------------------------------------------------------

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls, and end the processes once those that were taken are made.

        :param cancel_futures: drop the calls that have not begun.
        """
        with self._changed:
            self._closed = True
            dropped: list[attendant.Call] = []
            if cancel_futures:
                dropped.extend(self._waiting)
                self._waiting.clear()
            self._changed.notify_all()
            threads = self._threads - {threading.current_thread()}
        for call in dropped:
            call.future.cancel()
        if wait:
            for thread in threads:
                thread.join()

    def kill(self) -> None:
        """End the processes now, whatever they do."""
        for process in tuple(self._processes):
            process.kill()

    def carrier(self, check: Check, sink: Sink) -> FutureCarrier:
        """Return the way of one run to this executor."""
        return _ProcessCarrier(self, check, sink)

    @staticmethod
    def borrow(executor: futures.ProcessPoolExecutor, check: Check, sink: Sink) -> FutureCarrier:
        """Return the way of one run to a pool of processes of another making."""
        return borrowed.BorrowedCarrier(executor, check, sink)


class _ProcessCarrier(FutureCarrier):
    """Hands calls over as pickles, and tells here what tasks tell there."""

    _executor: ProcessExecutor

    def _hand_over(self, call: Any, atom: Any, arguments: Mapping[str, Any]) -> futures.Future[Any]:
        what = f'task {atom.name!r}'
        try:
            message = transfer.pack(call, atom, arguments, worker.CALL.pack(0))
        except exceptions.NotTransferable as err:
            return attendant.Call.refused(what, err)
        sink = self._sink

        def tell(event: str, details: Mapping[str, Any]) -> None:
            calls.tell(sink, atom, event, details)

        return self._executor.enter(attendant.Call(what, message, True, self._check, tell))


_EXECUTORS: weakref.WeakSet[ProcessExecutor] = weakref.WeakSet()


# After multiprocessing has registered what waits for processes, which `attendant` has seen to: so it is called before.
@atexit.register
def _kill_all() -> None:
    """End the workers of executors that nobody has shut down: none outlives this process."""
    for executor in tuple(_EXECUTORS):
        executor.kill()
