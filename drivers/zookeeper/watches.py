# SPDX-License-Identifier: Apache-2.0
"""What a member watches: the list of members, and the doorbells of the shards that it prefers. Never a lock."""

from __future__ import annotations

import enum
import functools
import logging
import threading
from typing import Any

from kazoo.protocol import states

from tfd.jobs import placement
from tfd.jobs.ports import Ring
from tfd.jobs.record import SHARDS
from tfd.jobs.ringing import Ringer
from tfd_drivers.zookeeper import paths as naming
from tfd_drivers.zookeeper import requests
from tfd_drivers.zookeeper.paths import Paths
from tfd_drivers.zookeeper.session import ZookeeperSession

__all__ = ['Watches', 'incarnations']

LOG = logging.getLogger(__name__)


class _Watch(enum.Enum):
    """How it stands with a watch."""

    NONE = 'none'
    ASKED = 'asked'
    SET = 'set'


def incarnations(nodes: list[str]) -> frozenset[str]:
    """Return the incarnations among the names of member nodes; what else was put there is passed over."""
    names = {naming.unescape(node) for node in nodes}
    found = frozenset(name for name in names if naming.is_incarnation(name))
    if len(found) < len(names):
        LOG.warning('not members: %s', sorted(names - found)[:5])
    return found


class Watches:
    """The watches of one session.

    A watch of ZooKeeper's fires once: it is set again as soon as it has fired, and what happened in
    between is found by the version of the doorbell. A watch that could not be set (the connection
    broke) is set by the next :meth:`beat`. Nothing here blocks or takes a thread: all of it runs in
    kazoo's callbacks.
    """

    def __init__(self, session: ZookeeperSession, paths: Paths, ringer: Ringer) -> None:
        self._session = session
        self._client = session.client
        self._paths = paths
        self._ringer = ringer
        self._guard = threading.Lock()
        self._closed = False
        self._members: frozenset[str] | None = None
        self._members_watch = _Watch.NONE
        self._preferred: frozenset[int] = frozenset()
        self._doorbells: dict[int, _Watch] = {}
        self._versions: dict[int, int] = {}

    def beat(self) -> None:
        """Set every watch that should be set and is not."""
        with self._guard:
            if self._closed:
                return
            wanted = [shard for shard in self._preferred if self._is_unset(shard)]
            for shard in wanted:
                self._doorbells[shard] = _Watch.ASKED
            ask_members = self._members_watch is _Watch.NONE
            if ask_members:
                self._members_watch = _Watch.ASKED
        if ask_members:
            pending = self._client.get_children_async(
                self._paths.members, watch=self._members_changed
            )
            pending.rawlink(self._members_read)
        for shard in wanted:
            pending = self._client.exists_async(
                self._paths.doorbell(shard), watch=functools.partial(self._rung, shard)
            )
            pending.rawlink(functools.partial(self._doorbell_read, shard))

    def close(self) -> None:
        """Hear nothing any more."""
        with self._guard:
            self._closed = True

    def members(self) -> frozenset[str] | None:
        """Return the members as the watch has them; None where it does not know now."""
        with self._guard:
            if self._members_watch is _Watch.SET and requests.is_answered(self._client):
                return self._members
            return None

    def _is_unset(self, shard: int) -> bool:
        return self._doorbells.get(shard, _Watch.NONE) is _Watch.NONE

    def _members_changed(self, _event: Any) -> None:
        with self._guard:
            self._members_watch = _Watch.NONE
        self.beat()

    def _members_read(self, pending: Any) -> None:
        with self._guard:
            if self._closed:
                return
            if not pending.successful():
                self._members_watch = _Watch.NONE
                return
            self._members_watch = _Watch.SET
            before, self._members = self._members, incarnations(pending.value)
            if self._members == before:
                return
            self._preferred = placement.preferred(
                range(SHARDS), self._members, self._session.incarnation
            )
        self._ringer.ring(Ring.MEMBERS)
        self.beat()

    def _rung(self, shard: int, event: Any) -> None:
        rung = event.type != states.EventType.NONE
        with self._guard:
            self._doorbells[shard] = _Watch.NONE
            known = self._versions.get(shard)
            if rung and known is not None:
                self._versions[shard] = known + 1
            tell = rung and shard in self._preferred and not self._closed
        if tell:
            self._ringer.ring(Ring.DOORBELL)
        self.beat()

    def _doorbell_read(self, shard: int, pending: Any) -> None:
        with self._guard:
            if self._closed:
                return
            if not pending.successful():
                self._doorbells[shard] = _Watch.NONE
                return
            self._doorbells[shard] = _Watch.SET
            version = -1 if pending.value is None else pending.value.version
            known = self._versions.get(shard, version)
            self._versions[shard] = version
        if version > known:
            # It was rung again before the watch was set again.
            self._ringer.ring(Ring.DOORBELL)
