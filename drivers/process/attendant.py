# SPDX-License-Identifier: Apache-2.0
"""A worker process as its parent sees it, and the thread that attends to it."""

from __future__ import annotations

import dataclasses
import logging
import multiprocessing
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Mapping
from concurrent import futures
from multiprocessing import forkserver
from typing import Any

from tfd import exceptions
from tfd.executors.carriers import Check, Uncalled
from tfd.types import clock
from tfd.types import failure as ft
from tfd_drivers.process import transfer, worker

__all__ = ['Call', 'Process', 'attend']

LOG = logging.getLogger(__name__)

#: Seconds for which the death of a worker is kept to oneself: what ends all of a service's processes ends this one too.
_GRACE = 0.1
#: What multiprocessing takes for an exit code where the fork server has ended.
_UNKNOWN = 255
#: Seconds that an idle worker has to end by itself.
_PATIENCE = 5.0

_METHODS = multiprocessing.get_all_start_methods()
#: Never ``fork``: a thread of this process may hold a lock, which would stay locked in the worker.
_CONTEXT: Any = multiprocessing.get_context('forkserver' if 'forkserver' in _METHODS else 'spawn')


def _preload() -> None:
    """Have the fork server import what this process has of tfd, once for all workers; not where others told it what."""
    server = forkserver._forkserver  # There is no way to ask, only to set.
    if getattr(server, '_preload_modules', None) == ['__main__']:
        names = sorted(name for name in sys.modules if name.startswith(('tfd.', 'tfd_drivers.process.')))
        _CONTEXT.set_forkserver_preload(['__main__', *names])


@dataclasses.dataclass(eq=False, slots=True)
class Call:
    """A call that was submitted.

    :ivar what: names it.
    :ivar message: what the worker gets; empty where it is not sent from here.
    :ivar is_atom: whatever keeps it from being made, or its outcome from coming back, is a Failure that it returned.
    :ivar check: called immediately before it is sent; raises where it may not begin.
    :ivar tell: told of what the call tells.
    :ivar begun: whether its future can be cancelled no more.
    """

    what: str
    message: memoryview = memoryview(b'')
    is_atom: bool = False
    check: Check = None
    tell: Callable[[str, Mapping[str, Any]], None] | None = None
    begun: bool = False
    future: futures.Future[Any] = dataclasses.field(default_factory=futures.Future)

    @classmethod
    def refused(cls, what: str, error: exceptions.TaskFlowException) -> futures.Future[Any]:
        """Return the future of the call of an atom that cannot be made at all."""
        made = cls(what, is_atom=True)
        made.fail(error, called=False)
        return made.future

    def fail(self, error: exceptions.TaskFlowException, called: bool = True) -> None:
        """Settle a call that could not be made, or whose outcome did not come back.

        :param called: False where it certainly was not made.
        """
        if self.is_atom:
            failure = ft.Failure.from_exception(error)
            self.future.set_result(failure if called else Uncalled(failure))
        else:
            self.future.set_exception(error)

    def settle(self, kind: bytes, value: Any) -> None:
        """Settle a call by its answer."""
        try:
            found = transfer.load(value)
        except transfer.ERRORS as err:
            self.fail(exceptions.NotTransferable(f'the result of {self.what}', err))
            return
        if kind == worker.DONE:
            self.future.set_result(found)
        elif kind == worker.RAISED and self.is_atom and not isinstance(found, Exception):
            self.fail(exceptions.AtomInterrupted(self.what, found))
        elif kind == worker.RAISED:
            self.future.set_exception(found)
        else:
            # Of the call itself nothing is said but that it cannot be read.
            self.fail(exceptions.NotTransferable(found[0] + self.what, found[1]), called=bool(found[0]))

    def news(self, packed: Any) -> None:
        """Tell what a task told."""
        if self.tell is not None:
            try:
                self.tell(*transfer.load(packed))
            except BaseException:
                # Whatever it is, it must not end the thread that waits for the task.
                LOG.warning('what %s has told cannot be told here', self.what, exc_info=True)


class Process:
    """A worker process with its pipe. For one thread, but for :meth:`kill`.

    :raises OSError: it cannot be started.
    """

    def __init__(self) -> None:
        _preload()
        self._pipe, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=worker.main, args=(theirs,), name='tfd-worker')
        try:
            self._process.start()
        finally:
            theirs.close()
        self.pid: int = self._process.pid
        self._number = 0
        self._fd = self._pipe.fileno()
        # Not multiprocessing's sentinel, which says that the process has ended when the fork server has.
        self._alive = os.pidfd_open(self.pid)
        self._poll = select.poll()
        for fd in (self._fd, self._alive):
            self._poll.register(fd, select.POLLIN)

    def is_ready(self) -> bool:
        """Wait until the process takes calls; tell whether it does."""
        try:
            self._receive()
        except (EOFError, OSError):
            return False
        return True

    def is_alive(self) -> bool:
        """Tell whether the process can be sent a call: whatever it said since the last one is late."""
        try:
            while self._poll.poll(0):
                self._receive()
        except (EOFError, OSError):
            return False
        return True

    def send(self, call: Call) -> bool:
        """Have a call made; tell whether it is to be answered: not where it was cancelled, or its check raised."""
        if not call.begun and not call.future.set_running_or_notify_cancel():
            return False
        call.begun = True
        if call.check is not None:
            try:
                call.check()
            except BaseException as err:
                call.future.set_exception(err)
                return False
            worker.CALL.pack_into(call.message, 0, clock.BootClock().now())
        self._number += 1
        try:
            self._pipe.send_bytes(call.message)
        except OSError:
            # The process has ended, as who waits for the answer will see.
            pass
        return True

    def answer(self, call: Call) -> tuple[bytes, bytes]:
        """Return the kind and the bytes of the answer to the call that was sent last, and tell what comes before it.

        :raises EOFError, OSError: the process has ended.
        """
        while True:
            kind, number, value = self._receive()
            if number != self._number:
                continue
            if kind != worker.TOLD:
                return kind, value
            call.news(value)

    def _receive(self) -> tuple[bytes, int, Any]:
        ready = self._poll.poll()
        if all(fd != self._fd for fd, _ in ready):
            raise EOFError
        message = memoryview(self._pipe.recv_bytes())
        kind, number = worker.ANSWER.unpack_from(message)
        return kind, number, message[worker.ANSWER.size:]

    def kill(self) -> None:
        """End the process now, whatever it does."""
        try:
            signal.pidfd_send_signal(self._alive, signal.SIGKILL)
        except OSError:
            # It has ended, and is perhaps forgotten.
            pass

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the process has ended; tell whether it has.

        :param timeout: seconds.
        """
        ending = select.poll()
        ending.register(self._alive, select.POLLIN)
        return bool(ending.poll(None if timeout is None else timeout * 1000))

    def end(self) -> int | None:
        """End the process, which has nothing to do; return its exit code, None where that is not known."""
        self._pipe.close()
        if not self.wait(_PATIENCE):
            self.kill()
            self.wait()
        self._process.join()
        code: int | None = self._process.exitcode
        return None if code == _UNKNOWN else code

    def forget(self) -> None:
        """Let go of what is left of a process that was ended; once."""
        self._process.close()
        os.close(self._alive)


def attend(process: Process, call: Call | None, next_call: Callable[[bool], Call | None]) -> Call | None:
    """Have calls made by a process until there are no more, or it has ended.

    :param call: the first.
    :param next_call: returns another one; told True it waits for one, and returns None where there will be no more.
    :returns: a call for another process, None where there are no more.
    """
    while call is not None and process.is_alive():
        answered: Call | None = call if process.send(call) else None
        while answered is not None:
            try:
                kind, value = process.answer(answered)
            except (EOFError, OSError):
                time.sleep(_GRACE)
                answered.fail(exceptions.WorkerDied(answered.what, process.pid, process.end()))
                return next_call(True)
            if kind == worker.LATE:
                answered = answered if process.send(answered) else None
                continue
            # First another call, then what this one came to: the process waits no longer than it has to.
            following = next_call(False)
            sent = following is not None and process.send(following)
            answered.settle(kind, value)
            answered = following if sent else None
        call = next_call(True)
    return call
