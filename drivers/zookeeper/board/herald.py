# SPDX-License-Identifier: Apache-2.0
"""Tells listeners which jobs came to a board, and which left it, as it happens."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tfd import exceptions
from tfd.jobs import base
from tfd.types.notifier import Callback, DetailsFilter, Notifier
from tfd_drivers.zookeeper.board.view import View

__all__ = ['Herald']

LOG = logging.getLogger(__name__)
#: Seconds between two tries to read a board that cannot be read.
_PAUSE = 0.5


class Herald(Notifier):
    """The notifier of a board: for as long as somebody listens a thread reads the board whenever it changes.

    :param refresh: reads what has changed; what it finds is given to :meth:`tell`.
    :param jobs: returns the jobs of paths.
    """

    def __init__(
        self, view: View, refresh: Callable[[], None], jobs: Callable[[list[str]], Mapping[str, base.Job]]
    ) -> None:
        super().__init__()
        self._view = view
        self._refresh = refresh
        self._jobs = jobs
        self._active = False
        self._thread: threading.Thread | None = None
        self._known: dict[str, base.Job] = {}

    def register(
        self, event_type: str, callback: Callback, args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None, details_filter: DetailsFilter | None = None,
    ) -> None:
        """Call ``callback`` at each such event from now on."""
        super().register(event_type, callback, args=args, kwargs=kwargs, details_filter=details_filter)
        if self._active:
            self._start()

    def begin(self) -> None:
        """Read from now on, where somebody listens."""
        self._active = True
        if self:
            self._start()

    def end(self) -> None:
        """Read no more."""
        with self._view.news:
            self._active = False
            thread, self._thread = self._thread, None
            self._view.news.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join(1.0)
        self._known.clear()

    def tell(self, came: list[str], went: list[str]) -> None:
        """Tell who listens; nothing is asked for where nobody does."""
        if not self:
            return
        try:
            found = self._jobs(came) if came else {}
        except (exceptions.SessionLost, exceptions.CoordinatorUnavailable) as err:
            LOG.warning('%d jobs that came to the board are not told of: %s', len(came), err)
            found = {}
        for path in came:
            if path in found:
                self._known[path] = found[path]
                self.notify(base.POSTED, {'job': found[path]})
        for path in went:
            job = self._known.pop(path, None)
            if job is not None:
                self.notify(base.REMOVAL, {'job': job})

    def _start(self) -> None:
        with self._view.news:
            if self._thread is None and self._active:
                self._thread = threading.Thread(target=self._run, name='tfd-zk-board-herald', daemon=True)
                self._thread.start()

    def _run(self) -> None:
        me = threading.current_thread()
        while self._wait(me):
            try:
                self._refresh()
            except exceptions.JobFailure as err:
                LOG.debug('the board cannot be read now: %s', err)
                self._pause()
            except Exception:
                # Whatever it is, who listens is told of the rest.
                LOG.exception('unexpected error; the board is read on')
                self._pause()

    def _pause(self) -> None:
        with self._view.news:
            self._view.news.wait(_PAUSE)

    def _wait(self, me: threading.Thread) -> bool:
        """Wait for news; return whether to go on."""
        with self._view.news:
            while self._thread is me and not (self and self._view.is_attached and self._view.is_dirty):
                self._view.news.wait()
            return self._thread is me
