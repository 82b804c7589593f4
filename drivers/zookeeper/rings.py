# SPDX-License-Identifier: Apache-2.0
"""Ringing doorbells: asynchronously, with at most one request a shard under way."""

from __future__ import annotations

import functools
import logging
import threading
from typing import Any

from tfd_drivers.zookeeper import requests
from tfd_drivers.zookeeper.paths import Paths

__all__ = ['Rings']

LOG = logging.getLogger(__name__)


class Rings:
    """The rings that one client sends.

    While a ring of a shard is under way, further ones of that shard become one, sent after it: a
    thousand jobs posted at once are a few rings. A lost ring is logged and not repeated: the
    board's slow poll covers it.
    """

    def __init__(self, client: Any, paths: Paths) -> None:
        self._client = client
        self._paths = paths
        self._changed = threading.Condition()
        # Shard -> whether to ring again when the ring that is under way is done.
        self._under_way: dict[int, bool] = {}

    def ring(self, shard: int) -> None:
        """Send a ring. Does not wait."""
        with self._changed:
            if shard in self._under_way:
                self._under_way[shard] = True
                return
            self._under_way[shard] = False
        self._send(shard)

    def drain(self, timeout: float) -> None:
        """Wait, ``timeout`` seconds at most, until no ring is under way."""
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way, timeout)

    def _send(self, shard: int) -> None:
        pending = self._client.set_async(self._paths.doorbell(shard), b'')
        pending.rawlink(functools.partial(self._sent, shard))

    def _sent(self, shard: int, pending: Any) -> None:
        if isinstance(pending.exception, requests.Gone):
            # The first ring of this shard. Its creation rings as well.
            created = self._client.create_async(self._paths.doorbell(shard), b'')
            created.rawlink(functools.partial(self._done, shard))
        else:
            self._done(shard, pending)

    def _done(self, shard: int, pending: Any) -> None:
        error = pending.exception
        if error is not None and not isinstance(error, requests.Exists):
            LOG.info('the ring of shard %d was lost: %r', shard, error)
        with self._changed:
            again = self._under_way.pop(shard)
            if again:
                self._under_way[shard] = False
            self._changed.notify_all()
        if again:
            self._send(shard)
