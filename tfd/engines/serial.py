# SPDX-License-Identifier: Apache-2.0
"""The serial engine: one atom at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from tfd import scheduler as machine
from tfd.engines import engine, questions
from tfd.executors import calls
from tfd.scheduler import ChainExecuted, ChainReverted, Code, Event, ExecuteChain, Executed, Reverted
from tfd.types import failure as ft

__all__ = ['SerialEngine']

#: Atoms of a wave that are performed in one step where nothing is recorded in between.
_WINDOW = 500

_NO_ARGUMENTS: dict[str, Any] = {}
_RUNNING, _SUCCESS, _FAILURE = int(Code.RUNNING), int(Code.SUCCESS), int(Code.FAILURE)
_REVERTING, _REVERTED, _REVERT_FAILURE = int(Code.REVERTING), int(Code.REVERTED), int(Code.REVERT_FAILURE)


class SerialEngine(engine.ActionEngine):
    """Runs one atom at a time, in the thread that calls :meth:`run`.

    Where nothing is recorded, and nobody looks at each step, a step comprises all that nothing is to be decided
    between: a wave of atoms, or a chain of tasks. What runs in which order, and who hears of what before what, is the
    same.
    """

    def _how(self) -> machine.Options:
        self._at_once = self._backend is None and not self._stepping
        if self._at_once:
            return dataclasses.replace(self._scheduling, window=_WINDOW, chains=True)
        return self._scheduling

    def _perform(self, commands: Sequence[Any]) -> list[Event]:
        # For all of them together: each call on the way to a task's own code is paid for by every task.
        token = calls.PROGRESS.set(self._publisher.progress)
        try:
            return super()._perform(commands)
        finally:
            calls.PROGRESS.reset(token)

    def _start(self, node: int, reverting: bool, events: list[Event]) -> None:
        ok = self._revert(node) if reverting else self._execute(node)
        events.append(Reverted((node, ok)) if reverting else Executed((node, ok)))

    def _perform_chain(self, command: Any, events: list[Event]) -> None:
        """Perform as much of a chain as succeeds, unless a suspend comes in between."""
        first, last = command
        executing = type(command) is ExecuteChain
        nodes = range(first, last + 1) if executing else range(last, first - 1, -1)
        call = self._execute if executing else self._revert
        plan, storage = self.plan, self._storage
        gates = plan.gates if executing else ()
        ok, told = True, None
        for stop in nodes:
            if self._suspending:
                break
            if stop in gates and stop != first:
                told = questions.answer(storage, plan, stop)
                # Also where that was a yes, and whoever was asked has the flow suspended.
                if told or self._suspending:
                    break
                told = None
            if not (ok := call(stop)):
                break
        else:
            stop = nodes.stop
        events.append(ChainExecuted((first, stop, ok)) if executing else ChainReverted((last, stop, ok)))
        if told is not None:
            events.append(machine.Decided(stop, told))
        if self._suspending:
            self._tell_suspending(events)

    def _execute(self, node: int) -> bool:
        """Call an atom's execute; tell whether it succeeded."""
        plan = self._columns.plan
        self._dispatch(node, _RUNNING)
        value: Any = _NO_ARGUMENTS
        if plan.execute_arguments[node] or plan.kinds[node]:
            value = self._arguments(node, reverting=False)
        if isinstance(value, ft.Failure):
            ok = self._storage.not_called(node, value)
        else:
            if self._ownership is not None:
                self._ownership.check()
            ok = self._storage.executed(node, calls.execute(plan.atoms[node], value))
        if self._at_once:
            self._publisher.end(node, _SUCCESS if ok else _FAILURE)
        return ok

    def _revert(self, node: int) -> bool:
        """Call an atom's revert; tell whether it succeeded."""
        atom = self._columns.plan.atoms[node]
        self._dispatch(node, _REVERTING)
        value = None
        if calls.has_revert(atom) and node not in self._columns.uncalled:
            value = self._arguments(node, reverting=True)
            if self._ownership is not None:
                self._ownership.check()
            if not isinstance(value, ft.Failure):
                value = calls.revert(atom, value)
        ok = self._storage.reverted(node, value)
        if self._at_once:
            self._publisher.end(node, _REVERTED if ok else _REVERT_FAILURE)
        return ok
