# SPDX-License-Identifier: Apache-2.0
"""Where tfd means to do otherwise than TaskFlow, each with the decision that says so.

A rule takes what is known to differ, and nothing else, out of two traces of one spec. What differs after all of them
is a mistake, unless the two have parted (:mod:`tests.oracle.partings`).
"""

from __future__ import annotations

import collections
import copy
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from tests.oracle import play
from tests.reference.spec import FlowSpec, Spec

__all__ = ['RULES', 'Case', 'Rule', 'is_misread', 'is_note', 'members']

_Entry = list[Any]


@dataclasses.dataclass(slots=True)
class Case:
    """Two traces of one spec, which the rules bring closer."""

    spec: Spec
    kind: str
    theirs: play.Trace
    ours: play.Trace

    def __post_init__(self) -> None:
        self.theirs, self.ours = copy.deepcopy(self.theirs), copy.deepcopy(self.ours)

    def state_of(self, name: str) -> str | None:
        """Return the state in which tfd left an atom; None where the flow was not begun."""
        state: str | None = self.ours.get('states', {}).get(name)
        return state

    def both(self, what: str) -> Iterator[tuple[str, Any, Any]]:
        """Yield ``(atom, theirs, ours)`` of one of the tables that there are at the end."""
        theirs, ours = self.theirs.get(what, {}), self.ours.get(what, {})
        for name in {**theirs, **ours}:
            yield name, theirs.get(name), ours.get(name)


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """A known difference.

    :ivar decision: the page that says why, in ``doc/source/contributor/adr``.
    :ivar apply: takes the difference out; tells whether there was one.
    """

    name: str
    decision: str
    apply: Callable[[Case], bool]


def is_note(entry: _Entry, old: str = '', new: str = '') -> bool:
    """Tell whether an entry is a notification, and of these states if they are given."""
    return entry[0] == 'note' and old in ('', entry[2]) and new in ('', entry[3])


def _asked_again(case: Case) -> bool:
    """TaskFlow asks what it had asked before a suspend again when it goes on."""
    entries = case.theirs['entries']
    case.theirs['entries'] = [entry for entry in entries if not (entry[0] == 'call' and entry[7] == 'again')]
    return len(entries) > len(case.theirs['entries'])


def _reverted_unbegun(case: Case) -> bool:
    """TaskFlow reverts an atom that was ready, and was not called, when another one failed."""
    ghosts: set[str] = set()
    kept: list[_Entry] = []
    for entry in case.theirs['entries']:
        if is_note(entry, 'PENDING', 'REVERTING'):
            ghosts.add(entry[1])
        at = {'note': 1, 'call': 2}.get(entry[0])
        if at is None or entry[at] not in ghosts:
            kept.append(entry)
        elif is_note(entry, new='PENDING'):
            ghosts.remove(entry[1])
    met = len(kept) < len(case.theirs['entries'])
    case.theirs['entries'] = kept
    for name in ghosts:
        if case.theirs.get('states', {}).get(name) == 'REVERTED':
            case.theirs['states'][name] = 'PENDING'
            case.theirs['reverts'][name] = ['NotFound']
    return met


def _intentions(case: Case) -> bool:
    """TaskFlow keeps an intention for each atom; tfd keeps verdicts, and tells of an atom what its own state says."""
    met = False
    for name, theirs, ours in case.both('intentions'):
        if theirs in ('REVERT', 'RETRY') and case.state_of(name) in _TOLD_BY_STATE.get(ours, ()):
            case.theirs['intentions'][name] = ours
            met = True
    return met


_TOLD_BY_STATE = {'EXECUTE': ('PENDING', 'SUCCESS', 'FAILURE'), 'IGNORE': ('IGNORE',)}


def _histories(case: Case) -> bool:
    """TaskFlow forgets the history of a retry that is reverted."""
    met = False
    for name, theirs, ours in case.both('histories'):
        if theirs == [] and ours and case.state_of(name) in ('REVERTED', 'REVERT_FAILURE'):
            case.theirs['histories'][name] = ours
            met = True
    return met


def _left_behind(case: Case) -> bool:
    """TaskFlow forgets the result of an atom whose revert failed."""
    met = False
    for name, theirs, ours in case.both('results'):
        if theirs == ['NotFound'] and ours is not None and case.state_of(name) == 'REVERT_FAILURE':
            case.theirs['results'][name] = ours
            met = True
    symbols = {
        symbol for symbol, name in _provided(case.spec) if case.state_of(name) == 'REVERT_FAILURE'}
    for symbol, theirs, ours in list(case.both('symbols')):
        if theirs is None and symbol in symbols:
            case.theirs['symbols'][symbol] = ours
            met = True
    return met


class _Failures:
    """What has failed up to some place of TaskFlow's trace.

    :ivar overcome: texts of failures whose atoms were reset since.
    :ivar late: those that came to light while another one was known.
    """

    def __init__(self) -> None:
        self.overcome: set[str] = set()
        self.late: set[str] = set()
        self._current: dict[str, str] = {}

    def take(self, entry: _Entry) -> None:
        """Go on by one entry."""
        if entry[0] != 'note':
            return
        _, name, _, new, result = entry
        if new == 'FAILURE' and result is not None:
            if self._current:
                self.late.add(result)
            self._current[name] = result
        elif new == 'PENDING' and name in self._current:
            self.overcome.add(self._current.pop(name))

    def explain(self, theirs: set[str], ours: set[str]) -> bool:
        """Tell whether two sets of failures differ, and in nothing but these."""
        return theirs != ours and theirs - ours <= self.overcome and ours - theirs <= self.late


def _same_wave(case: Case) -> bool:
    """TaskFlow's serial engine tells reverts of no failure of the wave that they are in themselves."""
    met = False
    unseen: set[str] = set()
    for entry, other in _reverts_of_tasks(case, unseen):
        texts = {text for _, text in entry[4][1]}
        kept = [[name, text] for name, text in other[4][1] if text in texts or text not in unseen]
        met |= len(kept) < len(other[4][1])
        other[4][1] = kept
    return met


def _reverts_of_tasks(case: Case, unseen: set[str]) -> Iterator[tuple[_Entry, _Entry]]:
    """Yield each revert of a task in both traces; keep up to date which failures TaskFlow has not looked at by then."""
    ours = {tuple(entry[1:4]): entry for entry in case.ours['entries'] if entry[0] == 'call'}
    for entry in case.theirs['entries']:
        if is_note(entry, new='FAILURE'):
            unseen.discard(entry[4])
        elif entry[0] == 'call' and entry[1] == 'execute' and not entry[5]:
            unseen.add(entry[6])
        elif entry[0] == 'call' and entry[1] == 'revert' and not entry[7] and entry[2].startswith('t'):
            other = ours.get(tuple(entry[1:4]))
            if other is not None:
                yield entry, other


def _flow_failures(case: Case) -> bool:
    """TaskFlow forgets no failure; one that comes while its atom is to be reverted it does not tell reverts of."""
    met = False
    failures = _Failures()
    others = {id(entry): other for entry, other in _reverts_of_tasks(case, set())}
    for entry in case.theirs['entries']:
        failures.take(entry)
        if other := others.get(id(entry)):
            texts, expected = ({text for _, text in one[4][1]} for one in (entry, other))
            if failures.explain(texts, expected):
                entry[4][1] = other[4][1]
                met = True
    return _raised(case, failures) or met


def _raised(case: Case, failures: _Failures) -> bool:
    """The same, of what is there at the end."""
    theirs, ours = case.theirs, case.ours
    if 'failures' not in theirs or 'failures' not in ours:
        return False
    met = False
    # What fails while it is to be reverted TaskFlow counts as a failure of its revert.
    for name, text in list(theirs['revert failures'].items()):
        if text in failures.late:
            del theirs['revert failures'][name]
            theirs['failures'][name] = text
            met = True
    for name, text, other in list(case.both('failures')):
        if text != other and (text in failures.overcome or (text is None and other in failures.late)):
            theirs['failures'][name] = other
            met = True
    theirs['failures'] = {name: text for name, text in theirs['failures'].items() if text is not None}
    for what in ('results', 'symbols'):
        for name, text, other in list(case.both(what)):
            if isinstance(text, str) and text in failures.overcome and other in (None, ['NotFound']):
                theirs[what][name] = other
                met = True
    raised, expected = members(theirs['error']), members(ours['error'])
    if failures.explain(raised, expected):
        theirs['error'] = ours['error']
        met = True
    return met


def members(error: Any) -> set[str]:
    """Return the texts of the failures that were raised."""
    if error is None:
        return set()
    return set(error[2]) if error[0] == 'WrappedFailure' else {error[1]}


def _symbols(case: Case) -> bool:
    """TaskFlow hides a name of which one provider, or the input behind it, has no value."""
    providers = collections.Counter(symbol for symbol, _ in _provided(case.spec))
    met = False
    for name, theirs, ours in list(case.both('symbols')):
        if theirs is None and ours is not None and providers[name] > 1:
            case.theirs['symbols'][name] = ours
            met = True
    return met


def _provided(spec: Spec) -> Iterator[tuple[str, str]]:
    """Yield the name of each thing that is provided, and the atom that provides it: '' of an input."""
    yield from ((symbol, '') for symbol in spec.store)
    flows = [spec.flow]
    while flows:
        flow = flows.pop()
        parts = [flow.retry] if flow.retry is not None else []
        for part in (*parts, *flow.children):
            if isinstance(part, FlowSpec):
                flows.append(part)
            elif part.provides:
                yield part.provides, part.name


def _misread(case: Case) -> bool:
    """TaskFlow misreads the history of a retry in a stored logbook: a failure stands where the result was."""
    ours = {tuple(entry[1:4]): entry for entry in case.ours['entries'] if entry[0] == 'call'}
    pairs = [
        (entry[4], ours[tuple(entry[1:4])][4]) for entry in case.theirs['entries']
        if entry[0] == 'call' and entry[2].startswith('r') and tuple(entry[1:4]) in ours]
    pairs += [(theirs, other) for _, theirs, other in case.both('histories') if theirs and other]
    met = False
    for theirs, other in pairs:
        for attempt, known in zip(theirs, other, strict=False):
            if is_misread(attempt):
                attempt[0] = known[0]
                met = True
    return met


def is_misread(attempt: Any) -> bool:
    """Tell whether a failure stands where the result of an attempt was."""
    return isinstance(attempt[0], dict) and 'exc_type_names' in attempt[0]


def _decided_at_rest(case: Case) -> bool:
    """TaskFlow asks deciders on its way into a suspend; where nothing is left after that it ends instead."""
    entries = case.ours['entries']
    theirs = [entry for entry in case.theirs['entries'] if entry[0] == 'flow']
    rests = [place for place, entry in enumerate(entries) if entry == ['flow', 'SUSPENDING', 'SUSPENDED']]
    if not rests or not theirs or theirs[-1][1] != 'SUSPENDING' or theirs[-1][2] == 'SUSPENDED':
        return False
    after = entries[rests[-1] + 1:]
    if any(entry[0] == 'call' and entry[1] != 'decide' for entry in after) or after[-1][:2] != ['flow', 'RUNNING']:
        return False
    kept = [entry for entry in after[:-1] if entry[0] not in ('flow', 'life')]
    case.ours['entries'] = [*entries[:rests[-1]], *kept, ['flow', 'SUSPENDING', after[-1][2]]]
    return True


RULES: tuple[Rule, ...] = (
    Rule('asked again', 'the-scheduler-asks-by-command', _asked_again),
    Rule('reverted, never begun', 'failures-are-judged-first', _reverted_unbegun),
    Rule('history misread', 'a-history-survives-its-logbook', _misread),
    Rule('deciders asked on the way to a rest', 'suspend-withdraws-the-wave', _decided_at_rest),
    Rule('name with several providers', 'what-is-provided-is-shown', _symbols),
    Rule('intentions', 'the-scheduler-asks-by-command', _intentions),
    Rule('history of what is reverted', 'overcome-failures-are-forgotten', _histories),
    Rule('failures of the same wave', 'the-serial-engine-runs-waves', _same_wave),
    Rule('failures that were overcome', 'overcome-failures-are-forgotten', _flow_failures),
    Rule('result of what cannot be reverted', 'a-failed-revert-stops-everything', _left_behind),
)
