# SPDX-License-Identifier: Apache-2.0
"""What the scheduler is told, what it answers, and what it writes down.

Events are past participles, commands imperatives. Nodes and scopes are indices into the plan.
"""

from __future__ import annotations

import dataclasses
import enum
import operator
from collections.abc import Mapping
from typing import Any, NamedTuple

from tfd import states

__all__ = [
    'Answered', 'Ask', 'Asked', 'ChainExecuted', 'ChainReverted', 'Code', 'Command', 'Decide', 'Decided', 'Event',
    'Execute', 'ExecuteChain', 'Executed', 'Gated', 'GatedAll', 'Judged', 'Moved', 'MovedAll', 'Options', 'Progress',
    'Resolved', 'Revert', 'RevertChain', 'Reverted', 'Step', 'Suspended', 'Transition',
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


class _Made(tuple[Any, ...]):
    """A tuple with names for its elements, made of a tuple: ``Moved((node, code))``.

    For what there are several of per atom. A NamedTuple takes four times as long to make, which was a fifth of what a
    task cost.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f'{type(self).__name__}({super().__repr__()})'


def _element(at: int) -> Any:
    return property(operator.itemgetter(at))


# -- events ----------------------------------------------------------------------------------------


class Executed(_Made):
    """An atom's execute came to its end: ``(node, ok)``."""

    __slots__ = ()
    __match_args__ = ('node', 'ok')
    node: int = _element(0)
    ok: bool = _element(1)


class Reverted(_Made):
    """An atom's revert came to its end: ``(node, ok)``."""

    __slots__ = ()
    __match_args__ = ('node', 'ok')
    node: int = _element(0)
    ok: bool = _element(1)


class ChainExecuted(_Made):
    """A chain came to its end: ``(first, stop, ok)``.

    Its tasks before ``stop`` have succeeded. ``stop`` failed, or, where that is ``ok``, did not begin: it lies behind
    the chain, or the flow is to be suspended, or its deciders were asked: then :class:`Decided` is the next event. The
    deciders of those before it, and of one that failed, have said yes.
    """

    __slots__ = ()
    __match_args__ = ('first', 'stop', 'ok')
    first: int = _element(0)
    stop: int = _element(1)
    ok: bool = _element(2)


class ChainReverted(_Made):
    """A chain came to the end of its reverting: ``(last, stop, ok)``; the same from the last node to the first."""

    __slots__ = ()
    __match_args__ = ('last', 'stop', 'ok')
    last: int = _element(0)
    stop: int = _element(1)
    ok: bool = _element(2)


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


Event = Executed | Reverted | ChainExecuted | ChainReverted | Answered | Decided | Suspended


# -- commands --------------------------------------------------------------------------------------


class Execute(_Made):
    """Call the atom's execute: ``(node,)``."""

    __slots__ = ()
    __match_args__ = ('node',)
    node: int = _element(0)


class Revert(_Made):
    """Call the atom's revert: ``(node,)``."""

    __slots__ = ()
    __match_args__ = ('node',)
    node: int = _element(0)


class ExecuteChain(_Made):
    """Execute the nodes from first to last, one after the other, as long as each succeeds: ``(first, last)``.

    Those behind the first may have deciders, which are asked before each, and keep it from beginning if they say no.
    """

    __slots__ = ()
    __match_args__ = ('first', 'last')
    first: int = _element(0)
    last: int = _element(1)


class RevertChain(_Made):
    """Revert the nodes from last to first, one after the other, as long as each succeeds: ``(first, last)``."""

    __slots__ = ()
    __match_args__ = ('first', 'last')
    first: int = _element(0)
    last: int = _element(1)


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


Command = Execute | Revert | ExecuteChain | RevertChain | Ask | Decide


# -- transitions -----------------------------------------------------------------------------------


class Moved(_Made):
    """An atom went to a state: ``(node, code)``. Going to PENDING forgets its results, a retry's history too."""

    __slots__ = ()
    __match_args__ = ('node', 'code')
    node: int = _element(0)
    code: int = _element(1)


class MovedAll(_Made):
    """The tasks from first to last went to one state, SUCCESS or REVERTED: ``(first, last, code)``."""

    __slots__ = ()
    __match_args__ = ('first', 'last', 'code')
    first: int = _element(0)
    last: int = _element(1)
    code: int = _element(2)


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


class GatedAll(_Made):
    """The deciders of several targets have said yes: ``(targets,)``."""

    __slots__ = ()
    __match_args__ = ('targets',)
    targets: tuple[int, ...] = _element(0)


Transition = Moved | MovedAll | Resolved | Asked | Judged | Gated | GatedAll


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
    :ivar chains: for an engine that records nothing between two tasks: let one command have a chain of tasks performed
        (:mod:`tfd.scheduler.chains`). Needs the barrier.
    :ivar never_resolve: leave failures as they are: nothing is asked, nothing reverted.
    """

    barrier: bool = True
    window: int = 1
    chains: bool = False
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
