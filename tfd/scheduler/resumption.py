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
    for scope, verdict in sorted(progress.verdicts.items()):
        scheduler.judge.put_down(scope, verdict)
    for target, answer in progress.answers.items():
        scheduler.recall_answer(target, answer)
    _count(scheduler, progress)
    _reopen(scheduler, progress)
    for scope in sorted(progress.verdicts):
        scheduler.rollback.begin(scope)


def _reopen(scheduler: Scheduler, progress: v.Progress) -> None:
    """Bring failures that were not decided about before their retries again, from where the questions had come to."""
    for node, code in sorted(progress.codes.items()):
        if code == Code.FAILURE and node not in progress.resolved:
            scheduler.judge.reopen(node, progress.levels.get(node, 0))
    for node in progress.resolved:
        if not scheduler.state[node]:
            scheduler.judge.recall_unbegun(node)


def _count(scheduler: Scheduler, progress: v.Progress) -> None:
    """Find out which joins have been passed and which atoms are ready. Edges go to higher numbers, so one pass does."""
    plan, state, down = scheduler.plan, scheduler.state, scheduler.judge.down
    done = bytearray(len(plan))
    for node, before in enumerate(plan.predecessors):
        left = scheduler.waiting[node] = len(before) - sum(done[source] for source in before)
        if plan.kinds[node] == _JOIN:
            # In a scope that is being undone a join behind something that was begun counts as begun too.
            reached = down[plan.scope_of[node]] and any(state[source] for source in before)
            if not state[node] and (reached or not left):
                state[node] = int(Code.SUCCESS)
            done[node] = not left
            continue
        done[node] = scheduler.is_done(node)
        if down[plan.scope_of[node]]:
            continue
        if state[node] in (Code.RUNNING, Code.RETRYING):
            scheduler.plan_next(node)
        elif state[node] == Code.PENDING and not left:
            if node in plan.gates and node not in progress.answers:
                scheduler.wait_for_gate(node)
            else:
                scheduler.plan_next(node)
