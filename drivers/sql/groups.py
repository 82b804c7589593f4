# SPDX-License-Identifier: Apache-2.0
"""Threads that write at the same time share transactions, and one alone does not wait for others."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tfd.persistence import record
from tfd_drivers.sql.fence import Known

__all__ = ['Group', 'Item']


@dataclass(eq=False, slots=True)
class Item:
    """One step on its way into the database.

    :ivar entry: the step, of a job.
    :ivar fence: its fence.
    :ivar before: what is known of the row of the job.
    :ivar what: what the history says of the step.
    :ivar at: when it was given, in seconds since 1970-01-01 UTC.
    :ivar size: how much it adds to a request, in bytes.
    :ivar idle: 1 for a step that is no progress, 0 otherwise.
    :ivar rows: how many rows of atoms and flows it changes.
    :ivar state: the flow's new state, None where that stays.
    :ivar recorded: whether it is recorded.
    :ivar doubtful: whether it may be.
    :ivar error: what to raise instead of writing it alone.
    """

    entry: record.Entry
    fence: record.Fence
    before: Known
    what: str
    at: float
    size: int
    idle: int
    rows: int
    state: str | None
    recorded: bool = False
    doubtful: bool = False
    error: Exception | None = None
    _leads: bool = False
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, entry: record.Entry, before: Known, what: str, at: float, size: int) -> Item:
        """Return the item of a step that changes atoms, and perhaps the flow's state."""
        assert entry.fence is not None
        state = entry.values[0] if entry.columns else None
        idle, rows = 0 if entry.progresses else 1, len(entry.changes) + (state is not None)
        return cls(entry, entry.fence, before, what, at, size, idle, rows, state)


class Group:
    """Puts together what is to be written, batch by batch.

    There is no thread and no timer: whoever finds nobody writing writes at once, and afterwards passes that on to the
    first of those who came meanwhile, who writes for all of them.

    :param write: writes a batch in one transaction, and says of each item what became of it; it does not raise but for
        what ends a thread.
    :param most: items in a batch.
    :param largest: bytes in a batch.
    :param room: how many may wait; who comes on top of them is turned away.
    """

    def __init__(
        self, write: Callable[[Sequence[Item]], None], most: int = 64, largest: int = 262_144, room: int = 1024,
    ) -> None:
        self._write = write
        self._most = most
        self._largest = largest
        self._room = room
        self._guard = threading.Lock()
        self._writing = False
        self._waiting: collections.deque[Item] = collections.deque()

    def write(self, item: Item) -> None:
        """Have an item written, by this thread or another one. Returns once that was tried.

        An item that is not recorded afterwards is to be written alone.
        """
        batch = [item]
        with self._guard:
            if not self._writing:
                self._writing = item._leads = True
            elif len(self._waiting) >= self._room:
                return
            else:
                item._turn.acquire()
                self._waiting.append(item)
        if not item._leads:
            # Until its turn has come, or another has written it.
            item._turn.acquire()
            if not item._leads:
                return
            batch += self._take(item.size)
        self._lead(batch)

    def _take(self, size: int) -> list[Item]:
        """Take from those who wait what fits into a batch."""
        taken: list[Item] = []
        with self._guard:
            while self._waiting and len(taken) + 1 < self._most:
                size += self._waiting[0].size
                if size > self._largest:
                    break
                taken.append(self._waiting.popleft())
        return taken

    def _lead(self, batch: list[Item]) -> None:
        try:
            self._write(batch)
        finally:
            for other in batch[1:]:
                other._turn.release()
            with self._guard:
                if self._waiting:
                    following = self._waiting.popleft()
                    following._leads = True
                    following._turn.release()
                else:
                    self._writing = False
