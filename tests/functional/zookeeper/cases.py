# SPDX-License-Identifier: Apache-2.0
"""What tests on a ZooKeeper of their own have in common."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import testtools
from kazoo.client import KazooClient

from tests.functional import servers

__all__ = ['ServerTestCase']


class ServerTestCase(testtools.TestCase):
    """One server for the tests of a class, which work below paths of their own.

    :cvar tick_time: that of the server, in seconds.
    """

    tick_time = 0.1
    server: servers.ZooKeeper

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        if servers.ZooKeeper.missing() is not None:
            # Skips, or fails in CI.
            servers.require('zookeeper')
        cls.server = servers.ZooKeeper(tick_time=cls.tick_time)
        cls.server.start()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.destroy()
        super().tearDownClass()

    def kazoo(self, **options: Any) -> KazooClient:
        """Return a client that is connected until the end of the test."""
        client = KazooClient(self.server.hosts, **options)
        self.addCleanup(client.close)
        self.addCleanup(client.stop)
        client.start()
        return client

    def eventually(self, happened: Callable[[], Any], what: str, patience: float = 20.0) -> None:
        """Wait until something has happened."""
        end = time.monotonic() + patience
        while not happened():
            if time.monotonic() > end:
                self.fail(f'not within {patience} s: {what}')
            time.sleep(0.005)
