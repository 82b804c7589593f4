# SPDX-License-Identifier: Apache-2.0
"""Whether the coordinator still is the one under which the jobs were claimed.

The board has an id, in SQL and in the coordinator. A coordinator that lost its data has forgotten
every session, while the owners of that time still believe in theirs until their own clocks run out:
its list of members then is no evidence of anybody's death. So where its id is missing, or another,
nobody takes over a job for one maximal session time-out.
"""

from __future__ import annotations

import logging
import threading
import uuid

from tfd.jobs import ports
from tfd.types import clock as clocks

__all__ = ['BoardIdentity']

LOG = logging.getLogger(__name__)

_NEVER_SEEN = object()


class BoardIdentity:
    """Compares the board's id in SQL with the coordinator's. Safe to use from any thread.

    :param max_session: seconds; the longest session that any member can have.
    """

    def __init__(self, store: ports.JobStore, coordinator: ports.Coordinator, clock: clocks.Clock,
                 max_session: float) -> None:
        self._store = store
        self._coordinator = coordinator
        self._clock = clock
        self._max_session = max_session
        self._lock = threading.Lock()
        self._mine: str | None = None
        self._accepted: str | None = None
        self._doubted: object = _NEVER_SEEN
        self._since = 0.0
        self._said = False

    def trusted(self) -> bool:
        """Return whether a member that the coordinator does not list can be taken for dead.

        Call it *after* the members were read: a loss of data in between is then seen.

        :raises CoordinatorUnavailable: the coordinator's id cannot be read now.
        :raises StorageUnavailable: nor can the one in SQL.
        """
        with self._lock:
            mine = self._known()
            found = self._coordinator.board_id()
            if found == mine or (found is not None and found == self._accepted):
                self._doubted = _NEVER_SEEN
                return True
            return self._outwaited(mine, found)

    def _known(self) -> str:
        """Return the board's id in SQL; a new board is made known to the coordinator at once."""
        if self._mine is None:
            mine = self._store.board_id()
            if mine is None:
                proposed = str(uuid.uuid4())
                mine = self._store.board_id(propose=proposed)
                assert mine is not None
                if mine == proposed:
                    LOG.info('new board %s', mine)
                    self._coordinator.board_id(propose=mine)
            self._mine = mine
        return self._mine

    def _outwaited(self, mine: str, found: str | None) -> bool:
        """Return whether the wrong id was shown for a maximal session; if so it is accepted."""
        now = self._clock.now()
        if found != self._doubted:
            # Nothing is said yet: whoever has just made a new board makes it known in a moment.
            self._doubted, self._since, self._said = found, now, False
            return False
        if not self._said:
            self._said = True
            LOG.warning(
                'the coordinator knows board %s, the database %s: the coordinator has lost its '
                'data, or is shared with another deployment; no job is taken over for %g seconds',
                found, mine, self._max_session)
        if now - self._since < self._max_session:
            return False
        if found is None:
            found = self._coordinator.board_id(propose=mine)
        if found != mine:
            LOG.warning(
                'the coordinator goes on with board %s, the database with %s; give each deployment '
                'a [coordination] path of its own', found, mine)
        else:
            LOG.info('board %s is known to the coordinator again', mine)
        self._accepted = found
        self._doubted = _NEVER_SEEN
        return True
