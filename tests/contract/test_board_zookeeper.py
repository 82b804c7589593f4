# SPDX-License-Identifier: Apache-2.0
"""The board of nodes keeps the contract of a board, on a real server; with a client of its own, and with a caller's."""

from __future__ import annotations

import uuid
from typing import Any

from kazoo.client import KazooClient

from tests.functional.zookeeper.cases import ServerTestCase
from tfd.jobs import backends
from tfd.jobs.base import JobBoard
from tfd.testing.boards import JobBoardContract

_SESSION = 2.0


class ZookeeperJobBoardTest(JobBoardContract, ServerTestCase):
    """Each test has a path of its own on one server."""

    tick_time = 0.2

    def setUp(self) -> None:
        super().setUp()
        self._path = f'/{uuid.uuid4().hex}/jobs'

    def make(self, **options: Any) -> JobBoard:
        conf = {'board': 'zookeeper', 'hosts': self.server.hosts, 'path': self._path, 'timeout': _SESSION}
        board = backends.fetch('board', conf, **options)
        self.addCleanup(board.close)
        return board

    def lose_session(self, board: JobBoard) -> None:
        # Whoever knows a session's id and password can end it.
        client = board._connection.joined().client
        killer = KazooClient(self.server.hosts, timeout=_SESSION, client_id=client.client_id)
        killer.start()
        killer.stop()
        killer.close()


class CallersClientTest(ZookeeperJobBoardTest):
    """The same with a client that the caller made."""

    def make(self, **options: Any) -> JobBoard:
        client = KazooClient(self.server.hosts, timeout=_SESSION)
        self.addCleanup(client.close)
        self.addCleanup(client.stop)
        return super().make(client=client, **options)

    def test_client_stays_the_callers(self) -> None:
        client = KazooClient(self.server.hosts, timeout=_SESSION)
        self.addCleanup(client.close)
        self.addCleanup(client.stop)
        client.start()
        board = super().make(client=client)
        connection = client._connection
        listeners, invoke = list(client.state_listeners), connection._invoke
        board.connect()
        board.claim(board.post('job'), 'me')
        board.close()
        self.assertTrue(client.connected)
        # And nothing of the board stays with it.
        self.assertEqual((listeners, invoke), (list(client.state_listeners), connection._invoke))
        self.assertEqual([], client.get_children(f'{self._path}/.tfd/members'))
        self.assertEqual(['job'], self.names(self.connected(), only_unclaimed=True))
