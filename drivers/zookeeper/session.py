# SPDX-License-Identifier: Apache-2.0
"""A session with ZooKeeper, and its own clock: until when it may be believed to live."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from tfd.types.clock import Clock
from tfd_drivers.zookeeper.client import Handshake

__all__ = ['HEARTBEATS', 'ZookeeperSession']

LOG = logging.getLogger(__name__)

#: Heartbeats in one time-out.
HEARTBEATS = 4
#: How far two answered heartbeats must lie apart for the later one to prove the earlier one, in time-outs.
_PROOF = 0.2
_ENDED = float('-inf')


class ZookeeperSession:
    """One session of one client; see :class:`~tfd.jobs.ports.Session`. Never revived once it has ended.

    A server other than the leader counts its clients' requests as signs of life, but the leader
    hears of them only with the server's next answer to its ping, half a tick apart, and the leader
    it is that ends sessions. So an answered heartbeat, which goes through the leader, proves the
    heartbeat *before* it, and the deadline counts from when that one was sent. With four heartbeats
    a time-out (one tick is half a time-out at most) there is a ping in between, and half of the
    time-out or more is left at any time while all is well. A handshake counts from when it was
    sent: it is the leader that agrees to it.

    :param ended: called once, when the session ends; must not block.
    """

    def __init__(
        self,
        client: Any,
        incarnation: str,
        handshake: Handshake,
        clock: Clock,
        ended: Callable[[], None],
    ) -> None:
        self.client = client
        self.session_id = handshake.session_id
        self._incarnation = incarnation
        self._timeout = handshake.timeout
        self._clock = clock
        self._tell_end = ended
        self._guard = threading.Lock()
        self._proven = handshake.sent
        self._answered = handshake.sent
        self._ended = False

    def __repr__(self) -> str:
        return f'<ZookeeperSession {self._incarnation}>'

    @property
    def incarnation(self) -> str:
        """The name under which this session owns locks and jobs."""
        return self._incarnation

    @property
    def timeout(self) -> float:
        """Seconds of silence after which ZooKeeper ends the session, as negotiated."""
        return self._timeout

    @property
    def interval(self) -> float:
        """Seconds between two heartbeats."""
        return self._timeout / HEARTBEATS

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

    def shook(self, handshake: Handshake) -> None:
        """Count from a handshake that went on with this session."""
        if handshake.session_id != self.session_id:
            self.end(f'the client has another session, {handshake.session_id}')
        elif self.lives():
            with self._guard:
                self._proven = max(self._proven, handshake.sent)
                self._answered = max(self._answered, handshake.sent)

    def heard(self, sent: float) -> None:
        """Count a heartbeat that was sent at ``sent`` and has been answered under this session."""
        if not self.lives():
            return
        with self._guard:
            if sent - self._answered >= self._timeout * _PROOF:
                self._proven = max(self._proven, self._answered)
                self._answered = sent

    def end(self, reason: str) -> None:
        """End this session, for whatever reason; only the first one counts."""
        with self._guard:
            if self._ended:
                return
            self._ended = True
        LOG.info('session %s has ended: %s', self._incarnation, reason)
        self._tell_end()
