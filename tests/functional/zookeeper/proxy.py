# SPDX-License-Identifier: Apache-2.0
"""A wire between a client and its server, which a test can cut."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable

import fixtures

__all__ = ['Wire']

#: Whether these bytes, read from the server at once, are the reply that is meant.
Matching = Callable[[bytes], bool]


class _Pair:
    """A connection of a client, and the one to the server that belongs to it."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server

    def other(self, end: socket.socket) -> socket.socket:
        return self.server if end is self.client else self.client

    def close(self) -> None:
        self.client.close()
        self.server.close()


class Wire(fixtures.Fixture):
    """Passes bytes between clients of :attr:`hosts` and a server, on one thread.

    While it is cut, no byte passes, no connection is closed and new ones hear nothing: neither side
    can tell it from a peer that is silent. ``drop`` breaks every connection.
    """

    def __init__(self, target: str) -> None:
        super().__init__()
        host, port = target.split(':')
        self._target = (host, int(port))
        self._cut = False
        self._pairs: dict[socket.socket, _Pair] = {}
        self._orders: list[Callable[[], None]] = []
        self._losing: Matching | None = None
        self._holding: Matching | None = None
        self._held: list[tuple[socket.socket, bytes]] = []
        self.lost = threading.Event()

    def _setUp(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(('127.0.0.1', 0))
        self._woken, self._waker = socket.socketpair()
        for end in (self._listener, self._woken):
            self._selector.register(end, selectors.EVENT_READ)
        port = self._listener.getsockname()[1]
        self.hosts = f'127.0.0.1:{port}'
        self._closed = False
        self._thread = threading.Thread(target=self._run, name='wire', daemon=True)
        self._thread.start()
        self.addCleanup(self._close)

    def cut(self) -> None:
        """Let nothing pass."""
        self._order(self._do_cut)

    def heal(self) -> None:
        """Let everything pass that is waiting, and all that comes."""
        self._order(self._do_heal)

    def drop(self) -> None:
        """Break every connection."""
        self._order(self._do_drop)

    def lose_reply(self, matching: Matching) -> None:
        """Break the connection instead of passing the first reply that matches; set ``lost`` then."""
        self.lost.clear()
        self._losing = matching

    def hold_reply(self, matching: Matching) -> None:
        """Cut at the first reply that matches, which passes after :meth:`heal`."""
        self._holding = matching

    def _order(self, order: Callable[[], None]) -> None:
        done = threading.Event()
        self._orders.append(lambda: (order(), done.set()) and None)
        self._waker.send(b'.')
        done.wait(5)

    def _close(self) -> None:
        self._order(self._do_drop)
        self._closed = True
        self._waker.send(b'.')
        self._thread.join(5)
        for end in (self._listener, self._woken, self._waker, self._selector):
            end.close()

    def _run(self) -> None:
        while not self._closed:
            for key, _ in self._selector.select():
                if key.fileobj is self._woken:
                    self._woken.recv(100)
                    while self._orders:
                        self._orders.pop(0)()
                elif key.fileobj is self._listener:
                    self._accept()
                else:
                    self._pass_on(key.fileobj)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(self._target, 5)
        except OSError:
            client.close()
            return
        pair = _Pair(client, server)
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pairs[end] = pair
            self._selector.register(end, selectors.EVENT_READ)

    def _pass_on(self, end: socket.socket) -> None:
        pair = self._pairs.get(end)
        if pair is None:
            return
        try:
            data = end.recv(65536)
            if end is pair.server and self._losing and self._losing(data):
                self._losing = None
                self.lost.set()
                data = b''
            if end is pair.server and self._holding and self._holding(data):
                self._holding = None
                self._held.append((pair.client, data))
                self._do_cut()
                return
            if data:
                pair.other(end).sendall(data)
        except OSError:
            data = b''
        if not data:
            self._forget(pair)

    def _forget(self, pair: _Pair) -> None:
        for end in (pair.client, pair.server):
            if self._pairs.pop(end, None) is not None:
                with contextlib.suppress(KeyError):
                    self._selector.unregister(end)
        pair.close()

    def _do_cut(self) -> None:
        if not self._cut:
            self._cut = True
            for end in [self._listener, *self._pairs]:
                self._selector.unregister(end)

    def _do_heal(self) -> None:
        if self._cut:
            self._cut = False
            for end, data in self._held:
                with contextlib.suppress(OSError):
                    end.sendall(data)
            self._held.clear()
            for end in [self._listener, *self._pairs]:
                self._selector.register(end, selectors.EVENT_READ)

    def _do_drop(self) -> None:
        for pair in set(self._pairs.values()):
            self._forget(pair)
