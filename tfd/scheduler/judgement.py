# SPDX-License-Identifier: Apache-2.0
"""Failures: who is asked about them, and what becomes of it.

Each failed atom is brought before the retry of its innermost scope. RETRY and REVERT_ALL are verdicts; REVERT passes
the question to the retry around, whose RETRY or REVERT_ALL is the verdict; where all of them say REVERT, it is REVERT
on the innermost scope (on everything with ``defer_reverts``). Of verdicts on scopes around one another the widest wins,
on one scope REVERT. An atom in no scope, a retry that failed itself (also in answering) with no retry around it:
everything is reverted.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from tfd import states
from tfd.scheduler import vocabulary as v

if TYPE_CHECKING:
    from tfd.scheduler.machine import Scheduler

__all__ = ['Judge']

_REVERT_ALL = 'REVERT_ALL'
_EVERYTHING = 0


@dataclasses.dataclass(slots=True)
class _Case:
    """A failed atom on its way up: ``scope`` is whose retry is asked next, ``level`` how many have said REVERT."""

    node: int
    blamed: int
    innermost: int
    scope: int
    level: int = 0


class Judge:
    """Holds the open cases and the verdicts in force."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._plan = scheduler.plan
        #: Verdicts in force, by scope; never one inside another.
        self.verdicts: dict[int, str] = {}
        #: Whether a scope lies in one with a verdict.
        self.down = bytearray(len(self._plan.scopes))
        #: Some atom's revert failed: what ran before it stays.
        self.revert_failed = False
        #: Some failure was left as it is (``never_resolve``).
        self.unresolved = False
        #: Whether there are open cases, or verdicts that are not in force yet.
        self.unsettled = False
        # Atoms that failed without having begun: a decider on the way to them raised.
        self._unbegun: set[int] = set()
        self._cases: collections.deque[_Case] = collections.deque()
        self._asked: _Case | None = None
        # Verdicts that are recorded and wait for the other open cases before they come into force.
        self._found: dict[int, str] = {}
        # Scopes that an earlier run put down: their undoing begins once no case is open.
        self._put_down: list[int] = []

    # -- cases -------------------------------------------------------------------------------------

    def take(self, failed: Iterable[int]) -> None:
        """Open a case for each failed node."""
        for node in failed:
            self.reopen(node, 0)

    def take_unbegun(self, node: int, level: int = 0) -> None:
        """Open a case for an atom that stays PENDING: there is nothing of it to revert."""
        self._unbegun.add(node)
        self.reopen(node, level)

    def reopen(self, node: int, level: int) -> None:
        """Open a case whose first ``level`` retries have said REVERT."""
        case = self._open(node)
        for _ in range(level):
            self._pass_up(case)
        self._cases.append(case)
        self.unsettled = True

    def _open(self, node: int) -> _Case:
        scope = self._in_force(self._plan.scope_of[node])
        return _Case(node, node, scope, scope)

    def _in_force(self, scope: int) -> int:
        """Return the innermost scope from here outwards whose retry was not ignored."""
        while scope != _EVERYTHING and self._scheduler.state[self._plan.scopes[scope].retry] == v.Code.IGNORE:
            scope = self._plan.scopes[scope].parent
        return scope

    @property
    def halted(self) -> bool:
        """Whether nothing more may begin: a revert failed, or a failure was left as it is."""
        return self.revert_failed or self.unresolved

    def forget_unbegun(self, first: int, last: int) -> list[int]:
        """Forget failures of atoms of an interval that never began; return the atoms."""
        gone = sorted(node for node in self._unbegun if first <= node <= last)
        self._unbegun.difference_update(gone)
        return gone

    def recall_unbegun(self, node: int) -> None:
        """Take over a failure of an atom that never began, decided about by an earlier run."""
        self._unbegun.add(node)

    def question(self) -> v.Ask | None:
        """Return the next question to a retry; None once every case is closed."""
        while self._cases:
            case = self._cases[0]
            if self._scheduler.options.never_resolve:
                self.unresolved = True
                self._cases.popleft()
            elif case.scope == _EVERYTHING:
                local = case.innermost != _EVERYTHING and not self._scheduler.options.defer_reverts
                self._close(case, case.innermost if local else _EVERYTHING, states.REVERT)
            else:
                self._asked = case
                return v.Ask(self._plan.scopes[case.scope].retry, case.node, case.blamed)
        return None

    def answer(self, event: v.Answered) -> None:
        """Take a retry's answer.

        :raises ValueError: that retry was not asked.
        """
        case = self._asked
        if case is None or self._plan.scopes[case.scope].retry != event.retry:
            raise ValueError(f'nobody asked the retry at node {event.retry}')
        self._asked = None
        if event.answer == states.RETRY:
            self._close(case, case.scope, states.RETRY)
        elif event.answer == _REVERT_ALL:
            self._close(case, _EVERYTHING, states.REVERT)
        elif event.answer == states.REVERT:
            self._pass_up(case)
            self._scheduler.step.transitions.append(v.Asked(case.node, case.level))
        else:
            self._retry_failed(case, event.retry)

    def _retry_failed(self, case: _Case, retry: int) -> None:
        """Turn a failure of the retry into a case of its own, in the scope around, unless it has been one before."""
        self._settle_question(case)
        self._cases.popleft()
        if self._scheduler.state[retry] != v.Code.FAILURE:
            self._scheduler.move(retry, int(v.Code.FAILURE))
            self._cases.appendleft(self._open(retry))

    def _pass_up(self, case: _Case) -> None:
        case.blamed = self._plan.scopes[case.scope].retry
        case.scope = self._in_force(self._plan.scopes[case.scope].parent)
        case.level += 1

    def _close(self, case: _Case, scope: int, verdict: str) -> None:
        self._settle_question(case)
        self._cases.popleft()
        known = (self.verdicts.get(scope), self._found.get(scope))
        if not self._overruled(scope) and verdict not in known and states.REVERT not in known:
            # With the answer, not once it is in force: there may be a crash before the last case is closed.
            self._found[scope] = verdict
            self._scheduler.step.transitions.append(v.Judged(scope, verdict))

    def _settle_question(self, case: _Case) -> None:
        transitions = self._scheduler.step.transitions
        transitions.append(v.Resolved(case.node))
        if case.level:
            transitions.append(v.Asked(case.node, 0))

    # -- verdicts ----------------------------------------------------------------------------------

    def carry_out(self) -> None:
        """Put the verdicts that were found into force, the widest first; to be called once no case is open."""
        self.unsettled = False
        found, self._found = self._found, {}
        begin, self._put_down = self._put_down, []
        # A scope has a lower index than those inside of it.
        for scope in sorted(found):
            if self._overruled(scope):
                self._scheduler.step.transitions.append(v.Judged(scope, ''))
            else:
                self.put_down(scope, found[scope])
                begin.append(scope)
        for scope in dict.fromkeys(begin):
            if scope in self.verdicts:
                self._scheduler.rollback.begin(scope)

    def recall(self, verdicts: Mapping[int, str]) -> None:
        """Take over the verdicts that an earlier run recorded."""
        for scope in sorted(verdicts):
            if self._overruled(scope):
                self._scheduler.step.transitions.append(v.Judged(scope, ''))
            else:
                self.put_down(scope, verdicts[scope])
                self._put_down.append(scope)
                self.unsettled = True

    def _overruled(self, scope: int) -> bool:
        """Tell whether a scope around this one has a verdict."""
        if not self.down[scope]:
            return False
        return scope not in self.verdicts

    def put_down(self, scope: int, verdict: str) -> None:
        """Bring a scope under a verdict; those on scopes inside of it are void."""
        inner = self._plan.scopes[scope].inner
        for other in self._plan.scopes[scope].those_in(self.verdicts, scope + 1):
            del self.verdicts[other]
            self._scheduler.step.transitions.append(v.Judged(other, ''))
        self.verdicts[scope] = verdict
        self.down[scope:inner + 1] = b'\x01' * (inner + 1 - scope)

    def lift(self, scope: int) -> None:
        """End the verdict on a scope: it has been carried out and its retry runs again."""
        inner = self._plan.scopes[scope].inner
        del self.verdicts[scope]
        self.down[scope:inner + 1] = bytes(inner + 1 - scope)
        self._scheduler.step.transitions.append(v.Judged(scope, ''))
