# SPDX-License-Identifier: Apache-2.0
"""A session with ZooKeeper, and its own clock: until when it may be believed to live."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tfd.jobs.session import OwnClockSession
from tfd.types.clock import Clock
from tfd_drivers.zookeeper.client import Handshake

__all__ = ['HEARTBEATS', 'ZookeeperSession']

#: Heartbeats in one time-out.
HEARTBEATS = 4
#: How far two answered heartbeats must lie apart for the later one to prove the earlier one, in time-outs.
_PROOF = 0.2


class ZookeeperSession(OwnClockSession):
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
        super().__init__(incarnation, handshake.timeout, clock, handshake.sent, ended)
        self.client = client
        self.session_id = handshake.session_id
        self._answered = handshake.sent

    @property
    def interval(self) -> float:
        """Seconds between two heartbeats."""
        return self._timeout / HEARTBEATS

    def shook(self, handshake: Handshake) -> None:
        """Count from a handshake that went on with this session."""
        if handshake.session_id != self.session_id:
            self.end(f'the client has another session, {handshake.session_id}')
        elif self.lives():
            self.prove(handshake.sent)
            with self._guard:
                self._answered = max(self._answered, handshake.sent)

    def heard(self, sent: float) -> None:
        """Count a heartbeat that was sent at ``sent`` and has been answered under this session."""
        if not self.lives():
            return
        with self._guard:
            if sent - self._answered >= self._timeout * _PROOF:
                self._proven = max(self._proven, self._answered)
                self._answered = sent
