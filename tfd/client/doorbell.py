# SPDX-License-Identifier: Apache-2.0
"""Wakes a conductor after a post, where that can be done; never at the cost of the post."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from tfd import exceptions
from tfd.jobs import ports

__all__ = ['Doorbell']

LOG = logging.getLogger(__name__)


class Doorbell:
    """A coordinator that is connected with the first ring. Safe to use from any thread.

    Conductors look at the board by themselves every few seconds, so nothing here raises and nothing
    waits longer than the coordinator's time-outs, the first time only.

    :param make: returns a coordinator that is no member, not started.
    """

    def __init__(self, make: Callable[[], ports.Coordinator]) -> None:
        self._make = make
        self._guard = threading.Lock()
        self._coordinator: ports.Coordinator | None = None
        self._failed = False

    def ring(self, shard: int) -> None:
        """Wake a conductor that prefers this shard."""
        coordinator = self._connected()
        if coordinator is None or coordinator.session() is None:
            return
        try:
            coordinator.ring(shard)
        except Exception as err:
            LOG.warning('did not ring for shard %d: %s', shard, err)

    def close(self) -> None:
        """Leave the coordinator. A later ring does nothing."""
        with self._guard:
            coordinator, self._coordinator = self._coordinator, None
            self._failed = True
        if coordinator is not None:
            coordinator.stop()

    def _connected(self) -> ports.Coordinator | None:
        with self._guard:
            if self._coordinator is None and not self._failed:
                try:
                    self._coordinator = self._make()
                    if ports.Capability.DOORBELL in self._coordinator.capabilities:
                        self._coordinator.start()
                except exceptions.CoordinatorUnavailable as err:
                    # It goes on trying in the background.
                    LOG.warning('conductors find new jobs at their next look at the board: %s', err)
                except Exception:
                    self._failed = True
                    LOG.exception('no doorbell; conductors find new jobs at their next look')
            return self._coordinator
