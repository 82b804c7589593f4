# SPDX-License-Identifier: Apache-2.0
"""Keeps a session of a client that is somebody else's, who started it or will stop it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tfd.jobs.ringing import Ringer
from tfd.types.clock import Clock
from tfd_drivers.zookeeper import client as clients
from tfd_drivers.zookeeper.client import Handshake
from tfd_drivers.zookeeper.keeper import Keeper, Life, _Kept
from tfd_drivers.zookeeper.options import Options
from tfd_drivers.zookeeper.session import ZookeeperSession

__all__ = ['BorrowedKeeper']


class BorrowedKeeper(Keeper[_Kept]):
    """A keeper that throws nothing away: when a session has ended it waits for what kazoo makes by itself.

    What was given up by the own clock alone begins anew under the session that lives on; whoever joins then has to let
    go of what is held from before.

    :param client: is started where it is not; never stopped.
    """

    def __init__(
        self, client: Any, options: Options, prefix: str, clock: Clock, ringer: Ringer,
        join: Callable[[ZookeeperSession, Options, Ringer], _Kept],
    ) -> None:
        super().__init__(options, prefix, clock, ringer, join)
        self._client = client
        self._latest: Handshake | None = None
        self._life: _BorrowedLife | None = None
        self._begun = False
        self._deafen = clients.hear_handshakes(client, clock, self._shook)
        client.add_listener(self._heard)

    def stop(self, timeout: float) -> None:
        """End what is done under the session, and hear no more of the client."""
        super().stop(timeout)
        self._deafen()
        self._client.remove_listener(self._heard)

    def _shook(self, handshake: Handshake) -> None:
        self._latest = handshake
        if self._life is not None:
            self._life.shook(handshake)

    def _heard(self, state: str) -> None:
        if self._life is not None:
            self._life.changed(state)

    def _new_life(self) -> Life:
        self._life = _BorrowedLife(self, self._prefix, self._clock, self._client)
        return self._life

    def present(self) -> Handshake | None:
        """Return the session that the client has now, None where it has none."""
        if not self._client.connected:
            return None
        known, found = self._latest, clients.present(self._client, self._clock)
        if known is None or found is None or known.session_id != found.session_id:
            return found
        # Its time-out is known, though not when it was heard of last.
        return Handshake(known.session_id, known.timeout, self._clock.now() - known.timeout / 4)

    def start_client(self) -> None:
        """Have the client connect; once: who stops it later has it stay so."""
        if not self._begun:
            self._begun = True
            if not self._client.connected:
                self._client.start_async()


class _BorrowedLife(Life):
    """One session of a client that is somebody else's."""

    _keeper: BorrowedKeeper[Any]

    def __init__(self, keeper: BorrowedKeeper[Any], prefix: str, clock: Clock, client: Any) -> None:
        super().__init__(keeper, prefix, clock)
        self.client = client

    def begin(self, options: Options) -> None:
        """Go on with the session that there is, or have one begun."""
        self._keeper.start_client()
        present = self._keeper.present()
        if present is not None and self.session is None:
            self.shook(present)

    def end(self, wait: float) -> None:
        """Leave the client to whoever it belongs to."""
