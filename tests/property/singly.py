# SPDX-License-Identifier: Apache-2.0
"""Shows a run whose steps comprise several calls as if each call had a step of its own.

The serial engine takes a wave, or a chain, in one step where nothing is recorded: what it does must be what it would do
one by one. So that is what it is compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from typing import Any

from tfd import scheduler as machine

__all__ = ['Singly']

_Call = machine.Execute | machine.Revert | machine.Decide
_QUESTIONS = (machine.Ask, machine.Decide)


class Singly:
    """Cuts steps and events into those of single calls.

    :param took: told of each event; :param gave: of each step.
    :param succeeded: tells whether the latest call of ``(kind, node)`` did.
    :param gates: the targets of deciders.
    """

    def __init__(
        self, took: Callable[[machine.Event], None], gave: Callable[[machine.Step], None],
        succeeded: Callable[[str, int], bool], gates: Container[int],
    ) -> None:
        self._took, self._gave, self._succeeded, self._gates = took, gave, succeeded, gates
        self._left: list[_Call] = []
        self._current: _Call | None = None
        self._shown: set[machine.Moved | machine.Gated] = set()

    def gave(self, step: machine.Step) -> None:
        """Take a step of the scheduler."""
        calls = [call for command in step.commands for call in _calls(command, self._gates)]
        questions = [command for command in step.commands if isinstance(command, _QUESTIONS)]
        later = {call.node for call in calls[1:] if not isinstance(call, machine.Decide)}
        moves = [
            item for item in _single_moves(step.transitions)
            if not isinstance(item, machine.Moved | machine.Gated) or not self._is_shown(item, later)]
        if calls and not any(item in _start(calls[0]) for item in moves):
            moves += _start(calls[0])
        self._shown = set()
        self._left = calls[1:]
        self._current = calls[0] if calls else None
        self._gave(machine.Step(moves, [*calls[:1], *questions], step.final))

    def _is_shown(self, item: machine.Moved | machine.Gated, later: set[int]) -> bool:
        if isinstance(item, machine.Moved) and item.code in (machine.Code.RUNNING, machine.Code.REVERTING):
            return item.node in later
        return item in self._shown

    def reaches(self, kind: str, node: int | None) -> None:
        """Take that an atom is called: what was given before it has ended.

        :param node: None: the next one of that kind; a decider does not know whose it is.
        """
        while self._current is not None and not (
                _kind(self._current) == kind and node in (None, _node(self._current))):
            self._go_on()

    def _go_on(self) -> None:
        """Show the end of the present call, and the begin of the next."""
        call = self._current
        assert call is not None
        end = self._end(call)
        self._took(end)
        self._shown.add(_move(end))
        self._current = self._left.pop(0)
        self._gave(machine.Step([_move(end), *_start(self._current)], [self._current]))

    def _end(self, call: _Call) -> machine.Event:
        if isinstance(call, machine.Decide):
            return machine.Decided(call.target, '')
        ok = self._succeeded(_kind(call), call.node)
        return machine.Executed((call.node, ok)) if isinstance(call, machine.Execute) else machine.Reverted(
            (call.node, ok))

    def takes(self, events: list[machine.Event]) -> None:
        """Take the events that the scheduler is told."""
        ended = [end for event in events for end in _ends(event)]
        if ended:
            self.reaches(_kind(ended[-1]), _node(ended[-1]))
            self._took(ended[-1])
        for event in events:
            if isinstance(event, machine.Suspended):
                waits = () if ended or self._current is None else (_node(self._current),)
                self._took(machine.Suspended(waits))
            elif not list(_ends(event)) and not _is_chain(event):
                self._took(event)


def _kind(item: Any) -> str:
    if isinstance(item, machine.Decide | machine.Decided):
        return 'decide'
    return 'execute' if isinstance(item, machine.Execute | machine.Executed) else 'revert'


def _node(item: Any) -> int:
    found: int = item.target if _kind(item) == 'decide' else item.node
    return found


def _calls(command: Any, gates: Container[int]) -> Iterator[_Call]:
    match command:
        case machine.Execute() | machine.Revert():
            yield command
        case machine.ExecuteChain(first, last):
            for node in range(first, last + 1):
                if node != first and node in gates:
                    yield machine.Decide(node)
                yield machine.Execute((node,))
        case machine.RevertChain(first, last):
            yield from (machine.Revert((node,)) for node in range(last, first - 1, -1))


def _ends(event: Any) -> Iterator[Any]:
    match event:
        case machine.Executed() | machine.Reverted() | machine.Decided():
            yield event
        case machine.ChainExecuted(first, stop, ok):
            yield from (machine.Executed((node, True)) for node in range(first, stop))
            if not ok:
                yield machine.Executed((stop, False))
        case machine.ChainReverted(last, stop, ok):
            yield from (machine.Reverted((node, True)) for node in range(last, stop, -1))
            if not ok:
                yield machine.Reverted((stop, False))


def _is_chain(event: Any) -> bool:
    return isinstance(event, machine.ChainExecuted | machine.ChainReverted)


def _start(call: _Call) -> list[machine.Moved]:
    if isinstance(call, machine.Decide):
        return []
    code = machine.Code.RUNNING if isinstance(call, machine.Execute) else machine.Code.REVERTING
    return [machine.Moved((call.node, int(code)))]


def _move(end: Any) -> machine.Moved | machine.Gated:
    if isinstance(end, machine.Decided):
        return machine.Gated(end.target, 'yes')
    if isinstance(end, machine.Executed):
        return machine.Moved((end.node, int(machine.Code.SUCCESS if end.ok else machine.Code.FAILURE)))
    return machine.Moved((end.node, int(machine.Code.REVERTED if end.ok else machine.Code.REVERT_FAILURE)))


def _single_moves(transitions: list[Any]) -> Iterator[Any]:
    for item in transitions:
        if isinstance(item, machine.MovedAll):
            yield from (machine.Moved((node, item.code)) for node in range(item.first, item.last + 1))
        elif isinstance(item, machine.GatedAll):
            yield from (machine.Gated(target, 'yes') for target in item.targets)
        else:
            yield item
