# SPDX-License-Identifier: Apache-2.0
"""Lets tfd make the choices that TaskFlow was seen to make.

TaskFlow walks sets: which of several ready atoms it calls first, and whose end it looks at first, varies from run to
run. tfd's own order is by place in the flow. What either order leads to is right, and may differ, where a retry
answers by what it was asked before. So tfd's scheduler is given TaskFlow's order among what is ready, and only that:
what is not ready cannot be chosen, and what is must be.
"""

from __future__ import annotations

import collections
from typing import Any

from tests.oracle import play
from tests.reference.shape import Shape
from tests.reference.spec import Spec
from tfd import scheduler as machine

__all__ = ['Follower', 'Order']

_LAST = 1 << 30

_Key = tuple[str, str, int]


class Order:
    """When TaskFlow made each call, by kind, atom and number; when it looked at the end of each; where suspended."""

    def __init__(self, trace: play.Trace) -> None:
        self.begins: dict[_Key, int] = {}
        self.ends: dict[_Key, int] = {}
        self.suspends: set[_Key] = set()
        numbers: collections.Counter[tuple[str, str]] = collections.Counter()
        last: _Key | None = None
        for place, entry in enumerate(trace['entries']):
            if entry[0] == 'call' and not entry[7]:
                _, kind, name, number, *_ = entry
                self.begins[kind, name, number] = place
                numbers[kind, name] = number
                if kind in ('execute', 'revert'):
                    last = kind, name, number
            elif entry[0] == 'note' and entry[3] in play.ENDS:
                kind = play.ENDS[entry[3]]
                self.ends.setdefault((kind, entry[1], numbers[kind, entry[1]]), place)
            elif entry[0] == 'suspend' and last is not None:
                self.suspends.add(last)


class Follower(play.Player):
    """Plays a spec with tfd, in the order of a trace of TaskFlow's."""

    def __init__(self, spec: Spec, kind: str, trace: play.Trace) -> None:
        super().__init__(spec, 'tfd', kind)
        self.order = Order(trace)
        self._shape = Shape(spec.flow)

    def loaded(self) -> None:
        """Have the engine begin with a scheduler that follows, and make a call where it would wait for one."""
        begin, wait = self.engine._begin, self.engine._wait

        def begin_following() -> machine.Scheduler:
            plain = begin()
            return _Following(self, plain.plan, plain.options, plain._progress)

        def step_and_wait(timeout: float | None) -> Any:
            self.executor.step()
            return wait(timeout)

        self.engine._begin, self.engine._wait = begin_following, step_and_wait

    def live(self) -> None:
        """Run once."""
        self.engine.run()

    def called(self, kind: str, name: str, number: int) -> None:
        """Suspend where TaskFlow did."""
        key = (kind, name, number)
        if key in self.spec.suspends_in or (self.kind == 'serial' and key in self.order.suspends):
            self.suspend()

    def begin_of(self, kind: str, name: str) -> int:
        """Return when TaskFlow made what is the next such call here."""
        return self.order.begins.get((kind, name, self.script.calls[kind, name] + 1), _LAST)

    def end_of(self, kind: str, name: str) -> int:
        """Return when TaskFlow looked at the end of what was the last such call here."""
        return self.order.ends.get((kind, name, self.script.calls[kind, name]), _LAST)

    def asked_of(self, name: str) -> int:
        """Return when TaskFlow asks next what stands before an atom."""
        return min((self.begin_of('decide', decider.link) for decider in self._shape.deciders[name]), default=_LAST)


class _Following(machine.Scheduler):
    def __init__(self, follower: Follower, plan: Any, options: Any, progress: Any) -> None:
        super().__init__(plan, options, progress)
        self._follower = follower

    def _name(self, node: int) -> str:
        return str(self.plan.atoms[node].name)

    def _advance(self) -> None:
        self._done.sort(key=self._end_of)
        self._failed.sort(key=self._end_of)
        super()._advance()

    def _end_of(self, node: int) -> int:
        state = machine.vocabulary.STATE_NAMES[self.state[node]]
        return self._follower.end_of(play.ENDS[state], self._name(node))

    def _join_wave(self) -> None:
        super()._join_wave()
        self._wave = collections.deque(sorted(self._wave, key=self._begin_of))

    def _begin_of(self, entry: int) -> int:
        node = entry if entry >= 0 else ~entry
        return self._follower.begin_of('execute' if entry >= 0 else 'revert', self._name(node))

    def _ask_gate(self) -> bool:
        self._gates = collections.deque(sorted(self._gates, key=lambda node: self._follower.asked_of(self._name(node))))
        return super()._ask_gate()
