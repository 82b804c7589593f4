# SPDX-License-Identifier: Apache-2.0
"""Where TaskFlow does what tfd never does, so that what comes after cannot be the same.

Each is a decision of tfd's too. Up to the place where the two part everything is compared.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from tests.oracle import play
from tests.oracle.rules import is_misread, is_note, members
from tests.reference.shape import Shape
from tests.reference.spec import Spec

__all__ = ['PARTINGS', 'Parting']

_Entry = list[Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Parting:
    """What TaskFlow does and tfd never does, with other consequences.

    :ivar find: returns the place of it in the entries of TaskFlow's trace, None where it is not there.
    :ivar luck: whether it is a matter of luck: another run of TaskFlow's may go without it.
    """

    name: str
    decision: str
    find: Callable[[Spec, play.Trace], int | None]
    luck: bool = False


def _judge_raised(spec: Spec, theirs: play.Trace) -> int | None:
    """TaskFlow stops where a retry or a decider raises."""
    raised, entries = members(theirs['error']), theirs['entries']
    for place, entry in enumerate(entries):
        if entry[0] == 'call' and entry[1] in ('ask', 'decide') and not entry[5]:
            text = entry[6] if entry[1] == 'ask' else f'{entry[2]}?{entry[3]}'
            if text in raised:
                return place + 1 if entry[1] == 'ask' else _first_asked(entries, place)
    return None


def _first_asked(entries: list[_Entry], place: int) -> int:
    """Return where the first of the deciders of one atom is asked: in which order they are varies."""
    while entries[place - 1][1:2] == ['decide'] and entries[place - 1][4] == entries[place][4]:
        place -= 1
    return place


def _never_begun(spec: Spec, theirs: play.Trace) -> int | None:
    """TaskFlow reverts what was ready and was not called; what is before that has to wait for it."""
    places = (place for place, entry in enumerate(theirs['entries']) if is_note(entry, 'PENDING', 'REVERTING'))
    return next(places, None)


def _asked_early(spec: Spec, theirs: play.Trace) -> int | None:
    """TaskFlow asks a decider, and then looks at a failure that came with the end of what the decider stands after."""
    asked: int | None = None
    for place, entry in enumerate(theirs['entries']):
        if entry[0] == 'note' and entry[3] in ('RUNNING', 'REVERTING'):
            asked = None
        elif entry[0] == 'call' and entry[1] == 'decide' and asked is None:
            asked = place
        elif asked is not None and is_note(entry, new='FAILURE'):
            return asked
    return None


def _suspended_within(spec: Spec, theirs: play.Trace) -> int | None:
    """TaskFlow drains the wave in which a suspend is asked for."""
    entries = theirs['entries']
    for place, entry in enumerate(entries):
        if entry[0] == 'suspend' and any(
                one[0] == 'call' and one[1] in ('execute', 'revert') for one in _to_its_rest(entries[place:])):
            return place
    return None


def _to_its_rest(entries: list[_Entry]) -> Iterator[_Entry]:
    for entry in entries:
        if entry[0] == 'flow' and entry[2] != 'SUSPENDING':
            return
        yield entry


def _reset_outside(spec: Spec, theirs: play.Trace) -> int | None:
    """TaskFlow resets what comes after the scope of a retry too, also what another decider ignored."""
    members = Shape(spec.flow).members
    scope: set[str] = set()
    for place, entry in enumerate(theirs['entries']):
        if is_note(entry, new='RETRYING'):
            scope = members[entry[1]]
        elif is_note(entry, 'IGNORE', 'PENDING') and entry[1] not in scope:
            return place
    return None


def _halted(spec: Spec, theirs: play.Trace) -> int | None:
    """TaskFlow comes to a halt before the end, and fails to call that a suspend."""
    if theirs['flow'] == 'RUNNING' and theirs['error'] is not None and theirs['error'][0] == 'InvalidState':
        return len(theirs['entries'])
    return None


def _unasked(spec: Spec, theirs: play.Trace) -> int | None:
    """TaskFlow asks a retry that was ignored, which breaks the engine: once for each failure of a wave."""
    error = theirs['error']
    if error is None:
        return None
    several = error[0] == 'WrappedFailure' and all('most recent retry' in text for text in error[-1])
    if not several and 'StorageFailure' not in error:
        return None
    scopes = Shape(spec.flow).scopes
    ignored: set[str] = set()
    for place, entry in enumerate(theirs['entries']):
        if is_note(entry, new='IGNORE'):
            ignored.add(entry[1])
        elif is_note(entry, new='FAILURE') and not ignored.isdisjoint(scopes[entry[1]]):
            return place
    return None


def _ignored_first(spec: Spec, theirs: play.Trace) -> int | None:
    """TaskFlow begins what follows the first atoms a wave late where a decider ignores those."""
    for place, entry in enumerate(theirs['entries']):
        if entry[0] == 'call':
            return place if entry[1] == 'decide' else None
    return None


def _not_bound(spec: Spec, theirs: play.Trace) -> int | None:
    """TaskFlow stops where an argument cannot be found."""
    if theirs['error'] is None or theirs['error'][0] != 'NotFound':
        return None
    begun: dict[str, int] = {}
    for place, entry in enumerate(theirs['entries']):
        if entry[0] == 'call':
            begun.pop(entry[2], None)
        elif entry[0] == 'note' and entry[3] in ('RUNNING', 'REVERTING'):
            begun[entry[1]] = place
    return min(begun.values(), default=None)


def _misread_first(spec: Spec, theirs: play.Trace) -> int | None:
    """TaskFlow's retry decides by a history that was misread."""
    for place, entry in enumerate(theirs['entries']):
        if entry[0] == 'call' and entry[2].startswith('r') and entry[4] and any(map(is_misread, entry[4])):
            return place
    return None


PARTINGS: tuple[Parting, ...] = (
    Parting('a judge raised', 'errors-of-judges-are-failures', _judge_raised),
    Parting('argument that cannot be found', 'arguments-that-cannot-be-bound', _not_bound),
    Parting('decided by what was misread', 'a-history-survives-its-logbook', _misread_first),
    Parting('suspended within a wave', 'suspend-withdraws-the-wave', _suspended_within),
    Parting('reset what comes after', 'a-forgotten-answer-ignores-nothing', _reset_outside),
    Parting('waited for what never began', 'failures-are-judged-first', _never_begun, luck=True),
    Parting('asked before a failure was seen', 'failures-are-judged-first', _asked_early, luck=True),
    Parting('came to a halt', 'what-is-ignored-blocks-nothing', _halted, luck=True),
    Parting('asked what is ignored', 'what-is-ignored-blocks-nothing', _unasked),
    Parting('ignored what comes first', 'what-is-ignored-blocks-nothing', _ignored_first),
)
