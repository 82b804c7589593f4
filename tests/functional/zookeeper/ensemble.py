# SPDX-License-Identifier: Apache-2.0
"""Three ZooKeeper servers, one of which can be cut off from its leader while its clients still reach it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import fixtures

from tests.functional import servers
from tests.functional.servers import process
from tests.functional.zookeeper.proxy import Wire

__all__ = ['Ensemble']


class _Peer(servers.ZooKeeper):
    """One server of an ensemble."""

    def __init__(self, number: int, **options: object) -> None:
        super().__init__(**options)
        self.number = number

    def mode(self) -> str:
        """What it is now: ``leader``, ``follower``, or '' while it serves nobody."""
        try:
            with socket.create_connection((process.HOST, self.port), 1) as connection:
                connection.sendall(b'srvr')
                answer = b''.join(iter(lambda: connection.recv(4096), b'')).decode()
        except OSError:
            return ''
        found = [line.removeprefix('Mode: ') for line in answer.splitlines() if line.startswith('Mode: ')]
        return found[0] if found else ''

    def _initialise(self) -> None:
        super()._initialise()
        (self.data / 'myid').write_text(str(self.number))

    def _answers(self) -> bool:
        return self.mode() != ''


class Ensemble(fixtures.Fixture):
    """Server 3 leads; server 1 reaches it over a wire, ``to_leader``, only.

    :param tick_time: seconds.
    :param sync_limit: ticks after which a follower that hears nothing of its leader serves no more.
    """

    def __init__(self, *, tick_time: float = 0.2, sync_limit: int = 20) -> None:
        super().__init__()
        self._tick_time = tick_time
        self._sync_limit = sync_limit

    def _setUp(self) -> None:
        quorum = [process.free_port() for _ in range(3)]
        election = [process.free_port() for _ in range(3)]
        self.to_leader = self.useFixture(Wire(f'{process.HOST}:{quorum[2]}'))
        wired = [*quorum[:2], int(self.to_leader.hosts.split(':')[1])]
        self._peers = {
            number: self._peer(number, wired if number == 1 else quorum, election)
            for number in (1, 2, 3)
        }
        # The one with the highest number is elected among those that are there.
        for number in (3, 2):
            self._peers[number].launch()
        self._until(lambda: self._peers[3].mode() == 'leader')
        self._peers[1].launch()
        self._until(lambda: self._peers[1].mode() == 'follower')
        self.follower = self._peers[1].hosts
        self.leader = self._peers[3].hosts

    def _peer(self, number: int, quorum: list[int], election: list[int]) -> _Peer:
        settings = {
            f'server.{other}': f'{process.HOST}:{quorum[other - 1]}:{election[other - 1]}'
            for other in (1, 2, 3)
        }
        peer = _Peer(
            number,
            tick_time=self._tick_time,
            settings={**settings, 'initLimit': 50, 'syncLimit': self._sync_limit},
        )
        if peer.missing() is not None:
            servers.require('zookeeper')
        self.addCleanup(peer.destroy)
        peer.prepare()
        return peer

    def _until(self, happened: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not happened():
            if time.monotonic() > end:
                logs = '\n'.join(peer.log() for peer in self._peers.values())
                raise servers.ServerError(f'the ensemble did not start:\n{logs}')
            time.sleep(0.05)
