# SPDX-License-Identifier: Apache-2.0
"""Chains: tasks that follow one another, with nothing to decide between them.

Where nothing is recorded between two tasks either, one command has all of a chain performed and one event tells how far
that came: the scheduler is asked where there is something to decide. What is decided, and in which order tasks run, is
the same as for one command per task. A chain is an interval of nodes, which are tasks of one scope, each the only one
directly after the one before. Where the link between two has a decider, it is asked on the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfd.plan import model
from tfd.scheduler import vocabulary as v
from tfd.scheduler.vocabulary import Code

if TYPE_CHECKING:
    from tfd.scheduler.machine import Scheduler

__all__ = ['Chains']

_PENDING, _RUNNING, _SUCCESS, _FAILURE = int(Code.PENDING), int(Code.RUNNING), int(Code.SUCCESS), int(Code.FAILURE)
_REVERTING, _REVERTED, _REVERT_FAILURE = int(Code.REVERTING), int(Code.REVERTED), int(Code.REVERT_FAILURE)
_TASK = int(model.Kind.TASK)
#: How many gates a chain goes through while deciders say no: what lies behind is looked at in vain then.
_FEW_GATES = 16


class Chains:
    """The chain that is under way, if any: there is one at most, and nothing else beside it."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._plan = scheduler.plan
        # First and last node of the chain under way.
        self._open: tuple[int, int] | None = None
        # Its targets of deciders; how many there may be: twice as many each time that all have said yes.
        self._gates: list[int] = []
        self._most_gates = _FEW_GATES
        # The target that the last chain stopped at, and what its deciders answered, if they have been asked.
        self._stopped_at = model.NOBODY
        self._told: v.Decided | None = None

    # -- giving out --------------------------------------------------------------------------------

    def give_out(self, entry: int) -> bool:
        """Begin the chain that starts with a node (or ends with it, to be reverted: its complement is given).

        :returns: False where the node is a chain of its own: nothing has changed.
        """
        node = entry if entry >= 0 else ~entry
        state = self._scheduler.state
        if self._plan.kinds[node] != _TASK or state[node] != (_PENDING if entry >= 0 else _SUCCESS):
            return False
        self._gates.clear()
        first, last = (node, self._last_after(node)) if entry >= 0 else (self._first_before(node), node)
        if first == last:
            return False
        self._open = first, last
        state[first:last + 1] = bytes((_RUNNING if entry >= 0 else _REVERTING,)) * (last + 1 - first)
        self._scheduler.step.commands.append(
            v.ExecuteChain((first, last)) if entry >= 0 else v.RevertChain((first, last)))
        return True

    def _last_after(self, node: int) -> int:
        plan, scheduler = self._plan, self._scheduler
        successors, predecessors, kinds, scope_of, gates = (
            plan.successors, plan.predecessors, plan.kinds, plan.scope_of, plan.gates)
        state, queued, scope = scheduler.state, scheduler.queued, scope_of[node]
        following = node + 1
        while (successors[node] == (following,) and len(predecessors[following]) == 1 and kinds[following] == _TASK
               and scope_of[following] == scope and not state[following] and not queued[following]
               and (following not in gates or self._goes_through(following))):
            node = following
            following += 1
        return node

    def _goes_through(self, target: int) -> bool:
        """Add a target to the gates of the chain, unless its deciders have to be asked, or not asked, by themselves."""
        if (len(self._gates) == self._most_gates or target in self._scheduler.answered
                or self._plan.gates[target].sources != (target - 1,)):
            return False
        self._gates.append(target)
        return True

    def _first_before(self, node: int) -> int:
        plan, scheduler = self._plan, self._scheduler
        successors, predecessors, kinds = plan.successors, plan.predecessors, plan.kinds
        state, queued, undone_under = scheduler.state, scheduler.queued, scheduler.rollback.undone_under
        scope, before = undone_under(node), node - 1
        while (predecessors[node] == (before,) and len(successors[before]) == 1 and kinds[before] == _TASK
               and state[before] == _SUCCESS and not queued[before] and undone_under(before) == scope):
            node = before
            before -= 1
        return node

    # -- their ends --------------------------------------------------------------------------------

    def executed(self, event: v.ChainExecuted) -> list[int]:
        """Take the end of a chain; return the nodes whose ends have consequences.

        :raises ValueError: no such chain is under way.
        """
        first, stop, ok = event
        last = self._close(first, _RUNNING)
        scheduler = self._scheduler
        state = scheduler.state
        state[first:last + 1] = bytes((_SUCCESS,)) * (stop - first) + bytes(last + 1 - stop)
        # Those behind the first have counted the ones before them as done; the one that did not begin is still to.
        counted = stop if ok else stop + 1
        self._stopped_at = model.NOBODY
        if self._gates:
            self._pass_gates(stop, counted)
        scheduler.waiting[first + 1:counted] = [0] * (counted - first - 1)
        if stop > first:
            scheduler.step.transitions.append(v.MovedAll((first, stop - 1, _SUCCESS)))
        if not ok:
            scheduler.move(stop, _FAILURE)
            return [stop]
        return [stop - 1] if stop > first else []

    def _pass_gates(self, stop: int, counted: int) -> None:
        """Take the gates before ``counted`` as passed: their deciders have said yes."""
        passed = [target for target in self._gates if target < counted]
        self._scheduler.answered.update(passed)
        if passed:
            self._scheduler.step.transitions.append(v.GatedAll((tuple(passed),)))
        all_passed = len(passed) == len(self._gates)
        self._most_gates = 2 * self._most_gates if all_passed else _FEW_GATES
        if stop == counted and not all_passed and stop in self._gates:
            self._stopped_at = stop

    def decided(self, event: v.Decided) -> bool:
        """Keep the answer of the deciders that the last chain stopped at, until what is before them is followed up.

        :returns: False where that is another one: nothing has changed.
        """
        if event.target != self._stopped_at:
            return False
        self._stopped_at, self._told = model.NOBODY, event
        return True

    def told(self, target: int) -> v.Decided | None:
        """Return, once, the answer that was kept for a target."""
        told = self._told
        if told is None or told.target != target:
            return None
        self._told = None
        return told

    def reverted(self, event: v.ChainReverted) -> list[int]:
        """Take the end of a chain that was reverted; return the nodes whose ends have consequences.

        :raises ValueError: no such chain is under way.
        """
        last, stop, ok = event
        scheduler = self._scheduler
        first = self._close(last, _REVERTING)
        state = scheduler.state
        state[first:last + 1] = bytes((_SUCCESS,)) * (stop + 1 - first) + bytes((_REVERTED,)) * (last - stop)
        ends = []
        if stop < last:
            scheduler.rollback.pass_over(stop + 2, last)
            scheduler.step.transitions.append(v.MovedAll((stop + 1, last, _REVERTED)))
            ends.append(stop + 1)
        if not ok:
            scheduler.move(stop, _REVERT_FAILURE)
            ends.append(stop)
        return ends

    def _close(self, begin: int, expected: int) -> int:
        """Return the other end of the chain under way, which is not any more."""
        chain = self._open
        forward = expected == _RUNNING
        if chain is None or chain[0 if forward else 1] != begin or self._scheduler.state[begin] != expected:
            raise ValueError(f'no chain that begins with node {begin} is {v.STATE_NAMES[expected]}')
        self._open = None
        return chain[1 if forward else 0]
