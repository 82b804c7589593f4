# SPDX-License-Identifier: Apache-2.0
"""Answers ``GET /healthz``: as little of HTTP as a monitoring system needs, and bounded in every direction."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import http
import json
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

__all__ = ['Listener']

LOG = logging.getLogger(__name__)

#: The longest request, in bytes; that of curl has a hundred.
_LONGEST = 8192
_UNIX = 'unix:'

_Answer = tuple[http.HTTPStatus, Mapping[str, Any], bool]
_TOO_LONG: _Answer = (http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, {'status': 'the request is too long'}, True)


class Listener:
    """A server of one answer.

    A connection has a fixed time for its request and the answer, whatever it does in between; no more than so many
    are open, and one more is closed at once. Nobody waits for a client but the client's own connection.

    :param health: returns whether all is well, and what to answer, which can be JSON.
    :param timeout: seconds from the accept to the end of the answer.
    """

    def __init__(self, health: Callable[[], tuple[bool, Mapping[str, Any]]], timeout: float, most: int) -> None:
        self._health = health
        self._timeout = timeout
        self._most = most
        self._open = 0

    @contextlib.asynccontextmanager
    async def listening(self, bind: str) -> AsyncIterator[asyncio.Server]:
        """Answer at an address, during a ``with`` block.

        :param bind: ``host:port`` or ``unix:/path``, whose socket is replaced where nobody uses it any more.
        :raises OSError: that is not possible now.
        """
        if bind.startswith(_UNIX):
            path = bind.removeprefix(_UNIX)
            await _check_unused(path)
            server = await asyncio.start_unix_server(self._serve, path, limit=_LONGEST)
            os.chmod(path, 0o660)
        else:
            host, _, port = bind.rpartition(':')
            server = await asyncio.start_server(self._serve, host.strip('[]'), int(port), limit=_LONGEST)
        LOG.info('GET /healthz is answered at %s', bind)
        async with server:
            yield server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= self._most:
            writer.transport.abort()
            return
        self._open += 1
        try:
            async with asyncio.timeout(self._timeout):
                await self._converse(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as err:
            LOG.debug('a client of /healthz was left: %s', type(err).__name__)
        finally:
            self._open -= 1
            writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b'\r\n\r\n')
        except asyncio.LimitOverrunError:
            status, answer, wanted = _TOO_LONG
        else:
            status, answer, wanted = self._answer(head.split(b'\r\n', 1)[0].split())
        body = json.dumps(answer).encode() + b'\n'
        writer.write(
            f'HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n'
            f'Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n'.encode()
            + (body if wanted else b''))
        await writer.drain()
        # What is not sent yet is lost with the connection: the client closes it when it has all.
        writer.write_eof()
        while await reader.read(_LONGEST):
            pass

    def _answer(self, words: list[bytes]) -> _Answer:
        """Return the status, the answer, and whether it is wanted, for the words of a request's first line."""
        if len(words) != 3 or not words[2].startswith(b'HTTP/1.'):
            return http.HTTPStatus.BAD_REQUEST, {'status': 'not a request of HTTP/1'}, True
        if words[0] not in (b'GET', b'HEAD'):
            return http.HTTPStatus.METHOD_NOT_ALLOWED, {'status': 'GET and HEAD only'}, True
        if words[1].partition(b'?')[0] != b'/healthz':
            return http.HTTPStatus.NOT_FOUND, {'status': 'only /healthz is here'}, words[0] == b'GET'
        well, answer = self._health()
        return http.HTTPStatus.OK if well else http.HTTPStatus.SERVICE_UNAVAILABLE, answer, words[0] == b'GET'


async def _check_unused(path: str) -> None:
    """Return where nobody answers at a socket: what a dead process left there can be replaced.

    :raises OSError: somebody does.
    """
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return
    writer.transport.abort()
    raise OSError(errno.EADDRINUSE, f'{path} is in use')
