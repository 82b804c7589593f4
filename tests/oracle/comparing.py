# SPDX-License-Identifier: Apache-2.0
"""Compares what TaskFlow and tfd did with one spec."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from tests.oracle import partings, play, rules
from tests.reference.spec import Spec

__all__ = ['Verdict', 'compare']

_LAST = '(nothing more)'


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a comparison.

    :ivar wrong: the differences that no rule knows, as lines of text.
    :ivar met: names of the rules that were met, and of the parting.
    :ivar end: the state in which TaskFlow left the flow.
    :ivar luck: whether another run of TaskFlow's may say more.
    """

    wrong: tuple[str, ...]
    met: frozenset[str]
    end: str
    luck: bool = False


def compare(spec: Spec, kind: str, theirs: play.Trace, ours: play.Trace) -> Verdict:
    """Return how two traces of a spec differ, but for what the rules take out."""
    case = rules.Case(spec, kind, theirs, ours)
    met = {rule.name for rule in rules.RULES if rule.apply(case)}
    wrong = tuple(_differences(case))
    end = str(theirs['flow'])
    if not wrong:
        return Verdict((), frozenset(met), end)
    found = [(place, parting) for parting in partings.PARTINGS
             if (place := parting.find(spec, theirs)) is not None]
    if not found:
        return Verdict(wrong, frozenset(met), end)
    place, parting = min(found, key=lambda one: one[0])
    return Verdict(
        tuple(_begins(spec, kind, theirs, ours, place)), frozenset({*met, parting.name}), end,
        any(parting.luck for _, parting in found))


def _begins(spec: Spec, kind: str, theirs: play.Trace, ours: play.Trace, place: int) -> Iterator[str]:
    """Yield how tfd's trace differs from TaskFlow's up to the place where they part."""
    case = rules.Case(spec, kind, {**theirs, 'entries': theirs['entries'][:place]}, ours)
    for rule in rules.RULES:
        rule.apply(case)
    yield from _sequences(case, parted=True)


def _differences(case: rules.Case) -> Iterator[str]:
    yield from _sequences(case, parted=False)
    theirs, ours = (
        [entry for entry in trace['entries'] if entry[0] in ('flow', 'life')] for trace in (case.theirs, case.ours))
    yield from _first('flow', theirs, ours, False)
    for what in sorted({*case.theirs, *case.ours} - {'entries'}):
        yield from _at_the_end(what, case.theirs.get(what), case.ours.get(what))


def _sequences(case: rules.Case, parted: bool) -> Iterator[str]:
    theirs, ours = (_by_atom(trace['entries']) for trace in (case.theirs, case.ours))
    for name in sorted({*theirs, *(() if parted else ours)}):
        yield from _first(name, theirs.get(name, []), ours.get(name, []), parted)
    # The order of all calls: so whatever ended before another began in one did so in the other.
    yield from _first('order', list(_order(case.theirs['entries'])), list(_order(case.ours['entries'])), parted)


def _at_the_end(what: str, theirs: Any, ours: Any) -> Iterator[str]:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for name in sorted({*theirs, *ours}):
            yield from _at_the_end(f'{what} of {name}', theirs.get(name), ours.get(name))
    elif theirs != ours:
        yield f'{what}: {theirs} in TaskFlow, {ours} in tfd'


def _by_atom(entries: list[list[Any]]) -> dict[str, list[list[Any]]]:
    found: dict[str, list[list[Any]]] = {}
    for entry in entries:
        if entry[0] in ('call', 'note'):
            found.setdefault(entry[2 if entry[0] == 'call' else 1], []).append(entry)
    return found


def _order(entries: list[list[Any]]) -> Iterator[list[Any]]:
    for entry in entries:
        if entry[0] == 'call' and entry[1] != 'decide':
            yield entry[1:4]


def _first(what: str, theirs: list[Any], ours: list[Any], parted: bool) -> Iterator[str]:
    for at in range(len(theirs) if parted else max(len(theirs), len(ours))):
        left = theirs[at] if at < len(theirs) else _LAST
        right = ours[at] if at < len(ours) else _LAST
        if left != right:
            yield f'{what}, its {at + 1}: {left} in TaskFlow, {right} in tfd'
            return
