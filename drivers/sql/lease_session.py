# SPDX-License-Identifier: Apache-2.0
"""A lease, as its holder may believe in it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from tfd.types.clock import Clock

__all__ = ['LeaseSession']

LOG = logging.getLogger(__name__)
_ENDED = float('-inf')


class LeaseSession:
    """One lease; see :class:`~tfd.jobs.ports.Session`. Never revived once it has ended.

    :param sent: when it was asked for.
    :param ended: called once, when it ends; must not block.
    """

    def __init__(self, incarnation: str, lease: float, clock: Clock, sent: float, ended: Callable[[], None]) -> None:
        self._incarnation = incarnation
        self._lease = lease
        self._clock = clock
        self._tell_end = ended
        self._guard = threading.Lock()
        self._sent = sent
        self._ended = False

    def __repr__(self) -> str:
        return f'<LeaseSession {self._incarnation}>'

    @property
    def incarnation(self) -> str:
        """The name under which this session owns locks and jobs."""
        return self._incarnation

    @property
    def timeout(self) -> float:
        """Seconds without a renewal after which the lease ends."""
        return self._lease

    def deadline(self) -> float:
        """Return until when the lease may be believed in; minus infinity once it has ended."""
        with self._guard:
            return _ENDED if self._ended else self._sent + self._lease

    def lives(self) -> bool:
        """Whether the deadline is still to come. A lease that is asked too late has ended for ever."""
        with self._guard:
            if self._ended:
                return False
            late = self._clock.now() - self._sent - self._lease
        if late < 0:
            return True
        self.end(f'not renewed in time, by {late:.3f} s on the own clock')
        return False

    def renewed(self, sent: float) -> None:
        """Count from a renewal that succeeded, by when it was sent."""
        if self.lives():
            with self._guard:
                self._sent = max(self._sent, sent)

    def end(self, reason: str) -> None:
        """End this session, for whatever reason; only the first one counts."""
        with self._guard:
            if self._ended:
                return
            self._ended = True
        LOG.info('session %s has ended: %s', self._incarnation, reason)
        self._tell_end()
