# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging

import fixtures
import testtools
from kazoo.protocol import serialization

from tfd.testing.clock import FakeClock
from tfd_drivers.zookeeper import client as clients
from tfd_drivers.zookeeper.options import read_options


class ClientTest(testtools.TestCase):
    def _make(self, shook: list[clients.Handshake], clock: FakeClock):
        return clients.make_client(read_options({}), clock, shook=shook.append, changed=lambda state: None)

    def test_handshakes_are_told(self) -> None:
        """Kazoo keeps no negotiated time-out: this breaks where a new release of it changes how it connects."""
        clock, shook = FakeClock(now=50.0), []
        client = self._make(shook, clock)
        asked = serialization.Connect(0, 0, 10000, 0, b'\0' * 16, False)
        reply = _reply(time_out=4000, session_id=-2)
        client._connection._submit = lambda request, timeout, xid=None: clock.advance(1)
        client._connection._read = lambda length, timeout: (
            serialization.int_struct.pack(len(reply)) if length == 4 else reply)
        client._connection._invoke(1.0, asked)
        self.assertEqual([clients.Handshake('fffffffffffffffe', 4.0, 50.0)], shook)

    def test_expired_session_is_no_handshake(self) -> None:
        shook: list[clients.Handshake] = []
        client = self._make(shook, FakeClock())
        reply = _reply(time_out=0, session_id=0)
        client._connection._submit = lambda request, timeout, xid=None: None
        client._connection._read = lambda length, timeout: (
            serialization.int_struct.pack(len(reply)) if length == 4 else reply)
        client._connection._invoke(1.0, serialization.Connect(0, 0, 1, 0, b'\0' * 16, False))
        self.assertEqual([], shook)

    def test_credentials_are_not_logged(self) -> None:
        # The level of this very logger: another test of the process may have set it up as the daemon does.
        name = 'tfd_drivers.zookeeper.client.kazoo'
        log = self.useFixture(fixtures.FakeLogger(name, level=logging.DEBUG))
        logger = logging.getLogger(name)
        auth = serialization.Auth(0, 'digest', 'user:secret')
        logger.debug('Sending request(xid=%s): %s', -4, auth)
        logger.debug('Sending request(xid=%s): %s', 1, 'other')
        self.assertNotIn('secret', log.output)
        self.assertIn('other', log.output)


def _reply(time_out: int, session_id: int) -> bytes:
    head = serialization.int_int_long_struct.pack(0, time_out, session_id)
    return head + serialization.int_struct.pack(16) + b'\1' * 16 + b'\0'
