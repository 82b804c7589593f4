# SPDX-License-Identifier: Apache-2.0
"""tfd with one of its safeguards taken out, to see that the simulation misses it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from tests.simulation.database import Tables
from tfd import states
from tfd.conductors import runner
from tfd.jobs import claim, identity, reconciler, record

__all__ = ['MUTANTS', 'Mutant', 'mutated']


@dataclasses.dataclass(frozen=True, slots=True)
class Mutant:
    """What is taken out.

    :ivar tables: the rows of jobs, where that is where it is.
    :ivar patches: whose attributes are replaced by what, where it is elsewhere.
    """

    tables: type[Tables] = Tables
    patches: tuple[tuple[Any, str, Any], ...] = ()


class _NoGuard(Tables):
    """Lets every epoch write."""

    def _fenced(self, fence: Any) -> record.Job:
        return self._existing(fence.job)


class _SameEpoch(Tables):
    """Leaves the epoch as it is where a job is given back."""

    def settle(self, fence: Any, settlement: Any, progress: bool = False) -> None:
        before = self._existing(fence.job)
        super().settle(fence, settlement, progress)
        if self._existing(fence.job) is not before:
            self._change(self._existing(fence.job), epoch=fence.epoch)


class _AnyRow(Tables):
    """Claims a row whatever has become of it since it was read."""

    def claim(self, candidate: Any, owner: str, claim_id: str) -> Any:
        job = self._existing(candidate.id)
        if job.claim_id != claim_id:
            self._change(job, state=states.UNCLAIMED)
        return super().claim(dataclasses.replace(candidate, epoch=self._existing(candidate.id).epoch), owner, claim_id)


class _NoAttempts(Tables):
    """Does not count claims without progress."""

    def claim(self, candidate: Any, owner: str, claim_id: str) -> Any:
        claimed = super().claim(candidate, owner, claim_id)
        return record.Claim(self._change(claimed.job, attempts=1))


MUTANTS: dict[str, Mutant] = {
    'no guard': Mutant(_NoGuard),
    'no own clock': Mutant(patches=((claim, 'believed', lambda *_: True),)),
    'settle keeps the epoch': Mutant(_SameEpoch),
    'claim ignores the row': Mutant(_AnyRow),
    'claims are not counted': Mutant(_NoAttempts),
    'no board id': Mutant(patches=((identity.BoardIdentity, 'trusted', lambda _: True),)),
    'no reconciler': Mutant(patches=((reconciler.Reconciler, 'reconcile', lambda *_: []),)),
    'outages are failures': Mutant(patches=((runner, '_NOT_THE_JOBS_FAULT', ()),)),
}


@contextlib.contextmanager
def mutated(mutant: Mutant) -> Iterator[Callable[..., Tables]]:
    """Take something out for the time of a ``with`` block; yield what makes the rows of jobs."""
    with contextlib.ExitStack() as stack:
        for owner, name, instead in mutant.patches:
            stack.enter_context(mock.patch.object(owner, name, instead))
        yield mutant.tables
