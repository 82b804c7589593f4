# SPDX-License-Identifier: Apache-2.0
"""A session of a coordinator on the own clock: until when its member may believe in it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from tfd.types.clock import Clock

__all__ = ['OwnClockSession']

LOG = logging.getLogger(__name__)

_ENDED = float('-inf')


class OwnClockSession:
    """A :class:`~tfd.jobs.ports.Session` for drivers: never revived once it has ended. Safe to use from any thread.

    :param timeout: seconds of silence after which the coordinator ends it, as negotiated.
    :param sent: when the request was sent, on ``clock``, by whose answer the session began.
    :param ended: called once, when it ends, from whatever thread finds out; must not block.
    """

    def __init__(
        self, incarnation: str, timeout: float, clock: Clock, sent: float, ended: Callable[[], None]
    ) -> None:
        self._incarnation = incarnation
        self._timeout = timeout
        self._clock = clock
        self._tell_end = ended
        self._guard = threading.Lock()
        self._proven = sent
        self._ended = False

    def __repr__(self) -> str:
        return f'<{type(self).__name__} {self._incarnation}>'

    @property
    def incarnation(self) -> str:
        """The name under which this session owns locks and jobs."""
        return self._incarnation

    @property
    def timeout(self) -> float:
        """Seconds of silence after which the coordinator ends the session, as negotiated."""
        return self._timeout

    def deadline(self) -> float:
        """Return until when this session may be believed to live; minus infinity once it has ended."""
        with self._guard:
            return _ENDED if self._ended else self._proven + self._timeout

    def lives(self) -> bool:
        """Whether the deadline is still to come. A session that is asked too late has ended for ever."""
        with self._guard:
            if self._ended:
                return False
            late = self._clock.now() - self._proven - self._timeout
        if late < 0:
            return True
        self.end(f'not heard of in time, by {late:.3f} s on the own clock')
        return False

    def prove(self, sent: float) -> None:
        """Count from a request that was sent then, if its answer shows that the coordinator counts from it."""
        if self.lives():
            with self._guard:
                self._proven = max(self._proven, sent)

    def end(self, reason: str) -> None:
        """End this session, for whatever reason; only the first one counts."""
        with self._guard:
            if self._ended:
                return
            self._ended = True
        LOG.info('session %s has ended: %s', self._incarnation, reason)
        self._tell_end()
