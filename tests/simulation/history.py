# SPDX-License-Identifier: Apache-2.0
"""What has happened to every job, as the servers saw it, and the promises that it is held against.

Told by the servers at the moment when something happens; it keeps its own count of who owns what,
so that a database that lost its fence does not vouch for itself.
"""

from __future__ import annotations

import collections
import dataclasses

from tests.simulation.hub import Hub
from tfd import states
from tfd.jobs import record
from tfd.persistence.record import Fence, Settlement

__all__ = ['History', 'Term', 'Violation']


class Violation(AssertionError):
    """A promise was broken."""


@dataclasses.dataclass(slots=True)
class Term:
    """One claim of a job, to its end.

    :ivar given: how it was given back, None where its owner never did.
    :ivar progress: whether anything that ended was recorded in it.
    """

    job: str
    epoch: int
    owner: str
    claim_id: str
    attempts: int
    given: Settlement | None = None
    progress: bool = False


class History:
    """The terms of every job.

    :param ends: when sessions ended, and why; see :class:`tests.simulation.ensemble.Ensemble`.
    :param timeout: for how long, in seconds, a member may believe in a session that was forgotten.
    """

    def __init__(self, hub: Hub, ends: dict[str, tuple[float, str]], timeout: float) -> None:
        self._hub = hub
        self._ends = ends
        self._timeout = timeout
        self.terms: dict[str, list[Term]] = collections.defaultdict(list)

    def claimed(self, job: record.Job) -> None:
        """Begin a term: nobody else's is under way but that of a session that is gone."""
        terms = self.terms[job.id]
        last = terms[-1] if terms else None
        if last is not None:
            if last.claim_id == job.claim_id:
                return
            if last.given is None:
                self._taken_over(job, last.owner)
            if last.given is not None and last.given.state != states.UNCLAIMED:
                self._break(f'{job.id[:8]}: {job.owner} claimed it after it was {last.given.state}')
            if last.epoch >= job.epoch:
                self._break(f'{job.id[:8]}: epoch {job.epoch} follows epoch {last.epoch}')
        terms.append(Term(job.id, job.epoch, job.owner, job.claim_id, job.attempts))
        self._hub.tell('database', 'job %s claimed: epoch=%d owner=%s', job.id[:8], job.epoch, job.owner)

    def _taken_over(self, job: record.Job, former: str) -> None:
        if former not in self._ends:
            self._break(f'{job.id[:8]}: {job.owner} took it from {former}, who lives')
            return
        ended, why = self._ends[former]
        if why == 'wiped' and self._hub.now < ended + self._timeout:
            self._break(f'{job.id[:8]}: {job.owner} took it from {former}, who may believe that it lives')

    def recorded(self, fence: Fence, progress: bool) -> None:
        """Take note of a step: the last term's, which is not over."""
        term = self._term(fence, 'recorded a step')
        term.progress = term.progress or progress

    def settled(self, fence: Fence, settlement: Settlement, progress: bool) -> None:
        """End a term, the last one, once."""
        term = self._term(fence, f'settled it as {settlement.state}')
        term.progress = term.progress or progress
        term.given = settlement
        self._hub.tell('database', 'job %s settled: epoch=%d %s %s %s', fence.job[:8], fence.epoch,
                       settlement.state, settlement.outcome, settlement.reason)
        if settlement.state == states.UNCLAIMED and settlement.counts:
            self._break(f'{fence.job[:8]}: blamed for what broke elsewhere: {settlement.reason}')

    def _term(self, fence: Fence, what: str) -> Term:
        term = self.terms[fence.job][-1]
        if fence.epoch != term.epoch:
            self._break(f'{fence.job[:8]}: epoch {fence.epoch} {what} after epoch {term.epoch} began')
        if term.given is not None:
            self._break(f'{fence.job[:8]}: epoch {fence.epoch} {what} after it was {term.given.state}')
        return term

    def starts(self, job: str, epoch: int, task: str) -> None:
        """Take note of a call of a task: it is its owner's, whose session is not lost."""
        term = next(term for term in self.terms[job] if term.epoch == epoch)
        ended, why = self._ends.get(term.owner, (0.0, ''))
        if why in ('expired', 'wiped'):
            # What an administrator does to a session, no clock of its member's can tell.
            if why == 'expired' or term is self.terms[job][-1]:
                return
        if why:
            self._break(f'{job[:8]}: {term.owner} called {task} in epoch {epoch}, and its session ended'
                        f' {self._hub.now - ended:.3f} s before: {why}')
        if term is not self.terms[job][-1] or term.given is not None:
            self._break(f'{job[:8]}: {task} was called in epoch {epoch}, which is over')

    def _break(self, what: str) -> None:
        # Not raised: whoever hears of it would take it for an error of the server's.
        self._hub.tell('VIOLATION', '%s', what)
        self._hub.broken.append(Violation(what))

    def without_progress(self, job: str) -> int:
        """Return how many claims in a row, up to the last but one, recorded nothing and were not given back."""
        count = 0
        for term in reversed(self.terms[job][:-1]):
            if term.progress or (term.given is not None and term.given.counts is False):
                if term.progress:
                    break
                continue
            count += 1
        return count
