# SPDX-License-Identifier: Apache-2.0
"""What is known of a job: one class for its fields, and the small values that travel around it."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from typing import Any

from tfd import states

__all__ = [
    'REASON', 'Candidate', 'Claim', 'Incarnation', 'Job', 'JobQuery', 'NewJob', 'Priority', 'reasoned', 'shard_of']

#: How many shards a board's jobs are spread over. A power of two well above the number of conductors expected on one
#: database.
SHARDS = 64

#: The longest reason that is kept of a job, in characters; lines of the log come after it.
REASON = 1000


class Priority(enum.IntEnum):
    """How urgent a job is; any integer works, these have names (as TaskFlow's job priorities)."""

    VERY_LOW = -2
    LOW = -1
    NORMAL = 0
    HIGH = 1
    VERY_HIGH = 2


@dataclasses.dataclass(frozen=True, slots=True)
class NewJob:
    """A job as its poster describes it.

    :ivar id: a UUID that the poster's client made.
    :ivar token: the poster's own idempotency token; posting a token again gives the job that it gave the first time.
    :ivar flow: entry-point name of the flow factory, in group ``tfd.flows``.
    :ivar version: the factory's version that the poster meant, '' for any.
    :ivar store: the flow's inputs, by name.
    :ivar not_before: seconds since 1970-01-01 UTC before which it is not claimed; 0, or less, for none.
    """

    id: str
    token: str
    name: str
    flow: str
    version: str = ''
    store: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    priority: int = 0
    not_before: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """A job's row. Times are seconds since 1970-01-01 UTC.

    :ivar store: the flow's inputs, by name. Of a job that is not claimed here they are read when somebody looks into
        them, which raises UnknownKey where one is secret and its key is not here, InvalidFormat where they are damaged.
    :ivar state: ``UNCLAIMED``, ``CLAIMED``, ``COMPLETE`` or ``PARKED``.
    :ivar outcome: the final state of its flow (``SUCCESS``, ``REVERTED``, ``FAILURE``) once complete or parked, else
        ''.
    :ivar owner: the incarnation that claimed it, '' where nobody owns it.
    :ivar claim_id: names the latest claim; stays after the job is given back.
    :ivar epoch: the fencing token: grows with every claim and every settling.
    :ivar seq: how many transactions were recorded under it.
    :ivar attempts: claims in a row that recorded nothing new.
    :ivar claims: claims in all.
    :ivar shard: which part of the board it is on (0 to SHARDS - 1), from its id.
    :ivar reason: why it was parked or given back: :attr:`cause` in the first line, :attr:`log` in the others.
    :ivar book_uuid, flow_uuid: its logbook and flow detail; the flow is recorded at the first claim's load.
    :ivar connections: ids of the owner's database connections, comma separated, for a successor that is blocked by
        them.
    """

    id: str
    token: str
    name: str
    flow: str
    version: str
    # What is in it may be a secret.
    store: Mapping[str, Any] = dataclasses.field(repr=False)
    state: str
    outcome: str
    priority: int
    not_before: float
    owner: str
    claim_id: str
    epoch: int
    seq: int
    claimed_seq: int
    attempts: int
    claims: int
    shard: int
    book_uuid: str
    flow_uuid: str
    reason: str
    connections: str
    created_at: float
    updated_at: float

    @property
    def done(self) -> bool:
        """Whether no conductor will take it up again by itself."""
        return self.state in (states.COMPLETE, states.PARKED)

    @property
    def cause(self) -> str:
        """Why it was parked or given back, in one line; '' where nobody said."""
        return self.reason.partition('\n')[0]

    @property
    def log(self) -> list[str]:
        """The last lines that were logged about the run that ended so, oldest first; secrets are masked in them."""
        return self.reason.split('\n')[1:]


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """What must be known of a job to claim it: read *before* its lock is taken."""

    id: str
    epoch: int
    state: str
    owner: str
    flow: str
    version: str
    attempts: int


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """A claim that succeeded: the job as it is now, owned under ``job.epoch`` by ``job.owner``."""

    job: Job


@dataclasses.dataclass(frozen=True, slots=True)
class Incarnation:
    """A worker process of a conductor under one session: whom jobs and histories name as owner. For people.

    :ivar incarnation: ``<conductor>/<worker>/<session id>``.
    :ivar hostname: of the machine, as it calls itself.
    :ivar pid: of the process there.
    :ivar version: of tfd.
    :ivar started_at: when it was seen first, in seconds since 1970-01-01 UTC, by its own clock.
    :ivar seen_at: when it was seen last.
    """

    incarnation: str
    hostname: str
    pid: int
    version: str
    started_at: float
    seen_at: float


@dataclasses.dataclass(frozen=True, slots=True)
class JobQuery:
    """Which jobs to list: newest first, ``limit`` at a time, from before ``before`` (a job id of the page above)."""

    states: tuple[str, ...] = ()
    owner: str | None = None
    limit: int = 100
    before: str | None = None


def reasoned(cause: str, log: Sequence[str]) -> str:
    """Return the reason of a job: why, in one line of at most :data:`REASON` characters, and the lines of its log."""
    return '\n'.join((' '.join(cause.split())[:REASON], *(' '.join(line.split()) for line in log)))


def shard_of(job_id: str) -> int:
    """Return the shard of a job: the first 32 bits of its UUID, modulo :data:`SHARDS`."""
    return int(job_id[:8], 16) % SHARDS
