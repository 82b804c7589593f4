# SPDX-License-Identifier: Apache-2.0
"""Joining a deployment: the nodes that it needs, and the member's own."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
from typing import Any

from tfd import exceptions
from tfd.jobs.ringing import Ringer
from tfd_drivers.zookeeper import requests
from tfd_drivers.zookeeper.locks import Locks
from tfd_drivers.zookeeper.options import Options
from tfd_drivers.zookeeper.requests import Budget
from tfd_drivers.zookeeper.rings import Rings
from tfd_drivers.zookeeper.session import ZookeeperSession
from tfd_drivers.zookeeper.watches import Watches

__all__ = ['Membership', 'create_member', 'ensure', 'join']


@dataclasses.dataclass(frozen=True, slots=True)
class Membership:
    """A session, and what is done under it; all of it ends with the session.

    :ivar member: the path of the member's node.
    """

    session: ZookeeperSession
    member: str
    locks: Locks
    rings: Rings
    watches: Watches

    @property
    def client(self) -> Any:
        """The client whose session it is."""
        return self.session.client

    def beat(self) -> None:
        """Set the watches that are missing."""
        self.watches.beat()

    def drain(self, timeout: float) -> None:
        """Wait, so many seconds at most, until no ring is under way."""
        self.rings.drain(timeout)

    def close(self) -> None:
        """Stop what goes on in the background. Does not block."""
        self.locks.close()
        self.watches.close()


def join(session: ZookeeperSession, options: Options, ringer: Ringer) -> Membership:
    """Make the nodes of the deployment where they are missing, and the member's own unless it only observes.

    :raises CoordinatorUnavailable: it could not be done in time.
    :raises SessionLost: the session ended meanwhile.
    """
    paths = options.paths
    budget = Budget(options.request_timeout)
    for path in (paths.members, paths.locks, paths.doorbells):
        ensure(session.client, path, budget)
    if not options.observer:
        create_member(session, paths.member(session.incarnation), budget)
    if not session.lives():
        raise exceptions.SessionLost(f'session {session.incarnation} has ended')
    return Membership(
        session=session,
        member=paths.member(session.incarnation),
        locks=Locks(session, paths, options.request_timeout),
        rings=Rings(session.client, paths),
        watches=Watches(session, paths, ringer),
    )


def ensure(client: Any, path: str, budget: Budget) -> None:
    """Make a node, and those above it, where it does not exist.

    Looks first: with access control, even a node that exists cannot be created by those who may not
    write above it.
    """
    missing = []
    while path and requests.ask(client.exists_async(path), budget, f'look for {path}') is None:
        missing.append(path)
        path = path.rpartition('/')[0]
    for node in reversed(missing):
        try:
            requests.ask(client.create_async(node), budget, f'create {node}')
        except requests.Exists:
            pass


def create_member(session: ZookeeperSession, path: str, budget: Budget) -> None:
    """Make the node of a member, which says where it runs."""
    about = {'hostname': socket.gethostname(), 'pid': os.getpid()}
    data = json.dumps(about).encode()
    created = session.client.create_async(path, data, ephemeral=True)
    try:
        requests.ask(created, budget, f'create {path}')
    except requests.Exists:
        # The name holds the session's id: it is of this session.
        pass
