# SPDX-License-Identifier: Apache-2.0
"""Where a conductor looks for its next job, and how often."""

from __future__ import annotations

import collections
import logging
import random
import threading

from tfd import exceptions
from tfd.jobs import board as boards
from tfd.jobs import placement, ports, record
from tfd.types import clock as clocks

__all__ = ['Finder']

LOG = logging.getLogger(__name__)

_ALL_SHARDS = frozenset(range(record.SHARDS))
#: How many candidates a look brings at least: what is not claimed now is claimed when a job ends.
_LEAST = 16
#: How many jobs are remembered as not worth a try for now.
_SKIPPED = 1024
_ANY_EPOCH = -1
_MEMBERS_CHANGED = frozenset((ports.Ring.MEMBERS, ports.Ring.SESSION))
#: Seconds after which an idle conductor first looks at the shards of others, more or less.
_FIRST_STEAL = 0.5


class Finder:
    """Reads candidates: of the shards preferred here first, then everybody's orphans and late jobs.

    A look costs one statement. Own shards are looked at on every ring and poll, orphans when the
    members change and on every second poll. The others' shards are looked at where the own ones are
    empty: half a second after they came to be so, when their conductor has had its chance, then less
    and less often, down to every second poll; each conductor takes them in an order of its own. Not
    safe to use from several threads, but for :meth:`rang`.

    :param pause: seconds between two polls.
    """

    def __init__(
        self, board: boards.JobBoard, store: ports.JobStore, coordinator: ports.Coordinator,
        clock: clocks.Clock, rng: random.Random, pause: float,
    ) -> None:
        self._board = board
        self._store = store
        self._coordinator = coordinator
        self._clock = clock
        self._rng = rng
        self._pause = pause
        self._watched = ports.Capability.WATCHED_MEMBERS in coordinator.capabilities
        self._guard = threading.Lock()
        self._rung: set[ports.Ring] = set(ports.Ring)
        self._waiting: collections.deque[record.Candidate] = collections.deque()
        self._read_at = clock.now()
        self._next_poll = clock.now()
        self._polls = 0
        self._steal_pause = _FIRST_STEAL
        self._steal_at = clock.now() + _FIRST_STEAL
        self._own: frozenset[int] = frozenset()
        self._skipped: collections.OrderedDict[tuple[str, int], float] = collections.OrderedDict()

    def rang(self, ring: ports.Ring) -> None:
        """Look again at what ``ring`` is about. Safe from any thread; never blocks for long."""
        with self._guard:
            self._rung.add(ring)

    def poll_every(self, pause: float) -> None:
        """Pause for so many seconds between two polls, from the next one on. Safe from any thread."""
        self._pause = pause
        self._next_poll = min(self._next_poll, self._clock.now() + pause)

    def ended(self) -> None:
        """Look at the own shards again: a job ended, and there is room."""
        self.rang(ports.Ring.DOORBELL)

    def due_in(self) -> float:
        """Return in how many seconds the next look is due."""
        return max(0.0, min(self._next_poll, self._steal_at) - self._clock.now())

    def skip(self, candidate: record.Candidate, seconds: float) -> None:
        """Do not offer a candidate for some time, unless its epoch or the members change."""
        self._skip((candidate.id, candidate.epoch), seconds)

    def skip_job(self, job_id: str, seconds: float) -> None:
        """Do not offer a job for some time, whatever its epoch."""
        self._skip((job_id, _ANY_EPOCH), seconds)

    def find(self, room: int) -> record.Candidate | None:
        """Return the next candidate to claim, None where there is none for now.

        :param room: how many more jobs could be run.
        :raises CoordinatorUnavailable: the members cannot be listed; own shards were looked at.
        :raises StorageUnavailable: the board cannot be read.
        """
        self._heed_members()
        candidate = self._offered()
        if candidate is None and self._look(room):
            candidate = self._offered()
        return candidate

    def _heed_members(self) -> None:
        """Look anew where the members changed: what the dead ones ran comes before what waits.

        Whatever was not to be had because they held its lock is to be had.
        """
        with self._guard:
            changed = not self._rung.isdisjoint(_MEMBERS_CHANGED)
        if changed:
            self._waiting.clear()
            for key in [key for key in self._skipped if key[1] != _ANY_EPOCH]:
                del self._skipped[key]

    def _offered(self) -> record.Candidate | None:
        if self._clock.now() - self._read_at > max(self._pause, 1.0):
            self._waiting.clear()
        while self._waiting:
            candidate = self._waiting.popleft()
            if not self._is_skipped(candidate):
                return candidate
        return None

    def _look(self, room: int) -> bool:
        """Look wherever there is reason to, until something is found."""
        with self._guard:
            rung, self._rung = self._rung, set()
        polled = self._clock.now() >= self._next_poll
        if polled:
            self._polls += 1
            self._next_poll = self._clock.now() + self._pause * (0.8 + 0.4 * self._rng.random())
        if not rung and not polled and self._clock.now() < self._steal_at:
            return False
        try:
            return self._look_for(rung, polled, max(_LEAST, 2 * room) + self._count_skipped())
        except exceptions.TaskFlowException:
            with self._guard:
                self._rung |= rung
            raise

    def _look_for(self, rung: set[ports.Ring], polled: bool, limit: int) -> bool:
        even = polled and self._polls % 2 == 0
        changed = not rung.isdisjoint(_MEMBERS_CHANGED)
        if changed or (even and not self._watched):
            self._place()
        found = False
        if changed or even:
            found = self._keep(self._board.orphans(limit))
        found = self._pending(self._own, limit) or found
        if found:
            self._steal_pause = _FIRST_STEAL
        elif self._clock.now() >= self._steal_at:
            found = self._pending(_ALL_SHARDS - self._own, limit)
            self._steal_pause = _FIRST_STEAL if found else min(2 * self._steal_pause, 2 * self._pause)
        else:
            return False
        self._steal_at = self._clock.now() + self._steal_pause * (0.5 + self._rng.random())
        return found

    def _place(self) -> None:
        """Work out which shards are preferred here, from who lives."""
        session = self._coordinator.session()
        if session is None:
            self._own = frozenset()
            return
        members = self._coordinator.members()
        self._own = placement.preferred(_ALL_SHARDS, members, session.incarnation)
        LOG.debug('%s prefers %d of %d shards, %d members', session.incarnation, len(self._own),
                  record.SHARDS, len(members))

    def _pending(self, shards: frozenset[int], limit: int) -> bool:
        if not shards:
            return False
        found = self._store.pending(shards, self._clock.wall(), limit)
        if len(found) >= limit:
            self.ended()  # There are more.
        if shards != self._own:
            self._rng.shuffle(found)
        return self._keep(found)

    def _keep(self, found: list[record.Candidate]) -> bool:
        """Keep candidates for later; tell whether any can be offered."""
        offered = [candidate for candidate in found if not self._is_skipped(candidate)]
        self._waiting.extend(offered)
        self._read_at = self._clock.now()
        return bool(offered)

    def _skip(self, key: tuple[str, int], seconds: float) -> None:
        self._skipped[key] = self._clock.now() + seconds
        self._skipped.move_to_end(key)
        while len(self._skipped) > _SKIPPED:
            self._skipped.popitem(last=False)

    def _count_skipped(self) -> int:
        """Return how many candidates a look may bring that are not offered."""
        now = self._clock.now()
        for key in [key for key, until in self._skipped.items() if until <= now]:
            del self._skipped[key]
        return len(self._skipped)

    def _is_skipped(self, candidate: record.Candidate) -> bool:
        now = self._clock.now()
        for key in ((candidate.id, candidate.epoch), (candidate.id, _ANY_EPOCH)):
            if now < self._skipped.get(key, now):
                return True
        return False
