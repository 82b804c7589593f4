# SPDX-License-Identifier: Apache-2.0
"""A line from the processes of a pool to the process that made it, on which every call is answered."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Mapping
from multiprocessing import AuthenticationError, connection
from typing import Any

from tfd import exceptions
from tfd.executors import calls
from tfd.executors.carriers import Check, Sink
from tfd_drivers.process import transfer

__all__ = ['Line', 'Where', 'call']

#: Address and key of a line.
Where = tuple[str, bytes]

#: Processes that may call at the same time for the first time.
_BACKLOG = 128


class Line:
    """The end at which calls are answered.

    :ivar where: what those who call need to know.
    :ivar atoms: whose calls are under way, by number.
    """

    def __init__(self, check: Check, sink: Sink) -> None:
        self._check = check
        self._sink = sink
        self._key = os.urandom(32)
        self._listener = connection.Listener(family='AF_UNIX', backlog=_BACKLOG, authkey=self._key)
        self._closed = False
        self._open: set[connection.Connection] = set()
        self.where: Where = (str(self._listener.address), self._key)
        self.atoms: dict[int, Any] = {}
        threading.Thread(target=self._accept, name='tfd-line', daemon=True).start()

    def _accept(self) -> None:
        while not self._closed:
            try:
                pipe = self._listener.accept()
            except (OSError, EOFError, AuthenticationError):
                # Who called has ended, or is nobody of ours.
                continue
            self._open.add(pipe)
            threading.Thread(target=self._answer, args=(pipe,), name='tfd-line', daemon=True).start()
        self._listener.close()
        for pipe in tuple(self._open):
            _hang_up(pipe)

    def _answer(self, pipe: connection.Connection) -> None:
        try:
            while True:
                number, event, details = transfer.load(pipe.recv_bytes())
                pipe.send_bytes(_packed(self._answer_to(number, event, details)))
        except (EOFError, OSError):
            pass
        finally:
            self._open.discard(pipe)
            pipe.close()

    def _answer_to(self, number: int, event: str | None, details: Mapping[str, Any]) -> BaseException | None:
        atom = self.atoms.get(number)
        try:
            if event is None:
                if self._check is not None:
                    self._check()
            elif atom is not None:
                calls.tell(self._sink, atom, event, details)
        except BaseException as err:
            return err
        return None

    def close(self) -> None:
        """Answer no more calls."""
        self._closed = True
        try:
            # It waits for somebody to call.
            connection.Client(self.where[0], authkey=self._key).close()
        except (OSError, EOFError):
            pass


def _packed(error: BaseException | None) -> memoryview:
    try:
        return transfer.dump(error)
    except transfer.ERRORS:
        return transfer.dump(exceptions.ExecutionFailure(str(error)))


def _hang_up(pipe: connection.Connection) -> None:
    """Have the thread that waits at a connection notice that it is over."""
    try:
        with socket.socket(fileno=os.dup(pipe.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)
    except (OSError, ValueError):
        pass


class _Phone:
    """The other end, in a process of the pool: one for all its calls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._where: tuple[int, Where] | None = None
        self._pipe: Any = None

    def call(self, where: Where, number: int, event: str | None, details: Mapping[str, Any] | None) -> None:
        """Send a message on the line that is open, or on another one, and wait for its answer."""
        message = transfer.dump((number, event, details))
        with self._lock:
            # By process too: one that was forked must not talk into its parent's connection.
            if self._where != (os.getpid(), where):
                self._pipe = connection.Client(where[0], authkey=where[1])
                self._where = (os.getpid(), where)
            try:
                self._pipe.send_bytes(message)
                error = transfer.load(self._pipe.recv_bytes())
            except (EOFError, OSError):
                self._where = None
                raise
        if error is not None:
            raise error


_PHONE = _Phone()


def call(where: Where, number: int, event: str | None, details: Mapping[str, Any] | None) -> None:
    """Tell of an event of the call of that number, or ask whether it may begin where there is no event.

    :raises OSError, EOFError: nobody answers any more.
    :raises Exception: why the call may not begin.
    """
    _PHONE.call(where, number, event, details)
