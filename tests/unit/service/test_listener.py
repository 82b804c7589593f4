# SPDX-License-Identifier: Apache-2.0
"""GET /healthz, and clients that mean no good."""

from __future__ import annotations

import asyncio
import json
import pathlib
from collections.abc import Callable, Coroutine
from typing import Any

import fixtures
import testtools

from tfd.service.listener import Listener

_GET = b'GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n'
_Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class ListenerTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.path = pathlib.Path(self.useFixture(fixtures.TempDir()).path) / 'socket'
        self.well = True

    def _during(self, talk: Callable[[], Coroutine[Any, Any, None]], timeout: float = 10.0, most: int = 4) -> None:
        async def run() -> None:
            listener = Listener(lambda: (self.well, {'well': self.well}), timeout, most)
            async with listener.listening(f'unix:{self.path}'):
                await asyncio.wait_for(talk(), 10.0)

        asyncio.run(run())

    async def _connect(self) -> _Client:
        return await asyncio.open_unix_connection(self.path)

    async def _ask(self, request: bytes) -> tuple[int, bytes]:
        reader, writer = await self._connect()
        writer.write(request)
        answer = await reader.read()
        writer.close()
        head, _, body = answer.partition(b'\r\n\r\n')
        return int(head.split()[1]), body

    def test_answers(self) -> None:
        async def talk() -> None:
            status, body = await self._ask(_GET)
            self.assertEqual((200, {'well': True}), (status, json.loads(body)))
            self.well = False
            status, body = await self._ask(_GET)
            self.assertEqual((503, {'well': False}), (status, json.loads(body)))

        self._during(talk)

    def test_answers_at_a_port(self) -> None:
        async def run() -> None:
            async with Listener(lambda: (True, {}), 5.0, 1).listening('127.0.0.1:0') as server:
                port = server.sockets[0].getsockname()[1]
                reader, writer = await asyncio.open_connection('127.0.0.1', port)
                writer.write(_GET)
                self.assertIn(b'200 OK', await reader.read())
                writer.close()

        asyncio.run(run())

    def test_head_has_no_body(self) -> None:
        async def talk() -> None:
            self.assertEqual((200, b''), await self._ask(_GET.replace(b'GET', b'HEAD')))

        self._during(talk)

    def test_refuses_everything_else(self) -> None:
        async def talk() -> None:
            for request, status in (
                    (b'GET / HTTP/1.1\r\n\r\n', 404), (b'POST /healthz HTTP/1.1\r\n\r\n', 405),
                    (b'GET /healthz\r\n\r\n', 400), (b'\x16\x03\x01\r\n\r\n', 400), (b'\r\n\r\n', 400),
                    (b'GET /healthz HTTP/1.1\r\nX: ' + b'x' * 100_000, 431)):
                self.assertEqual(status, (await self._ask(request))[0], request[:40])

        self._during(talk)

    def test_a_slow_client_has_its_time_and_no_more(self) -> None:
        async def talk() -> None:
            reader, writer = await self._connect()
            try:
                # A byte now and then does not give it more.
                while True:
                    writer.write(b'x')
                    await writer.drain()
                    await asyncio.sleep(0.02)
            except OSError:
                pass
            writer.close()

        self._during(talk, timeout=0.2)

    def test_clients_that_say_nothing_block_nobody(self) -> None:
        async def talk() -> None:
            silent = [await self._connect() for _ in range(3)]
            self.assertEqual(200, (await self._ask(_GET))[0])
            for _, writer in silent:
                writer.close()

        self._during(talk)

    def test_one_too_many_is_closed(self) -> None:
        async def talk() -> None:
            silent = [await self._connect() for _ in range(4)]
            await asyncio.sleep(0.05)
            reader, writer = await self._connect()
            try:
                self.assertEqual(b'', await reader.read())
            except ConnectionResetError:
                pass
            for _, other in [*silent, (reader, writer)]:
                other.close()
            while (await self._answered()) is None:
                pass

        self._during(talk)

    async def _answered(self) -> int | None:
        try:
            return (await self._ask(_GET))[0]
        except (OSError, IndexError):
            return None

    def test_a_client_that_goes_away_hurts_nobody(self) -> None:
        async def talk() -> None:
            for request in (b'', b'GET', _GET):
                _, writer = await self._connect()
                writer.write(request)
                writer.transport.abort()
            self.assertEqual(200, (await self._ask(_GET))[0])

        self._during(talk)

    def test_a_socket_that_was_left_behind_is_replaced(self) -> None:
        async def nothing() -> None:
            pass

        async def talk() -> None:
            self.assertEqual(200, (await self._ask(_GET))[0])

        self._during(nothing)
        self._during(talk)

    def test_a_socket_in_use_is_not_taken(self) -> None:
        async def talk() -> None:
            try:
                async with Listener(lambda: (True, {}), 1.0, 1).listening(f'unix:{self.path}'):
                    self.fail('it listens')
            except OSError as err:
                self.assertIn('in use', str(err))
            self.assertEqual(200, (await self._ask(_GET))[0])

        self._during(talk)
