# SPDX-License-Identifier: Apache-2.0
"""The two ports that make a jobboard: where jobs are kept, and how conductors agree who runs them.

SQL is the truth about every job; the coordinator holds locks, membership and doorbells, and its total loss loses no
job.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from tfd.jobs import record
from tfd.persistence.record import Fence, Settlement

__all__ = ['Capability', 'Coordinator', 'JobStore', 'Lock', 'Ring', 'Roster', 'Session']


# Written out of JobStore, whose method ``list`` hides the type of that name.
Jobs = list[record.Job]
Candidates = list[record.Candidate]


class Capability(enum.Enum):
    """What a coordinator offers beyond the least."""

    #: A ring wakes other members at once; without it they find new jobs by polling.
    DOORBELL = 'doorbell'
    #: Changes of membership are told at once; without it they are found by polling.
    WATCHED_MEMBERS = 'watched members'
    #: A lock's end is seen by its holder's session, not by a lease that somebody must renew in the store of the jobs.
    SESSION_LOCKS = 'session locks'


class JobStore(Protocol):
    """Keeps jobs. Safe to use from any thread.

    Rules of a driver: every method is one transaction at READ COMMITTED; :class:`StorageUnavailable` where the database
    cannot be reached; every answer is bounded by a limit.
    """

    def post(self, jobs: Sequence[record.NewJob]) -> Jobs:
        """Record new jobs, and return them as stored; of a token that is known, the job that it gave first.

        All are recorded or none. A job is given a logbook and flow UUID of its own here, so that its later owners agree
        on them.

        :raises NotStorable: a value of a ``store`` has no stored form; nothing is recorded.
        """

    def get(self, job_id: str) -> record.Job:
        """Return a job.

        :raises NotFound: no such job.
        """

    def find(self, token: str) -> record.Job:
        """Return the job that was posted with this token.

        :raises NotFound: no such job.
        """

    def list(self, query: record.JobQuery) -> Jobs:
        """Return a page of jobs, newest first."""

    def pending(self, shards: Collection[int], now: float, limit: int) -> Candidates:
        """Return unclaimed jobs of these shards whose time has come, most urgent and then oldest first. Index only."""

    def orphans(self, living: Collection[str], limit: int) -> Candidates:
        """Return claimed jobs whose owner is none of the living incarnations. Index only."""

    def owned(self, owner: str) -> Jobs:
        """Return the claimed jobs whose owner is this incarnation."""

    def claim(self, candidate: record.Candidate, owner: str, claim_id: str) -> record.Claim:
        """Make ``owner`` the job's owner under a new epoch.

        Only where the row still has the candidate's epoch, and is UNCLAIMED or CLAIMED.

        ``attempts`` becomes 1 where the row recorded something since the last claim, else grows by one. Where the
        answer to the write was lost, the outcome is found by reading ``claim_id`` back.

        :raises UnclaimableJob: it has another epoch or state by now, or is gone.
        """

    def settle(self, fence: Fence, settlement: Settlement) -> None:
        """Give a job back outside of an engine's last step. Same rules as a settlement in a journal entry.

        :raises OwnershipLost: the fence does not hold and it was not this claim that settled it.
        """

    def release(self, job_id: str, state: str) -> None:
        """Make a PARKED job UNCLAIMED (``state=UNCLAIMED``) again, its attempts forgotten.

        :raises NotFound: no such job.
        :raises InvalidState: it is not parked.
        """

    def unblock(self, candidate: record.Candidate) -> int:
        """End the database sessions that the row's former owner left, and return how many.

        A stopped process holds its row locks.

        Does nothing where the database has no such sessions (SQLite) or the epoch has moved on.
        """

    def board_id(self, propose: str | None = None) -> str | None:
        """Return the board's id; where there is none yet and one is proposed, record that first."""


class Roster(Protocol):
    """Keeps who has conducted, for people to look at: nothing is decided by it. Safe to use from any thread.

    Rules of a driver: those of :class:`JobStore`.
    """

    def note(self, seen: record.Incarnation) -> None:
        """Record an incarnation, or that it was seen again: of one that is known ``seen_at`` alone changes."""

    def latest(self, limit: int) -> Sequence[record.Incarnation]:
        """Return those that were seen last, the latest first. Index only."""

    def forget(self, before: float, limit: int) -> int:
        """Remove those that were not seen since ``before``, the oldest first and ``limit`` at most; return how many."""


class Session(Protocol):
    """A member's life on the coordinator, from one connection to its end; never revived once it has ended.

    ``incarnation`` is ``<conductor>/<worker>/<session id>``: unique for ever.
    """

    @property
    def incarnation(self) -> str:
        """The name under which this session owns locks and jobs."""

    @property
    def timeout(self) -> float:
        """Seconds of silence after which the coordinator ends the session, as negotiated."""

    def deadline(self) -> float:
        """Return until when, on the coordinator's clock (``Clock.now``), this session may be believed to live.

        The time-out at most after the moment when a request was *sent* of which the answer shows that the coordinator
        counts from it; while all is well, half of the time-out or more is left. In the past for ever once it has
        passed or the session is known to have ended.
        """


@dataclasses.dataclass(frozen=True, slots=True)
class Lock:
    """A lock that is held, by the session that took it."""

    name: str
    session: Session


class Ring(enum.Enum):
    """What a coordinator calls its listeners for."""

    DOORBELL = 'doorbell'
    MEMBERS = 'members'
    SESSION = 'session'


class Coordinator(Protocol):
    """Locks, members and doorbells. Safe to use from any thread, but not across a fork.

    Rules of a driver:

    1. A lock is held by one session at most; it ends with its session, or by :meth:`release` under that same session.
    2. Creating and deleting a lock happens together with a check of the own member entry: a session that has ended
       changes nothing.
    3. The outcome of a request whose answer was lost is found out by reading, never guessed.
    4. Every call returns or raises within the driver's time-out.
    5. A session whose own deadline has passed is given up, and a new one is made in the background; :meth:`session`
       tells.
    6. A driver that is made as an observer (for who posts, and looks) joins no members and takes no locks:
       ``InvalidState``.
    """

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What this driver offers."""

    def start(self) -> None:
        """Connect, and join as a member.

        :raises CoordinatorUnavailable: not connected within the driver's time-out. Trying goes on in the background
            until :meth:`stop`.
        """

    def stop(self) -> None:
        """Leave: give up the session and with it every lock. Calling it again does nothing."""

    def session(self) -> Session | None:
        """Return the session that lives now, None while there is none."""

    def members(self) -> frozenset[str]:
        """Return the living incarnations, the own one included.

        :raises CoordinatorUnavailable: it cannot be said now; nobody may be taken for dead.
        """

    def acquire(self, session: Session, name: str) -> Lock:
        """Take a lock under this session.

        :raises LockHeld: somebody else holds it.
        :raises SessionLost: the session has ended, or its end cannot be excluded.
        :raises CoordinatorUnavailable: not answered, and the outcome could not be found out; the driver's reconciler
            will release it.
        """

    def release(self, lock: Lock) -> None:
        """Let go of a lock; nothing happens where its session has ended, or it was let go of before.

        Errors are kept for the driver's reconciler, not raised.
        """

    def holder(self, name: str) -> str | None:
        """Return the incarnation that holds a lock, None where nobody does.

        :raises CoordinatorUnavailable: it cannot be said now.
        """

    def ring(self, shard: int) -> None:
        """Wake a member that prefers this shard, where the driver can.

        Errors are logged, not raised: a lost ring is covered by the poll.
        """

    def listen(self, listener: Callable[[Ring], None]) -> None:
        """Call ``listener`` on every ring; from a thread of the driver's, so it must not block."""

    def board_id(self, propose: str | None = None) -> str | None:
        """Return the board's id as the coordinator has it; where it has none and one is proposed, record that first.

        :raises CoordinatorUnavailable: it cannot be said now.
        """
