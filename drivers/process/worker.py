# SPDX-License-Identifier: Apache-2.0
"""What runs in a worker process."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import struct
import threading
from collections.abc import Callable, Mapping
from multiprocessing import connection
from typing import Any

from tfd import task
from tfd.types import clock
from tfd.types import failure as ft
from tfd_drivers.process import transfer

__all__ = ['ANSWER', 'CALL', 'DONE', 'LATE', 'RAISED', 'READY', 'STALE_AFTER', 'TOLD', 'UNREADABLE', 'call', 'main']

LOG = logging.getLogger(__name__)

#: Before a call: when it was looked whether it may begin, 0 where that does not matter.
CALL = struct.Struct('!d')
#: Before an answer: its kind, and which of the process's calls it is about.
ANSWER = struct.Struct('!cI')
READY, DONE, RAISED, TOLD, UNREADABLE, LATE = (bytes([code]) for code in b'YDRTUL')

#: Seconds after which a call that comes has to be asked for again: the process was stopped in between. Less than what
#: an owner of a job leaves of its time when it is asked.
STALE_AFTER = 0.1

Tell = Callable[[str, Mapping[str, Any]], None]


def main(pipe: connection.Connection) -> None:
    """Make the calls that come through a pipe, until its other end is closed."""
    _leave_signals_to_parent()
    _end_with_parent()
    lock = threading.Lock()
    number = 0

    def answer(kind: bytes, value: Any, about: int) -> None:
        message = packed_answer(kind, value, about)
        with lock:
            pipe.send_bytes(message)

    try:
        answer(READY, None, 0)
        while True:
            message = memoryview(pipe.recv_bytes())
            number += 1
            _answer(message, number, answer)
    except (EOFError, OSError):
        # The parent has ended, or wants this process to.
        return


def packed_answer(kind: bytes, value: Any, about: int) -> memoryview:
    """Return an answer as bytes: where its value cannot be pickled, one that says so.

    :raises Exception: it is TOLD, and cannot.
    """
    try:
        return transfer.dump(value, ANSWER.pack(kind, about))
    except transfer.ERRORS as err:
        if kind == TOLD:
            raise
        return transfer.dump(('the result of ', _text(err)), ANSWER.pack(UNREADABLE, about))


def _text(error: BaseException) -> str:
    return f'{type(error).__name__}: {error}'


def _answer(message: memoryview, number: int, answer: Callable[[bytes, Any, int], None]) -> None:
    checked, = CALL.unpack_from(message)
    if checked and clock.BootClock().now() - checked > STALE_AFTER:
        answer(LATE, None, number)
        return
    answer(*call(message[CALL.size:], lambda event, details: answer(TOLD, (event, details), number)), number)


def call(packed: memoryview | bytes, tell: Tell) -> tuple[bytes, Any]:
    """Make a call.

    :param tell: told of the events of a task.
    :returns: DONE and what was returned, RAISED and what was raised, or UNREADABLE, what of the call, and why.
    """
    try:
        function, args, kwargs = transfer.load(packed)
    except transfer.ERRORS as err:
        return UNREADABLE, ('', _text(err))
    teller = _Teller(tell, args[0] if args else None)
    progress, events = task.PROGRESS_SINK.set(teller.progress), task.EVENT_SINK.set(teller.event)
    try:
        outcome = function(*args, **kwargs)
    except BaseException as err:
        # KeyboardInterrupt and its like too: whoever waits for the call is to know.
        return RAISED, err
    finally:
        task.PROGRESS_SINK.reset(progress)
        task.EVENT_SINK.reset(events)
    if isinstance(outcome, ft.Failure) and outcome.exception is not None:
        # Frames do not travel.
        outcome.exception.add_note(f'Traceback in worker process {os.getpid()}:\n{outcome.traceback_str}')
    return DONE, outcome


class _Teller:
    """Tells what a task tells; what cannot be told is logged, as the errors of listeners are."""

    def __init__(self, tell: Tell, atom: Any) -> None:
        self._tell = tell
        self._atom = atom

    def progress(self, teller: Any, progress: float, more: Mapping[str, Any] | None) -> None:
        """Tell of its progress."""
        self.event(teller, task.EVENT_UPDATE_PROGRESS, {'progress': progress, **(more or {})})

    def event(self, teller: Any, event: str, details: Mapping[str, Any]) -> None:
        """Tell of an event of the task that is called."""
        if teller is not self._atom:
            # Of a flow that the task runs.
            return
        try:
            self._tell(event, dict(details))
        except Exception:
            LOG.warning('event %s of task %s cannot be told in another process', event, teller.name, exc_info=True)


def _leave_signals_to_parent() -> None:
    """Go on at Ctrl-C, and at a service's stop, which go to all processes: the parent says when to end.

    By handlers, not by ignoring: what a task executes would inherit that.
    """
    def default() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    os.register_at_fork(after_in_child=default)


def _end_with_parent() -> None:
    """End as soon as the parent has: somebody else goes on with its flows, and begins by what ran here."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_outlive, args=(parent.sentinel,), name='tfd-parent', daemon=True).start()


def _outlive(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
