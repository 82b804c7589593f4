# SPDX-License-Identifier: Apache-2.0
"""What is known of a board without asking: the names on its pages, kept up by watches."""

from __future__ import annotations

import functools
import heapq
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tfd import exceptions
from tfd_drivers.zookeeper import requests
from tfd_drivers.zookeeper.board import layout
from tfd_drivers.zookeeper.board.layout import Layout
from tfd_drivers.zookeeper.requests import Budget

__all__ = ['Page', 'View']

LOG = logging.getLogger(__name__)

#: Requests that are under way at once where many pages are read.
_WINDOW = 64
#: How often new news are followed before what is known is taken as it is.
_ROUNDS = 10
#: How many nodes that are no jobs are told of in the log.
_SAID = 1000

#: Returns, asking this client, the ranks of jobs whose names do not tell, by path; leaves out what is no job.
Ranks = Callable[[Any, Sequence[str], Budget], dict[str, int]]


class Page:
    """One page, as it was when it was listed last.

    :ivar order: ``(rank, sequence, name)`` of its jobs, sorted.
    :ivar locked: the names of those that are claimed.
    :ivar bad: the names of nodes that are passed over: they are no jobs.
    """

    def __init__(self, number: int, path: str) -> None:
        self.number = number
        self.path = path
        self.order: list[tuple[int, int, str]] = []
        self.names: frozenset[str] = frozenset()
        self.locked: frozenset[str] = frozenset()
        self.bad: set[str] = set()
        self.dirty = True
        self.gone = False
        self.changed: Callable[[Any], None] = _ignore

    def path_of(self, name: str) -> str:
        """The path of a job of this page."""
        return f'{self.path}/{name}'


class View:
    """The names of a board's jobs, page by page. Safe to use from any thread.

    A page is read when somebody wants to know and it has changed since: a watch says so, once, and is set again by that
    read. So what others do on the board costs a page's reading at most each time that somebody here looks, and nothing
    while nobody does; a board on which nothing changes is looked at for nothing.

    :param ranks: tells the ranks of TaskFlow's jobs.
    :param told: called after a reading, in the thread that read, with the paths of jobs that came and of those that
        went.
    """

    def __init__(self, paths: Layout, ranks: Ranks, told: Callable[[list[str], list[str]], None]) -> None:
        self._paths = paths
        self._ranks = ranks
        self._told = told
        self._reading = threading.Lock()
        self.news = threading.Condition()
        self._client: Any = None
        self._pages: dict[int, Page] = {}
        self._numbers_dirty = True
        self._said = 0

    # -- the session -------------------------------------------------------------------------------

    def attach(self, client: Any) -> None:
        """Read with this client from now on; None: not at all. What is known is kept, and read again."""
        with self.news:
            self._client = client
            self._numbers_dirty = True
            for page in self._pages.values():
                page.dirty = True
            self.news.notify_all()

    def forget(self) -> None:
        """Know nothing."""
        with self._reading, self.news:
            self._pages = {}
            self._numbers_dirty = True

    # -- what is known -----------------------------------------------------------------------------

    @property
    def is_dirty(self) -> bool:
        """Whether something has changed since it was read."""
        return self._numbers_dirty or any(page.dirty for page in list(self._pages.values()))

    @property
    def is_attached(self) -> bool:
        """Whether it can be read."""
        return self._client is not None

    @property
    def count(self) -> int:
        """How many jobs there are."""
        with self.news:
            return sum(len(page.names - page.bad) for page in self._pages.values())

    @property
    def quarantined(self) -> int:
        """How many nodes are passed over because they are no jobs."""
        with self.news:
            return sum(len(page.bad) for page in self._pages.values())

    def quarantine(self, path: str, why: object) -> None:
        """Pass over a node from now on, and say so once."""
        parent, _, name = path.rpartition('/')
        with self.news:
            page = self._page_at(parent)
        if page is not None:
            self._pass_over(page, name, why)

    def _pass_over(self, page: Page, name: str, why: object) -> None:
        with self.news:
            if name in page.bad:
                return
            page.bad.add(name)
            self._said += 1
        if self._said <= _SAID:
            LOG.warning('%r is no job, and is passed over: %s', page.path_of(name), why)

    def jobs(self, only_unclaimed: bool) -> Iterator[str]:
        """Yield the paths of jobs, the most urgent first; each is known still when it is yielded."""
        with self.news:
            pages = [_entries(page) for page in self._pages.values() if page.order]
        for _, _, _, page, name in heapq.merge(*pages):
            if name not in page.names or page.gone or name in page.bad:
                continue
            if only_unclaimed and name in page.locked:
                continue
            yield page.path_of(name)

    def offers(self, path: str, only_unclaimed: bool) -> bool:
        """Whether :meth:`jobs` would yield a path now."""
        parent, _, name = path.rpartition('/')
        page = self._page_at(parent)
        if page is None or name not in page.names or name in page.bad:
            return False
        return not (only_unclaimed and name in page.locked)

    def _page_at(self, path: str) -> Page | None:
        return self._pages.get(layout.LEGACY if path == self._paths.root else int(path[-10:]))

    # -- reading -----------------------------------------------------------------------------------

    def open_page(self, budget: Budget) -> int:
        """Return the number of the page to post to: the newest."""
        if self._numbers_dirty:
            with self._reading:
                client = self._client
                if client is None:
                    raise exceptions.SessionLost('there is no session to read the board with')
                self._flush(client, budget)
                self._read_numbers(client, budget)
        return self._newest()

    def _newest(self) -> int:
        return max(0, *self._pages) if self._pages else 0

    def look_for_pages(self) -> None:
        """Ask for the pages again before anything is posted: there are others by now."""
        self._numbers_dirty = True

    def refresh(self, budget: Budget, fresh: bool = False) -> None:
        """Read whatever has changed.

        :param fresh: what was answered to anybody before this call is seen.
        :raises CoordinatorUnavailable, SessionLost: it could not be read now.
        """
        came: list[str] = []
        went: list[str] = []
        try:
            with self._reading:
                client = self._client
                if client is None:
                    return
                if fresh:
                    requests.ask(client.sync_async(self._paths.root), budget, 'sync')
                self._flush(client, budget)
                for _ in range(_ROUNDS):
                    if not self._read_numbers(client, budget):
                        break
                    self._read_pages(client, budget, came, went)
        finally:
            if came or went:
                self._told(came, went)

    def _flush(self, client: Any, budget: Budget) -> None:
        """Wait until whatever was received of watches has been taken note of."""
        handler = client.handler
        if threading.current_thread() in getattr(handler, '_workers', ()):
            return
        passed = handler.event_object()
        handler.dispatch_callback(_Marker('watch', passed.set, ()))
        passed.wait(budget.left())

    def _read_numbers(self, client: Any, budget: Budget) -> bool:
        """Learn which pages there are, where that has changed; return whether there is something to read."""
        if self._numbers_dirty:
            self._numbers_dirty = False
            try:
                pending = client.get_children_async(self._paths.pages, watch=self._numbers_changed)
                found = requests.ask(pending, budget, f'list {self._paths.pages}')
            except BaseException:
                self._numbers_dirty = True
                raise
            numbers = {number for name in found if (number := self._paths.page_number(name)) is not None}
            with self.news:
                for number in sorted({layout.LEGACY, *numbers} - self._pages.keys()):
                    self._pages[number] = self._new_page(number)
        return any(page.dirty for page in self._pages.values())

    def _new_page(self, number: int) -> Page:
        page = Page(number, self._paths.page(number))
        # One function each: kazoo keeps a watch once.
        page.changed = functools.partial(self._page_changed, page)
        return page

    def _read_pages(self, client: Any, budget: Budget, came: list[str], went: list[str]) -> None:
        dirty = [page for page in self._pages.values() if page.dirty]
        for at in range(0, len(dirty), _WINDOW):
            asked = []
            for page in dirty[at:at + _WINDOW]:
                # Before the request: a watch may fire before the answer has been looked at.
                page.dirty = False
                asked.append((page, client.get_children_async(page.path, watch=page.changed)))
            self._take_answers(client, asked, budget, came, went)
            budget.renew()

    def _take_answers(
        self, client: Any, asked: list[tuple[Page, Any]], budget: Budget, came: list[str], went: list[str]
    ) -> None:
        for index, (page, pending) in enumerate(asked):
            try:
                children = requests.ask(pending, budget, f'list {page.path}')
            except requests.Gone:
                children = None
            except BaseException:
                for left, _ in asked[index:]:
                    left.dirty = True
                raise
            before = page.names
            self._take(client, page, children, budget)
            came += [page.path_of(name) for name in page.names - before]
            went += [page.path_of(name) for name in before - page.names]

    def _take(self, client: Any, page: Page, children: list[str] | None, budget: Budget) -> None:
        """Take note of what a page has now; None: it is gone."""
        if page.number == layout.LEGACY:
            order = self._legacy_order(client, page, children or [], budget)
        else:
            order = self._order(page, children or [])
        names = frozenset(name for _, _, name in order)
        locks = {name for name in children or () if name.endswith(layout.LOCK)}
        locked = frozenset(name for name in names if name + layout.LOCK in locks)
        with self.news:
            page.bad.intersection_update(children or ())
            page.order, page.names, page.locked = order, names, locked
            if children is None and page.number != layout.LEGACY:
                page.gone = True
                self._pages.pop(page.number, None)
            self.news.notify_all()
        if children == [] and page.number not in (layout.LEGACY, self._newest()):
            # Nobody posts to it any more. Somebody else may be faster.
            client.delete_async(page.path)

    def _order(self, page: Page, children: list[str]) -> list[tuple[int, int, str]]:
        order = []
        for name in children:
            said = layout.parse(name, page.number)
            if said is not None:
                assert said.rank is not None
                order.append((said.rank, said.sequence, name))
            elif not name.endswith(layout.LOCK):
                self._pass_over(page, name, 'its name is none of a job')
        order.sort()
        return order

    def _legacy_order(
        self, client: Any, page: Page, children: list[str], budget: Budget
    ) -> list[tuple[int, int, str]]:
        known = {name: rank for rank, _, name in page.order}
        said = {name: found for name in children if (found := layout.parse(name, page.number)) is not None}
        new = [page.path_of(name) for name in said if name not in known and name not in page.bad]
        ranks = self._ranks(client, new, budget)
        order = []
        for name, found in said.items():
            rank = known.get(name, ranks.get(page.path_of(name)))
            if rank is not None:
                order.append((rank, found.sequence, name))
        order.sort()
        return order

    # -- called by kazoo ---------------------------------------------------------------------------

    def _numbers_changed(self, _event: Any) -> None:
        with self.news:
            self._numbers_dirty = True
            self.news.notify_all()

    def _page_changed(self, page: Page, _event: Any) -> None:
        with self.news:
            page.dirty = True
            self.news.notify_all()


def _entries(page: Page) -> Iterator[tuple[int, int, int, Page, str]]:
    number = page.number
    for rank, sequence, name in page.order:
        yield rank, number, sequence, page, name


def _ignore(_event: Any) -> None:
    """Do nothing."""


class _Marker:
    """What kazoo calls in its turn among the watches."""

    def __init__(self, type: str, func: Callable[[], object], args: tuple[Any, ...]) -> None:
        self.type = type
        self.func = func
        self.args = args
