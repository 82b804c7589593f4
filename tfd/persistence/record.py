# SPDX-License-Identifier: Apache-2.0
"""What is stored of a flow: the fields, and nothing about how.

These classes alone know which fields exist; drivers build their columns, statements and rows from
:func:`dataclasses.fields` of them. Field types are text, integers, floats, None, or *values*: fields named in
:data:`VALUES` hold whatever the driver's codec made of a user's value (see :mod:`tfd.persistence.codec`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from tfd import states

__all__ = [
    'VALUES', 'AtomRecord', 'BookRecord', 'Change', 'DecisionRecord', 'Entry', 'Fence', 'FlowRecord', 'Settlement',
    'Snapshot', 'StepRecord',
]

#: Fields, of any record, whose content went through a codec.
VALUES = frozenset(('meta', 'result', 'failure', 'revert_result', 'revert_failure'))

_OUTCOMES = VALUES - {'meta'}
_ENDED = frozenset((states.SUCCESS, states.FAILURE, states.REVERTED, states.REVERT_FAILURE, states.IGNORE))


@dataclasses.dataclass(frozen=True, slots=True)
class BookRecord:
    """A logbook: a named collection of flows. Times are seconds since 1970-01-01 UTC."""

    uuid: str
    name: str
    meta: Any = None
    created_at: float | None = None
    updated_at: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class FlowRecord:
    """A flow: its state, and the digest of the plan under which it was last run ('' before the first run)."""

    uuid: str
    book: str | None
    name: str
    state: str | None = None
    meta: Any = None
    digest: str = ''
    created_at: float | None = None
    updated_at: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class AtomRecord:
    """A task or retry of a flow.

    ``number`` names the row inside its flow: unique there, given once, never reused; it says nothing about order.
    ``name`` is unique inside the flow too. ``kind`` is ``'task'`` or ``'retry'``. A retry's ``result`` is its
    history.
    """

    flow: str
    number: int
    uuid: str
    name: str
    kind: str
    version: str = '1.0'
    state: str | None = None
    intention: str = 'EXECUTE'
    result: Any = None
    failure: Any = None
    revert_result: Any = None
    revert_failure: Any = None
    meta: Any = None


@dataclasses.dataclass(frozen=True, slots=True)
class DecisionRecord:
    """What was decided by user code, or follows from it: a retry's verdict, a decider's answer, an open question.

    At most one row per ``(flow, subject)``; a later decision on the same subject replaces it. ``subject`` (at most
    300 characters) and ``answer`` (at most 64) are the scheduler's own words; drivers store them and do not look
    inside. ``attempt`` counts how often the subject was decided. An ``answer`` of ``''`` removes the row.
    """

    flow: str
    subject: str
    attempt: int
    answer: str


@dataclasses.dataclass(frozen=True, slots=True)
class StepRecord:
    """What the history keeps of one step of a job's flow; never changed once it is written.

    :ivar seq: how many writes the row of the job had seen with it: grows with each step, with gaps.
    :ivar job: the job; a flow has one, for all that tfd does by itself.
    :ivar epoch: the claim under which it was recorded.
    :ivar owner: the incarnation that owned the job.
    :ivar at: when, in seconds since 1970-01-01 UTC, by that owner's clock.
    :ivar what: see :mod:`tfd.persistence.history`.
    """

    flow: str
    seq: int
    job: str
    epoch: int
    owner: str
    at: float
    what: str


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is stored of one flow, atoms in the order of their numbers."""

    flow: FlowRecord
    atoms: Sequence[AtomRecord]
    decisions: Sequence[DecisionRecord]


@dataclasses.dataclass(frozen=True, slots=True)
class Fence:
    """The right to write: the job's id and the epoch under which it was claimed."""

    job: str
    epoch: int


@dataclasses.dataclass(frozen=True, slots=True)
class Settlement:
    """How an owner gives a job back, in the transaction of the fence's last write. Always ends the epoch.

    :ivar claim_id: the claim that is given back; it stays in the row, so that a lost reply can be read back.
    :ivar state: ``COMPLETE``, ``UNCLAIMED`` (abandoned) or ``PARKED``.
    :ivar outcome: the final flow state where the job is complete or parked, else ''.
    :ivar reason: why it was abandoned or parked, for people; '' otherwise.
    :ivar counts: False where this claim shall not count as one without progress (a graceful hand-over).
    """

    claim_id: str
    state: str
    outcome: str = ''
    reason: str = ''
    counts: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """New values for some columns of one atom's row: absolute, so that applying it twice does what once does."""

    number: int
    columns: tuple[str, ...]
    values: tuple[Any, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One step of one flow: what one transaction records.

    :ivar fence: None for a flow that no job owns.
    :ivar columns: names of the flow's own fields that change, with ``values`` beside them (usually none, or
        ``state``).
    :ivar settlement: given with the last entry of a claim only; needs a fence.
    """

    flow: str
    fence: Fence | None = None
    changes: Sequence[Change] = ()
    decisions: Sequence[DecisionRecord] = ()
    columns: tuple[str, ...] = ()
    values: tuple[Any, ...] = ()
    settlement: Settlement | None = None

    @property
    def progresses(self) -> bool:
        """Whether this step gets the flow further than where a later attempt would begin anyway.

        Work that merely begins does not: a job whose first task kills its conductor records that start at every
        claim, and must be found out all the same. Nor does coming to rest.
        """
        return bool(self.decisions) or any(_ends(change) for change in self.changes)


def _ends(change: Change) -> bool:
    """Tell whether this change records how something ended."""
    return any(
        value in _ENDED if column == 'state' else value is not None and column in _OUTCOMES
        for column, value in zip(change.columns, change.values, strict=True))
