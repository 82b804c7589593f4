# SPDX-License-Identifier: Apache-2.0
"""Kazoo's client, as this driver needs it: it tells of its handshakes, reconnects soon, and can be thrown away.

All that the driver knows of kazoo's inside is here.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable
from typing import Any

import kazoo.client
from kazoo import exceptions as kazoo_exceptions
from kazoo.handlers import threading as kazoo_threading
from kazoo.protocol import serialization

from tfd import exceptions
from tfd.types.clock import Clock
from tfd_drivers.zookeeper.options import Options

__all__ = ['Handshake', 'Watcher', 'discard', 'has_given_up', 'hear_handshakes', 'make_client', 'present']

LOG = logging.getLogger(__name__)
_KAZOO_LOG = logging.getLogger(f'{__name__}.kazoo')

#: Called with an event of kazoo's.
Watcher = Callable[[Any], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Handshake:
    """A session that was begun, or gone on with, on a new connection.

    :ivar session_id: as ZooKeeper's own logs write it: hexadecimal.
    :ivar timeout: seconds, as negotiated.
    :ivar sent: when it was asked for, on the driver's clock.
    """

    session_id: str
    timeout: float
    sent: float


class _Handler(kazoo_threading.SequentialThreadingHandler):  # type: ignore[misc]  # kazoo has no types
    """Gives up on a server that does not even accept before the session has no time left for the others.

    Kazoo waits for each of them as long as the whole session lasts.
    """

    def __init__(self, connect_timeout: float) -> None:
        super().__init__()
        self._connect_timeout = connect_timeout

    def create_connection(self, *args: Any, **kwargs: Any) -> Any:
        """Open a connection to a server."""
        limit = kwargs.get('timeout') or self._connect_timeout
        kwargs['timeout'] = min(limit, self._connect_timeout)
        return super().create_connection(*args, **kwargs)


class _NoCredentials(logging.Filter):
    """Drops what kazoo would log of authentication: at DEBUG it prints the credential."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log it."""
        args = record.args if isinstance(record.args, tuple) else ()
        return not any(isinstance(arg, (serialization.Auth, serialization.SASL)) for arg in args)


_KAZOO_LOG.addFilter(_NoCredentials())


def make_client(
    options: Options,
    clock: Clock,
    *,
    shook: Callable[[Handshake], None],
    changed: Callable[[str], None],
) -> Any:
    """Return a client of kazoo's, not started.

    :param shook: called on every handshake before any request is sent on the new connection.
    :param changed: called with each new state of kazoo's (``CONNECTED``, ``SUSPENDED``, ``LOST``).
        Neither may block: they are called in the thread that talks to the server.
    """
    try:
        client = _client(options)
    except (kazoo_exceptions.ConfigurationError, TypeError, ValueError) as error:
        raise exceptions.BadConfiguration('[zookeeper]', '…', f'options that kazoo takes ({error})') from error
    hear_handshakes(client, clock, shook)
    client.add_listener(changed)
    return client


def _client(options: Options) -> Any:
    return kazoo.client.KazooClient(
        timeout=options.session_timeout,
        handler=_Handler(options.session_timeout / 2 / options.hosts),
        default_acl=options.acl,
        # Kazoo's own default backs off up to an hour.
        connection_retry={
            'max_tries': -1,
            'delay': 0.05,
            'backoff': 1.5,
            'max_delay': min(1.0, options.session_timeout / 8),
        },
        logger=_KAZOO_LOG,
        **options.client,
    )


def hear_handshakes(client: Any, clock: Clock, shook: Callable[[Handshake], None]) -> Callable[[], None]:
    """Have kazoo tell what it negotiates, and when it asked: it keeps neither. Return what ends that.

    Its connection sends the requests of a handshake through ``_invoke``, answered in place.
    """
    connection = client._connection
    invoke = connection._invoke

    def _invoke(timeout: float, request: Any, xid: int | None = None) -> Any:
        sent = clock.now()
        answer = invoke(timeout, request, xid)
        if isinstance(request, serialization.Connect):
            reply = answer[0]
            # 0 says that the session has expired.
            if reply.time_out > 0:
                session_id = f'{reply.session_id & 0xFFFF_FFFF_FFFF_FFFF:x}'
                shook(Handshake(session_id, reply.time_out / 1000.0, sent))
        return answer

    def undo() -> None:
        if connection._invoke is _invoke:
            connection._invoke = invoke

    connection._invoke = _invoke
    return undo


def present(client: Any, clock: Clock) -> Handshake | None:
    """Return the session of a client that was connected before anybody heard its handshakes; None: it is not.

    How long the session lasts was negotiated then: it is taken for what the client asked for.
    """
    if not client.connected or client.client_id is None:
        return None
    timeout = client._session_timeout / 1000.0
    # As of a heartbeat before the last one.
    sent = clock.now() - timeout / 4
    return Handshake(f'{client.client_id[0] & 0xFFFF_FFFF_FFFF_FFFF:x}', timeout, sent)


def has_given_up(client: Any) -> bool:
    """Whether a started client will not connect any more: refused credentials, or a failure of its thread."""
    routine = client._connection._connection_routine
    return routine is not None and not routine.is_alive()


def discard(client: Any, wait: float = 0.0) -> bool:
    """End a client and its session on a thread of its own; return whether that was done within ``wait`` seconds.

    What is not done by then goes on in the background: kazoo gives up by itself when its requests
    time out.
    """
    thread = threading.Thread(target=_end, args=(client,), name='tfd-zk-discard', daemon=True)
    thread.start()
    if wait > 0:
        thread.join(wait)
    return not thread.is_alive()


def _end(client: Any) -> None:
    try:
        client.stop()
        client.close()
    except Exception as error:
        LOG.warning('a discarded ZooKeeper client did not end cleanly: %r', error)
