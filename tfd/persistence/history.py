# SPDX-License-Identifier: Apache-2.0
"""The history of a flow: what each of its steps did, in short, and what can be told from that.

A row per step, not per atom: what ended and what began with it travel together. Nobody measures anything for it. How
often an atom was called, and for how long, follows from the rows in which its calls begin and end.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tfd import states
from tfd.persistence.record import Entry, StepRecord

__all__ = ['FLOW', 'JOB', 'Event', 'described', 'events']

#: Whose events are not an atom's.
FLOW, JOB = 'flow', 'job'

#: Events that are kept of one step, failures whose text is, and characters of a text.
_EVENTS = 100
_FAILURES = 20
_TEXT = 300

_encode = json.JSONEncoder(separators=(',', ':')).encode

_FAILURE_OF = {states.FAILURE: 'failure', states.REVERT_FAILURE: 'revert_failure'}
_BEGINS = frozenset((states.RUNNING, states.REVERTING))


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a flow.

    :ivar at: when it was recorded, in seconds since 1970-01-01 UTC, by the clock of whoever did it.
    :ivar owner: who did it: the incarnation that owned the job.
    :ivar epoch: under which claim.
    :ivar seq: the number of the step, the same for all that was recorded together.
    :ivar subject: the name of an atom, :data:`FLOW`, :data:`JOB`, or what was decided about.
    :ivar state: the state that it came to, or the decision.
    :ivar attempt: of an atom: the how many-th call of its kind (execute or revert) this is about, counted over all
        claims as far back as the history goes; 0 for anything else.
    :ivar seconds: how long the call took that has ended, None where none did.
    :ivar text: the type and text of a failure, or a reason; '' otherwise.
    """

    at: float
    owner: str
    epoch: int
    seq: int
    subject: str
    state: str
    attempt: int = 0
    seconds: float | None = None
    text: str = ''


def described(entry: Entry, failure: Callable[[Any], str]) -> str:
    """Return what a step does as a text of bounded length: JSON, for :func:`events`.

    :param failure: returns the stored form of a failure as text.
    """
    found: list[tuple[Any, ...]] = [*_told(entry, failure)]
    if len(found) > _EVENTS:
        found[_EVENTS:] = [('…', f'{len(found) - _EVENTS} more')]
    return _encode(found)


def _told(entry: Entry, failure: Callable[[Any], str]) -> Iterator[tuple[Any, ...]]:
    texts = 0
    for change in entry.changes:
        values = dict(zip(change.columns, change.values, strict=True))
        state = values.get('state')
        if state is None:
            continue
        stored = values.get(_FAILURE_OF.get(state, ''))
        if stored is None or texts == _FAILURES:
            yield change.number, state
        else:
            texts += 1
            yield change.number, state, failure(stored)[:_TEXT]
    for decision in entry.decisions:
        yield decision.subject, decision.answer
    if 'state' in entry.columns:
        yield FLOW, entry.values[entry.columns.index('state')]
    if entry.settlement is not None:
        yield JOB, entry.settlement.state, entry.settlement.reason[:_TEXT]


def events(steps: Sequence[StepRecord], names: Mapping[int, str]) -> list[Event]:
    """Return what happened, in its order.

    :param steps: in the order of their numbers.
    :param names: of the flow's atoms, by their numbers.
    """
    found: list[Event] = []
    calls: dict[tuple[int, str], int] = {}
    begun: dict[int, tuple[float, int, int]] = {}
    for step in steps:
        for subject, state, *text in json.loads(step.what):
            attempt, seconds = 0, None
            if isinstance(subject, int):
                if state in _BEGINS:
                    attempt = calls[subject, state] = calls.get((subject, state), 0) + 1
                    begun[subject] = step.at, step.epoch, attempt
                elif subject in begun:
                    at, epoch, attempt = begun.pop(subject)
                    # Of a call that another claim began it is not known when it ended.
                    seconds = max(0.0, step.at - at) if epoch == step.epoch else None
            found.append(Event(
                step.at, step.owner, step.epoch, step.seq,
                names.get(subject, str(subject)) if isinstance(subject, int) else str(subject),
                str(state), attempt, seconds, str(text[0]) if text else ''))
    return found
