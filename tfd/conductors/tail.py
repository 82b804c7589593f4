# SPDX-License-Identifier: Apache-2.0
"""The last lines of the log about each job that runs here, for the operator who finds it parked."""

from __future__ import annotations

import collections
import contextlib
import contextvars
import datetime
import logging
import re
from collections.abc import Iterator

__all__ = ['LINES', 'WIDTH', 'Tail', 'Tails', 'bounded']

#: How many lines are kept of a job, and how many characters of each.
LINES = 20
WIDTH = 300

#: How much of a line is kept until secrets are masked in it: a secret that is cut in two is not found any more.
_UNMASKED = 16 * 1024

_UUID = re.compile(r'[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}')
_CURRENT: contextvars.ContextVar[Tail | None] = contextvars.ContextVar('tail', default=None)


class Tail:
    """The last lines about one run of one job, oldest first, as they were logged: secrets are not masked."""

    def __init__(self) -> None:
        self._lines: collections.deque[str] = collections.deque(maxlen=LINES)

    @property
    def lines(self) -> list[str]:
        """What there is now. Safe from any thread."""
        return list(self._lines)

    def add(self, line: str) -> None:
        """Keep a line; the oldest goes where there are too many."""
        self._lines.append(line)


class Tails(logging.Handler):
    """Keeps what is logged by the thread that runs a job, and by any thread in a line that names the job or its flow.

    Of an error that is logged with its traceback only the type is kept. One for a worker; see :meth:`capture`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._by_name: dict[str, Tail] = {}

    @contextlib.contextmanager
    def capture(self) -> Iterator[None]:
        """Hear what is logged, during a ``with`` block."""
        root = logging.getLogger()
        root.addHandler(self)
        try:
            yield
        finally:
            root.removeHandler(self)

    @contextlib.contextmanager
    def of(self, *names: str) -> Iterator[Tail]:
        """Keep the lines of a job that runs in this thread, during a ``with`` block.

        :param names: UUIDs by which lines of other threads name it.
        """
        tail = Tail()
        self._by_name.update(dict.fromkeys(names, tail))
        token = _CURRENT.set(tail)
        try:
            yield tail
        finally:
            _CURRENT.reset(token)
            for name in names:
                self._by_name.pop(name, None)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record where it is about a job that runs here."""
        try:
            message = record.getMessage()
            tail = _CURRENT.get() or self._named(message)
            if tail is not None:
                tail.add(_line(record, message))
        except Exception:
            self.handleError(record)

    def _named(self, message: str) -> Tail | None:
        if self._by_name:
            for name in _UUID.findall(message):
                if name in self._by_name:
                    return self._by_name[name]
        return None


def bounded(line: str) -> str:
    """Return a line, in which secrets are masked by now, as it is stored."""
    return line if len(line) <= WIDTH else f'{line[:WIDTH - 1]}…'


def _line(record: logging.LogRecord, message: str) -> str:
    moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
    at = moment.isoformat(timespec='milliseconds').replace('+00:00', 'Z')
    kind = f' ({record.exc_info[0].__name__})' if record.exc_info and record.exc_info[0] else ''
    text = ' '.join(message[:_UNMASKED].split())
    return f'{at} {record.levelname} {record.name}: {text}{kind}'
