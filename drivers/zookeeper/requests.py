# SPDX-License-Identifier: Apache-2.0
"""Requests to ZooKeeper with a limit on time, and kazoo's exceptions in the port's words."""

from __future__ import annotations

import time
from typing import Any

from kazoo import exceptions as kazoo_exceptions
from kazoo.handlers import threading as kazoo_threading
from kazoo.protocol import states

from tfd import exceptions

__all__ = [
    'Budget', 'Exists', 'Gone', 'Unanswered', 'ask', 'fetch', 'is_answered', 'is_end', 'sync_fetch',
]

#: The node does not exist.
Gone = kazoo_exceptions.NoNodeError
#: The node exists already.
Exists = kazoo_exceptions.NodeExistsError

_UNANSWERED = (
    kazoo_threading.KazooTimeoutError,
    kazoo_exceptions.ConnectionLoss,
    kazoo_exceptions.OperationTimeoutError,
)
_ENDS = (
    kazoo_exceptions.SessionExpiredError,
    kazoo_exceptions.ConnectionClosedError,
    kazoo_exceptions.AuthFailedError,
)


class Unanswered(exceptions.CoordinatorUnavailable):
    """A request was not answered: whether it was performed is not known."""


class Budget:
    """How much time a call has left, in seconds of real time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.renew()

    def renew(self) -> None:
        """Have all of the time again: for a call that goes on, and came a step further."""
        self._ends = time.monotonic() + self._seconds

    def left(self) -> float:
        """Return the seconds that are left, 0 if none."""
        return max(0.0, self._ends - time.monotonic())


def is_end(error: BaseException) -> bool:
    """Whether an exception of kazoo's says that the session is over."""
    return isinstance(error, _ENDS)


def ask(pending: Any, budget: Budget, what: str) -> Any:
    """Return the answer to a request that was sent.

    :param what: the request, for messages.
    :raises Gone: the node does not exist.
    :raises Exists: the node exists.
    :raises SessionLost: the session is over.
    :raises Unanswered: no answer in time, or the connection broke.
    :raises CoordinatorUnavailable: ZooKeeper refused it.
    """
    try:
        return pending.get(timeout=budget.left())
    except (Gone, Exists):
        raise
    except _UNANSWERED as error:
        raise Unanswered(f'{what}: not answered ({type(error).__name__})') from error
    except _ENDS as error:
        raise exceptions.SessionLost(f'{what}: {type(error).__name__}') from error
    except kazoo_exceptions.KazooException as error:
        message = f'{what}: refused by ZooKeeper ({type(error).__name__})'
        raise exceptions.CoordinatorUnavailable(message) from error


def fetch(client: Any, path: str, budget: Budget) -> tuple[bytes, Any] | None:
    """Return the data and the stat of a node, None where there is none; errors as of :func:`ask`."""
    try:
        data, stat = ask(client.get_async(path), budget, f'read {path}')
    except Gone:
        return None
    return data or b'', stat


def sync_fetch(client: Any, path: str, budget: Budget) -> tuple[bytes, Any] | None:
    """Return a node as :func:`fetch` does, not older than the moment of the call.

    The requests of a session are performed in the order in which they were sent, over reconnections
    as well (a server drops the connection that a session had before, and the leader refuses what
    still comes through another server). So what is read here is the outcome of every earlier
    request of this session, whether it was answered or not.
    """
    synced = client.sync_async(path)
    answer = fetch(client, path, budget)
    ask(synced, budget, f'sync {path}')
    return answer


def is_answered(client: Any) -> bool:
    """Whether the client is connected to a server now."""
    return bool(client.client_state == states.KeeperState.CONNECTED)
