# SPDX-License-Identifier: Apache-2.0
"""A job that is a node of ZooKeeper."""

from __future__ import annotations

import datetime
from typing import Any, Protocol

from tfd.jobs import base
from tfd.jobs.base import JobPriority
from tfd.persistence import base as persistence
from tfd.persistence import models
from tfd_drivers.zookeeper.board import layout
from tfd_drivers.zookeeper.board.postings import Posting

__all__ = ['Asked', 'ZookeeperJob']


class Asked(Protocol):
    """What a job asks its board."""

    @property
    def path(self) -> str:
        """The path of the board."""

    def state_of(self, path: str) -> str:
        """Return the state of a job now."""

    def stat_of(self, path: str) -> Any:
        """Return the stat of a job's node, None where there is none."""


class ZookeeperJob(base.Job):
    """A job of :class:`~tfd_drivers.zookeeper.board.board.ZookeeperJobBoard`; the board makes it."""

    def __init__(
        self, board: Any, path: str, posting: Posting, backend: persistence.Backend | None = None,
        book: models.LogBook | None = None,
    ) -> None:
        super().__init__(
            board, posting.name, uuid=posting.uuid, details=posting.details, backend=backend, book=book,
            book_data=posting.book)
        self._asked: Asked = board
        self._path = path
        self._priority = posting.priority
        self._created_on: datetime.datetime | None = None
        parent, _, name = path.rpartition('/')
        self._page = layout.LEGACY if parent == self._asked.path else int(parent[-10:])
        said = layout.parse(name, self._page)
        self._sequence = 0 if said is None else said.sequence

    @property
    def path(self) -> str:
        """The path of its node."""
        return self._path

    @property
    def lock_path(self) -> str:
        """The path of the node by which it is claimed."""
        return self._path + layout.LOCK

    @property
    def root(self) -> str:
        """The path of the board."""
        return self._asked.path

    @property
    def sequence(self) -> int:
        """Its number among those that were posted to its page."""
        return self._sequence

    @property
    def priority(self) -> JobPriority:
        """How urgent it is."""
        return self._priority

    @property
    def state(self) -> str:
        """UNCLAIMED, CLAIMED, or COMPLETE once it has left the board, as it is now."""
        return self._asked.state_of(self._path)

    @property
    def created_on(self) -> datetime.datetime | None:
        """When it was posted, by ZooKeeper's clock; None where it had left the board when that was first asked."""
        if self._created_on is None:
            stat = self._asked.stat_of(self._path)
            self._created_on = None if stat is None else _when(stat.ctime)
        return self._created_on

    @property
    def last_modified(self) -> datetime.datetime | None:
        """When its node was changed last, None once it has left the board."""
        stat = self._asked.stat_of(self._path)
        return None if stat is None else _when(stat.mtime)

    def __lt__(self, other: object) -> bool:
        """Tell whether it comes before another job of its board: it is more urgent, or older."""
        if not isinstance(other, ZookeeperJob):
            return NotImplemented
        return self._order() < other._order()

    def _order(self) -> tuple[int, int, int]:
        return self._priority.rank, self._page, self._sequence


def _when(milliseconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC).replace(tzinfo=None)
