# SPDX-License-Identifier: Apache-2.0
"""The connection of a board: its session, what is made anew with each, and what is read with it."""

from __future__ import annotations

import dataclasses
import os
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

from oslo_serialization import jsonutils

from tfd import exceptions
from tfd.jobs.ringing import Ringer
from tfd.types.clock import BootClock, Clock
from tfd.types.entity import Entity
from tfd_drivers.zookeeper import membership, requests
from tfd_drivers.zookeeper.board.claims import Claims
from tfd_drivers.zookeeper.board.contents import Contents
from tfd_drivers.zookeeper.board.layout import Layout
from tfd_drivers.zookeeper.board.postings import Posting
from tfd_drivers.zookeeper.board.view import View
from tfd_drivers.zookeeper.borrowed import BorrowedKeeper
from tfd_drivers.zookeeper.keeper import Keeper
from tfd_drivers.zookeeper.options import Options
from tfd_drivers.zookeeper.requests import Budget
from tfd_drivers.zookeeper.session import ZookeeperSession

__all__ = ['BoardConnection', 'Joined']


@dataclasses.dataclass(frozen=True, slots=True)
class Joined:
    """A session, and what is done under it."""

    session: ZookeeperSession
    member: str
    claims: Claims
    left: Callable[[], None]

    @property
    def client(self) -> Any:
        """The client whose session it is."""
        return self.session.client

    def beat(self) -> None:
        """Nothing goes with a heartbeat."""

    def drain(self, timeout: float) -> None:
        """Nothing is under way that has to be waited for."""

    def close(self) -> None:
        """Stop what goes on in the background."""
        self.claims.close()
        self.left()


class BoardConnection:
    """Keeps a session for a board, and what is known of the board; can be opened again after it was closed.

    :param client: a client of the caller's, or None.
    :param told: called with the paths of jobs that came and of jobs that went.
    """

    def __init__(
        self, options: Options, client: Any, told: Callable[[list[str], list[str]], None], clock: Clock | None = None,
    ) -> None:
        self.options = options
        self.clock = clock or BootClock()
        self.layout = Layout(options.paths.root)
        self.view = View(self.layout, self._ranks, told)
        self.contents = Contents(self.layout, self.view.quarantine)
        self._client = client
        self._guard = threading.Lock()
        self._keeper: Keeper[Joined] | None = None
        self._ringer: Ringer | None = None
        self._previous: Claims | None = None
        self._entities: dict[tuple[str, str], Entity] = {}

    # -- the session -------------------------------------------------------------------------------

    def open(self, timeout: float) -> None:
        """Connect.

        :raises CoordinatorUnavailable: not within so many seconds. Trying goes on.
        """
        with self._guard:
            if self._keeper is None:
                self._ringer = Ringer('tfd-zk-board-ringer')
                self._keeper = self._new_keeper(self._ringer)
                self._keeper.start()
            keeper = self._keeper
        if not keeper.wait_joined(timeout):
            raise exceptions.CoordinatorUnavailable(
                f'ZooKeeper at {self.options.client["hosts"]} not joined within {timeout:g} s: {keeper.trouble}')

    def _new_keeper(self, ringer: Ringer) -> Keeper[Joined]:
        prefix = f'{socket.gethostname()}/{os.getpid()}'
        if self._client is None:
            return Keeper(self.options, prefix, self.clock, ringer, self._join)
        return BorrowedKeeper(self._client, self.options, prefix, self.clock, ringer, self._join)

    def close(self) -> None:
        """Let go of the session, and know nothing."""
        with self._guard:
            keeper, self._keeper = self._keeper, None
            ringer, self._ringer = self._ringer, None
            self._entities.clear()
        if keeper is not None and ringer is not None:
            joined = keeper.membership()
            if joined is not None and self._client is not None:
                self._leave_no_claim(joined)
            keeper.stop(self.options.request_timeout)
            ringer.close()
        self.view.forget()

    def joined(self) -> Joined | None:
        """Return what is done under the session that lives now, None while there is none."""
        keeper = self._keeper
        return None if keeper is None else keeper.membership()

    def require(self) -> Joined:
        """Return what is done under the session.

        :raises SessionLost: there is none now.
        """
        joined = self.joined()
        if joined is None:
            keeper = self._keeper
            raise exceptions.SessionLost(
                'the board is not connected' if keeper is None else f'no session with ZooKeeper: {keeper.trouble}')
        return joined

    def budget(self) -> Budget:
        """Return the time that one call has."""
        return Budget(self.options.request_timeout)

    def _join(self, session: ZookeeperSession, options: Options, _ringer: Ringer) -> Joined:
        """Make the nodes of the board where they are missing, and the own ones."""
        paths, budget, client = self.layout, self.budget(), session.client
        for path in (paths.page(0), paths.members, paths.entities, paths.trash):
            membership.ensure(client, path, budget)
        member = paths.member(session.incarnation)
        membership.create_member(session, member, budget)
        claims = Claims(session, paths, options.request_timeout)
        if self._previous is not None:
            claims.inherit(self._previous)
        self._previous = claims
        for entity in list(self._entities.values()):
            self._put_entity(client, entity, budget)
        self.view.attach(client)
        return Joined(session, member, claims, self._left)

    def _left(self) -> None:
        self.view.attach(None)

    def _leave_no_claim(self, joined: Joined) -> None:
        """Remove what a session that goes on without this board would keep, but for the entities.

        Those say who is there, which the client's owner is still; TaskFlow's boards leave them too.
        """
        budget = self.budget()
        try:
            joined.claims.abandon_all(budget)
            joined.client.delete_async(joined.member).wait(budget.left())
        except (exceptions.SessionLost, exceptions.CoordinatorUnavailable):
            # They end with the session, then.
            return

    # -- entities ----------------------------------------------------------------------------------

    def register(self, entity: Entity) -> None:
        """Make an entity known, now and under each further session.

        :raises SessionLost, CoordinatorUnavailable: it is not known yet.
        """
        self._entities[entity.kind, entity.name] = entity
        self._put_entity(self.require().client, entity, self.budget())

    def _put_entity(self, client: Any, entity: Entity, budget: Budget) -> None:
        path = self.layout.entity(entity.kind, entity.name)
        data = jsonutils.dump_as_bytes(entity.to_dict())
        membership.ensure(client, path.rpartition('/')[0], budget)
        try:
            requests.ask(client.create_async(path, data, ephemeral=True), budget, f'create {path}')
        except requests.Exists:
            # That of a process of the same name, which may have ended, or of this one.
            transaction = client.transaction()
            transaction.delete(path)
            transaction.create(path, data, ephemeral=True)
            requests.ask(transaction.commit_async(), budget, f'replace {path}')

    # -- reading -----------------------------------------------------------------------------------

    def postings(self, paths: Sequence[str]) -> dict[str, Posting]:
        """Return what these nodes hold, by path; without those that are gone, or hold no job."""
        return self.contents.read(self.require().client, paths, self.budget())

    def _ranks(self, client: Any, paths: Sequence[str], budget: Budget) -> dict[str, int]:
        found = self.contents.read(client, paths, budget)
        return {path: posting.priority.rank for path, posting in found.items()}
