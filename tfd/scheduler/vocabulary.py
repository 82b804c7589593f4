# SPDX-License-Identifier: Apache-2.0
"""What the scheduler is told, what it answers, and what it writes down.

Events are past participles, commands imperatives. Nodes and scopes are indices into the plan.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import NamedTuple

from tfd import states

__all__ = [
    'Answered', 'Ask', 'Asked', 'Code', 'Command', 'Decide', 'Decided', 'Event', 'Execute', 'Executed',
    'Gated', 'Judged', 'Moved', 'Options', 'Progress', 'Resolved', 'Revert', 'Reverted', 'Step', 'Suspended',
    'Transition',
]


class Code(enum.IntEnum):
    """The state of a node, as a byte; ``STATE_NAMES[code]`` is the word for it."""

    PENDING = 0
    RUNNING = 1
    SUCCESS = 2
    FAILURE = 3
    REVERTING = 4
    REVERTED = 5
    REVERT_FAILURE = 6
    IGNORE = 7
    RETRYING = 8


#: The words of :mod:`tfd.states`, by code.
STATE_NAMES = (
    states.PENDING, states.RUNNING, states.SUCCESS, states.FAILURE, states.REVERTING, states.REVERTED,
    states.REVERT_FAILURE, states.IGNORE, states.RETRYING,
)


# -- events ----------------------------------------------------------------------------------------


class Executed(NamedTuple):
    """An atom's execute came to its end."""

    node: int
    ok: bool


class Reverted(NamedTuple):
    """An atom's revert came to its end."""

    node: int
    ok: bool


class Answered(NamedTuple):
    """A retry answered: RETRY, REVERT or REVERT_ALL; '' where it raised or answered something else."""

    retry: int
    answer: str


#: The answer of deciders of which one raised.
FAILED = 'FAILED'


class Decided(NamedTuple):
    """The deciders of a target were asked: '' lets it run, a depth's name ignores, FAILED says that one raised."""

    target: int
    answer: str


class Suspended(NamedTuple):
    """Nothing more shall begin; ``withdrawn`` are the nodes of commands that were not performed."""

    withdrawn: tuple[int, ...] = ()


Event = Executed | Reverted | Answered | Decided | Suspended


# -- commands --------------------------------------------------------------------------------------


class Execute(NamedTuple):
    """Call the atom's execute."""

    node: int


class Revert(NamedTuple):
    """Call the atom's revert."""

    node: int


class Ask(NamedTuple):
    """Ask the retry what becomes of a failure, whose cause it is told as the atom ``blamed``.

    ``node`` is the atom whose failure it is; ``blamed`` is that atom, or the inner retry that answered REVERT to it.
    """

    retry: int
    node: int
    blamed: int


class Decide(NamedTuple):
    """Ask the deciders of a target."""

    target: int


Command = Execute | Revert | Ask | Decide


# -- transitions -----------------------------------------------------------------------------------


class Moved(NamedTuple):
    """An atom went to a state. Going to PENDING forgets its results, a retry's history too."""

    node: int
    code: int


class Resolved(NamedTuple):
    """What becomes of an atom's failure has been decided."""

    node: int


class Asked(NamedTuple):
    """Of the retries around a failed atom, this many have answered REVERT and the next one is still to be asked."""

    node: int
    level: int


class Judged(NamedTuple):
    """The verdict on a scope: RETRY or REVERT; '' once it has been carried out."""

    scope: int
    verdict: str


class Gated(NamedTuple):
    """A target's deciders answered, as in :class:`Decided` ('yes' for ''); '' forgets it.

    With FAILED goes the target's failure: it stays PENDING.
    """

    target: int
    answer: str


Transition = Moved | Resolved | Asked | Judged | Gated


@dataclasses.dataclass(slots=True)
class Step:
    """What one call of the scheduler led to: ``transitions`` to record together, then ``commands`` to perform.

    :ivar final: the state in which the flow has come to rest, None while it runs.
    """

    transitions: list[Transition]
    commands: list[Command]
    final: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """How to schedule.

    :ivar barrier: look at results only when the whole ready wave has run, as TaskFlow's serial engine does.
    :ivar window: how many atoms may be under way at once; the rest of a wave waits for its turn.
    :ivar defer_reverts: a REVERT that no retry above overrules reverts everything.
    :ivar never_resolve: leave failures as they are: nothing is asked, nothing reverted.
    """

    barrier: bool = True
    window: int = 1
    defer_reverts: bool = False
    never_resolve: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Progress:
    """How far an earlier run came, from storage. Everything empty for a new flow.

    :ivar codes: states of atoms that are not PENDING.
    :ivar resolved: failed atoms whose failure was decided about.
    :ivar levels: open questions, as in :class:`Asked`.
    :ivar verdicts: by scope, as in :class:`Judged`.
    :ivar answers: by target, as in :class:`Gated`.
    """

    codes: Mapping[int, int] = dataclasses.field(default_factory=dict)
    resolved: frozenset[int] = frozenset()
    levels: Mapping[int, int] = dataclasses.field(default_factory=dict)
    verdicts: Mapping[int, str] = dataclasses.field(default_factory=dict)
    answers: Mapping[int, str] = dataclasses.field(default_factory=dict)

    @property
    def begun(self) -> bool:
        """Whether there is anything to go on from."""
        return bool(self.codes or self.resolved or self.levels or self.verdicts or self.answers)
