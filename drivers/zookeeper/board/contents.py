# SPDX-License-Identifier: Apache-2.0
"""What jobs' nodes hold, read in batches, and kept within bounds."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Sequence
from typing import Any

from tfd import exceptions
from tfd_drivers.zookeeper import requests
from tfd_drivers.zookeeper.board import layout, postings
from tfd_drivers.zookeeper.board.layout import Layout
from tfd_drivers.zookeeper.board.postings import Posting
from tfd_drivers.zookeeper.requests import Budget

__all__ = ['Contents']

#: How many are kept, and of how many bytes each at most: 16 MiB in all.
_KEPT = 2048
_SMALL = 8192
_WINDOW = 64


class Contents:
    """Reads what jobs' nodes hold. Safe to use from any thread.

    :param bad: called with the path of a node that holds no job, and why.
    """

    def __init__(self, paths: Layout, bad: Callable[[str, object], None]) -> None:
        self._paths = paths
        self._bad = bad
        self._guard = threading.Lock()
        self._kept: collections.OrderedDict[str, Posting] = collections.OrderedDict()

    def read(self, client: Any, paths: Sequence[str], budget: Budget) -> dict[str, Posting]:
        """Return what these nodes hold, by path; without those that are gone, or hold no job.

        :raises CoordinatorUnavailable, SessionLost: it could not be read now.
        """
        found: dict[str, Posting] = {}
        with self._guard:
            for path in paths:
                if path in self._kept:
                    self._kept.move_to_end(path)
                    found[path] = self._kept[path]
        missing = [path for path in paths if path not in found]
        for at in range(0, len(missing), _WINDOW):
            asked = [(path, client.get_async(path)) for path in missing[at:at + _WINDOW]]
            for path, pending in asked:
                posting = self._answer(path, pending, budget)
                if posting is not None:
                    found[path] = posting
            budget.renew()
        return found

    def _answer(self, path: str, pending: Any, budget: Budget) -> Posting | None:
        try:
            data, _ = requests.ask(pending, budget, f'read {path}')
        except requests.Gone:
            return None
        parent, _, name = path.rpartition('/')
        said = layout.parse(name, layout.LEGACY if parent == self._paths.root else 0)
        try:
            posting = postings.decode(data or b'', None if said is None else said.uuid)
        except exceptions.InvalidFormat as err:
            self._bad(path, err)
            return None
        self.keep(path, posting, len(data))
        return posting

    def keep(self, path: str, posting: Posting, size: int) -> None:
        """Keep what is known already, unless it has too many bytes."""
        if size > _SMALL:
            return
        with self._guard:
            self._kept[path] = posting
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)

    def forget(self, path: str) -> None:
        """Keep it no longer."""
        with self._guard:
            self._kept.pop(path, None)
