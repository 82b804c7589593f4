# SPDX-License-Identifier: Apache-2.0
"""What the workers of a daemon say of themselves, in memory that all its processes share.

It is made before the first fork, so that no connection between the processes is needed: a worker writes its own
place, whoever wants to know reads all of them, and nobody waits for anybody. What a process wrote outlives it.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import mmap
import os
import struct
import threading
import zlib
from collections.abc import Mapping
from typing import Any

from tfd.types import clock as clocks

__all__ = ['Notice', 'Notices', 'Phase', 'Reporter']

#: Bytes for each worker; what it says is cut to fit.
_PLACE = 4096
_HEAD = struct.Struct('<II')
#: The longest reason, in characters: three of them fit in, whatever they consist of.
_REASON = 200
#: How often a place is read until it is whole: a write takes microseconds.
_TRIES = 100
#: Seconds between two writes that say nothing new but that the worker lives.
_SELDOM = 0.25


class Phase(enum.StrEnum):
    """Where a worker is in its life."""

    STARTING = 'starting'
    #: It has died, and is started again after a pause.
    RESTARTING = 'restarting'
    #: It waits for a server that it has never reached.
    WAITING = 'waiting'
    CONDUCTING = 'conducting'
    DRAINING = 'draining'
    #: It has ended as it was told to, with nothing left.
    ENDED = 'ended'
    #: It has ended because it cannot work with the schema of the database.
    UNFIT = 'unfit'


@dataclasses.dataclass(frozen=True, slots=True)
class Notice:
    """What one worker says of itself. Times are seconds on the clock that runs through suspend.

    :ivar pid: its process; 0 before the first.
    :ivar began: when that began to work; 0 where it has not.
    :ivar alive: when its loop last came around.
    :ivar running: how many jobs it runs.
    :ivar away: why ``database``, ``coordinator`` or ``schema`` cannot be worked with, by these names.
    :ivar deaths: how often in a row its process died young.
    """

    phase: Phase = Phase.STARTING
    pid: int = 0
    began: float = 0.0
    alive: float = 0.0
    running: int = 0
    away: Mapping[str, str] = dataclasses.field(default_factory=dict)
    deaths: int = 0

    def age(self, now: float) -> float:
        """Return for how many seconds it has worked."""
        return now - self.began if self.began else 0.0

    def encode(self) -> bytes:
        """Return it as bytes."""
        away = {name: why[:_REASON] for name, why in self.away.items()}
        fields = dataclasses.asdict(self) | {'away': away}
        return json.dumps(fields, ensure_ascii=False).encode(errors='replace')

    @classmethod
    def decode(cls, text: bytes) -> Notice:
        """Return what was encoded."""
        fields = json.loads(text)
        return cls(**fields | {'phase': Phase(fields['phase'])})


class Notices:
    """A place for each worker of a daemon. Each is written by one process at a time, and read by any.

    :param workers: how many there are.
    :param fd: the open file of notices that another process made; None to make them.
    :ivar fd: the open file; a process that replaces its program can hand it on.
    """

    def __init__(self, workers: int, fd: int | None = None) -> None:
        self.workers = workers
        self.fd = fd if fd is not None else os.memfd_create('tfd-notices')
        if fd is None:
            os.ftruncate(self.fd, workers * _PLACE)
        self._memory = mmap.mmap(self.fd, workers * _PLACE)

    def write(self, number: int, notice: Notice) -> None:
        """Replace what a worker said. Never blocks."""
        text = notice.encode()
        at = number * _PLACE
        self._memory[at:at + _HEAD.size + len(text)] = _HEAD.pack(len(text), zlib.crc32(text)) + text

    def read(self, number: int) -> Notice | None:
        """Return what a worker said last; None where its process died while it wrote."""
        at = number * _PLACE
        for _ in range(_TRIES):
            size, check = _HEAD.unpack(self._memory[at:at + _HEAD.size])
            if not size:
                return Notice()
            text = self._memory[at + _HEAD.size:at + _HEAD.size + min(size, _PLACE - _HEAD.size)]
            if zlib.crc32(text) == check:
                return Notice.decode(text)
        return None

    def all(self) -> list[Notice | None]:
        """Return what each worker said last, by its number."""
        return [self.read(number) for number in range(self.workers)]

    def close(self) -> None:
        """Give the memory up in this process."""
        self._memory.close()
        os.close(self.fd)


class Reporter:
    """Writes the place of one worker, from its own process. Safe to use from any thread."""

    def __init__(self, notices: Notices, number: int, clock: clocks.Clock | None = None) -> None:
        self._notices = notices
        self._number = number
        self._clock = clock or clocks.BootClock()
        self._guard = threading.Lock()
        now = self._clock.now()
        before = notices.read(number) or Notice()
        self._said = Notice(pid=os.getpid(), began=now, alive=now, deaths=before.deaths)
        notices.write(number, self._said)

    @property
    def said(self) -> Notice:
        """What it says now."""
        return self._said

    def say(self, **news: Any) -> None:
        """Say what is new, and that the worker's loop is alive: cheap, so often is not too often."""
        with self._guard:
            now = self._clock.now()
            fresh = any(getattr(self._said, name) != value for name, value in news.items())
            if fresh or now - self._said.alive >= _SELDOM:
                self._said = dataclasses.replace(self._said, alive=now, **news)
                self._notices.write(self._number, self._said)
