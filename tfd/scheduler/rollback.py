# SPDX-License-Identifier: Apache-2.0
"""Undoing a scope: every atom after all that came after it, then the scope's retry again or the end.

A node is *undone* once it is REVERTED, or was never begun, or needs no undoing (a join, an IGNOREd atom) and all after
it is undone. An atom whose revert failed is never undone, so what came before it stays. Cost: the edges of what was
begun, not the size of the scope.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfd import states
from tfd.plan import model
from tfd.scheduler.vocabulary import Code

if TYPE_CHECKING:
    from tfd.scheduler.machine import Scheduler

__all__ = ['Rollback']

_PENDING, _RUNNING, _SUCCESS = int(Code.PENDING), int(Code.RUNNING), int(Code.SUCCESS)
_REVERTING, _REVERTED, _REVERT_FAILURE = int(Code.REVERTING), int(Code.REVERTED), int(Code.REVERT_FAILURE)
_IGNORE, _RETRYING = int(Code.IGNORE), int(Code.RETRYING)
_JOIN = int(model.Kind.JOIN)


class Rollback:
    """Which nodes are still to be undone, and how many must be so before each."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._plan = scheduler.plan
        # By node, once something is to be undone: under which scope's verdict (NOBODY: it is not to be), and then how
        # many directly after it are not undone.
        self._scope: list[int] = []
        self._blocked: list[int] = []
        self._left: dict[int, int] = {}
        self._touched: dict[int, list[int]] = {}
        self._controls = {scope.retry: index for index, scope in enumerate(self._plan.scopes)}

    def begin(self, scope: int) -> None:
        """Undo what was begun in a scope; its retry too unless the verdict is RETRY."""
        if not self._scope:
            self._scope = [model.NOBODY] * len(self._plan)
            self._blocked = [0] * len(self._plan)
        touched = self._collect(scope)
        state = self._scheduler.state
        live = [node for node in touched if state[node] != _REVERTED]
        for inner in self._plan.scopes[scope].those_in(self._touched, scope):
            self._abandon(inner)
        self._touched[scope] = touched
        self._left[scope] = len(live)
        blocked, scope_of, predecessors = self._blocked, self._scope, self._plan.predecessors
        for node in live:
            scope_of[node] = scope
            blocked[node] = 0
        for node in live:
            for before in predecessors[node]:
                if scope_of[before] == scope:
                    blocked[before] += 1
        self._undo([node for node in live if not blocked[node]])
        if not live:
            self._scope_is_undone(scope)

    def _abandon(self, scope: int) -> None:
        """Forget the undoing of a scope that has come under another verdict."""
        for node in self._touched.pop(scope):
            self._scope[node] = model.NOBODY
        del self._left[scope]

    def ended(self, node: int) -> None:
        """Take the end of an atom that ran on while its scope was being undone: nothing after it has begun."""
        self._undo([node])

    def undone_under(self, node: int) -> int:
        """Return the scope under whose verdict a node is still to be undone, NOBODY where it is not to be."""
        return self._scope[node]

    def pass_over(self, first: int, last: int) -> None:
        """Take the end of a chain of tasks as undone; what comes before it is undone with the task before ``first``."""
        count = last + 1 - first
        if count:
            self._left[self._scope[last]] -= count
            self._scope[first:last + 1] = [model.NOBODY] * count

    def clear(self, node: int) -> None:
        """Take a node as undone."""
        self._undone([node])

    # -- the walk ----------------------------------------------------------------------------------

    def _collect(self, scope: int) -> list[int]:
        """Return the nodes of a scope that have been touched, and the joins directly behind those.

        They can be reached from the scope's begin through one another: also where the join in between has not been
        passed, or, after a crash, is not known to have been.
        """
        reach, successors, kinds = self._plan.scopes[scope], self._plan.successors, self._plan.kinds
        state, queued, last = self._scheduler.state, self._scheduler.queued, reach.last
        starts = successors[reach.retry] if self._scheduler.judge.verdicts[scope] == states.RETRY else (reach.first,)
        found: dict[int, None] = {}
        ahead = [starts]
        while ahead:
            for node in ahead.pop():
                if node > last or node in found:
                    continue
                if state[node] or queued[node] or kinds[node] == _JOIN:
                    found[node] = None
                    ahead.append(successors[node])
        return list(found)

    def _undo(self, nodes: list[int]) -> None:
        """Undo nodes that nothing blocks any more: at once, or in the next wave."""
        scheduler = self._scheduler
        state, queued, kinds = scheduler.state, scheduler.queued, self._plan.kinds
        at_once = []
        for node in nodes:
            code = state[node]
            if kinds[node] == _JOIN:
                state[node] = _REVERTED
                at_once.append(node)
            elif code == _IGNORE:
                at_once.append(node)
            elif code in (_RUNNING, _REVERTING) and node not in scheduler.stale:
                continue  # its end will be reported
            elif code == _REVERT_FAILURE or queued[node]:
                continue  # never undone; or still to run, or to be reverted already
            else:
                queued[node] = 1
                scheduler.plan_next(~node)
        if at_once:
            self._undone(at_once)

    def _undone(self, nodes: list[int]) -> None:
        free: list[int] = []
        finished: list[int] = []
        stack = list(nodes)
        blocked, scope_of, left, predecessors = self._blocked, self._scope, self._left, self._plan.predecessors
        while stack:
            node = stack.pop()
            scope = scope_of[node]
            if scope == model.NOBODY:
                continue
            scope_of[node] = model.NOBODY
            left[scope] -= 1
            if not left[scope]:
                finished.append(scope)
            for before in predecessors[node]:
                if scope_of[before] == scope:
                    blocked[before] -= 1
                    if not blocked[before]:
                        self._pass_through(before, stack, free)
        if free:
            self._undo(free)
        for scope in finished:
            self._scope_is_undone(scope)

    def _pass_through(self, node: int, stack: list[int], free: list[int]) -> None:
        """Undo a join or an ignored atom within the same walk, so that long chains of them need no recursion."""
        state = self._scheduler.state
        if self._plan.kinds[node] == _JOIN:
            state[node] = _REVERTED
            stack.append(node)
        elif state[node] == _IGNORE:
            stack.append(node)
        else:
            free.append(node)

    # -- the end of it -----------------------------------------------------------------------------

    def _scope_is_undone(self, scope: int) -> None:
        if self._scheduler.judge.verdicts[scope] == states.RETRY:
            self._scheduler.plan_next(self._plan.scopes[scope].retry)

    def reset(self, retry: int) -> bool:
        """Make a scope that has been undone as it was before its retry first ran; that is about to run again.

        :returns: False where something wider was decided meanwhile: the retry must not run.
        """
        scheduler, plan = self._scheduler, self._plan
        scope = self._controls[retry]
        if scheduler.judge.verdicts.get(scope) != states.RETRY:
            return False
        touched = self._touched.pop(scope)
        del self._left[scope]
        reach = plan.scopes[scope]
        scheduler.judge.lift(scope)
        scheduler.move(retry, _RETRYING)
        for node in touched:
            scheduler.move(node, _PENDING)
        unbegun = scheduler.judge.forget_unbegun(reach.first, reach.last)
        for node in unbegun:
            scheduler.move(node, _PENDING)
        affected = {*touched, *unbegun, *plan.successors[retry]}
        for node in touched:
            affected.update(plan.successors[node])
        inside = sorted(node for node in affected if node <= reach.last)
        freed = scheduler.forget_answers(inside)
        for node in freed:
            affected.add(node)
            affected.update(plan.successors[node])
        # Nothing behind the scope has counted any of it as done: that would have taken all of it. And nothing there
        # may be counted anew: other ends of this wave, which are not followed up yet, would count twice.
        scheduler.recount(sorted(node for node in affected if node <= reach.last))
        return True
