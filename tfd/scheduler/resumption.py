# SPDX-License-Identifier: Apache-2.0
"""Going on where an earlier run stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfd.plan import model
from tfd.scheduler import vocabulary as v
from tfd.scheduler.vocabulary import Code

if TYPE_CHECKING:
    from tfd.scheduler.machine import Scheduler

__all__ = ['resume']

_JOIN = int(model.Kind.JOIN)
_BEGUN = (int(Code.RUNNING), int(Code.REVERTING))


def resume(scheduler: Scheduler, progress: v.Progress) -> None:
    """Bring a new scheduler to where the record ends, without anything that was recorded being asked or done again.

    An atom that was RUNNING executes again, or is reverted where its scope is; one that was REVERTING reverts again.
    Neither start is written down a second time: a job that kills its worker at the same atom again and again makes no
    progress, and is seen to make none.
    """
    state = scheduler.state
    for node, code in progress.codes.items():
        state[node] = code
        if code in _BEGUN:
            scheduler.stale.add(node)
        elif code == Code.REVERT_FAILURE:
            scheduler.judge.revert_failed = True
    _finish_resets(scheduler, progress)
    scheduler.judge.recall(progress.verdicts)
    for target, answer in progress.answers.items():
        scheduler.recall_answer(target, answer)
    _count(scheduler, progress)
    _reopen(scheduler, progress)


def _finish_resets(scheduler: Scheduler, progress: v.Progress) -> None:
    """Let all of a scope that is to run again wait for it.

    A scope is reset in one step. Where a hand has set its states, or where the record is TaskFlow's, which resets atom
    by atom, some of it may not be.
    """
    state = scheduler.state
    for scope in scheduler.plan.scopes:
        if scope.retry in progress.codes and state[scope.retry] == Code.RETRYING:
            for node in range(scope.first, scope.last + 1):
                if state[node] == Code.REVERTED:
                    scheduler.move(node, int(Code.PENDING))


def _reopen(scheduler: Scheduler, progress: v.Progress) -> None:
    """Open the cases that were not closed; first the one that a retry has passed on to the next."""
    unbegun = [target for target, answer in progress.answers.items() if answer == v.FAILED]
    failed = [node for node, code in progress.codes.items() if code == Code.FAILURE]
    levels = progress.levels
    for node in sorted({*unbegun, *failed} - progress.resolved, key=lambda node: (-levels.get(node, 0), node)):
        if scheduler.state[node]:
            scheduler.judge.reopen(node, levels.get(node, 0))
        else:
            scheduler.judge.take_unbegun(node, levels.get(node, 0))
    for node in progress.resolved.intersection(unbegun):
        scheduler.judge.recall_unbegun(node)


def _count(scheduler: Scheduler, progress: v.Progress) -> None:
    """Find out which joins have been passed and which atoms are ready. Edges go to higher numbers, so one pass does."""
    plan, state, down = scheduler.plan, scheduler.state, scheduler.judge.down
    done = bytearray(len(plan))
    for node, before in enumerate(plan.predecessors):
        left = scheduler.waiting[node] = len(before) - sum(done[source] for source in before)
        if plan.kinds[node] == _JOIN:
            if not state[node] and not left:
                state[node] = int(Code.SUCCESS)
            done[node] = not left
            continue
        done[node] = scheduler.is_done(node)
        if down[plan.scope_of[node]]:
            continue
        if state[node] in (Code.RUNNING, Code.RETRYING):
            scheduler.plan_next(node)
        elif state[node] == Code.PENDING and not left and progress.answers.get(node) != v.FAILED:
            if node in plan.gates and node not in progress.answers:
                scheduler.wait_for_gate(node)
            else:
                scheduler.plan_next(node)
