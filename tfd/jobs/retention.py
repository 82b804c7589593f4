# SPDX-License-Identifier: Apache-2.0
"""How long jobs are kept that are done: what has expired, and removing it bit by bit beside a running system."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from tfd import states

__all__ = ['OUTCOMES', 'Expiry', 'Retention', 'expiries', 'remove_all']

#: How a job can end that is COMPLETE, and so be removed without being asked for by name.
OUTCOMES = (states.SUCCESS, states.REVERTED)

#: Seconds to rest between two batches, at most; as long as the last one took, otherwise.
_LONGEST_REST = 5.0


@dataclasses.dataclass(frozen=True, slots=True)
class Expiry:
    """Which jobs have been kept for long enough: COMPLETE with this outcome since before that moment.

    :ivar outcome: one of :data:`OUTCOMES`.
    :ivar before: seconds since 1970-01-01 UTC.
    """

    outcome: str
    before: float


class Retention(Protocol):
    """Removes what is not needed any more. Safe to use from any thread, and by several processes at once.

    With a job go its flow, the atoms of that, what was decided in it, and its logbook unless other flows are in it. A
    job that is UNCLAIMED, CLAIMED or PARKED is never removed but by :meth:`remove`. What a driver looks at is what it
    removes: neither jobs that are kept nor their number cost anything.
    """

    def count(self, expiry: Expiry) -> int:
        """Return how many jobs have expired."""

    def purge(self, expiry: Expiry, limit: int) -> int:
        """Remove jobs that have expired, the oldest first.

        :param limit: how many at most. Fewer are removed at once where their flows are large.
        :returns: how many expired jobs were found, and are gone now: by this call, or another at the same time; 0
            where none is left.
        :raises StorageUnavailable: some of them may be gone.
        """

    def remove(self, job_id: str) -> None:
        """Remove this job, unless it is CLAIMED.

        :raises NotFound: no such job.
        :raises InvalidState: it is claimed.
        """

    def orphans(self, before: float, after: str, limit: int, remove: bool) -> tuple[int, str | None]:
        """Look at some of the flows, in the order of their UUIDs, for those that no job owns.

        Found are those that ended in SUCCESS or were REVERTED, and were not changed since ``before``.

        :param after: the flow to go on after, '' to begin.
        :param limit: at how many to look.
        :param remove: whether those that are found are removed.
        :returns: how many were found, and the flow to go on after, None at the end.
        """


def expiries(days: Mapping[str, float], now: float) -> list[Expiry]:
    """Return what has expired at a moment.

    :param days: by outcome, after how many days a job expires; 0 for never.
    """
    return [Expiry(outcome, now - kept * 86400) for outcome, kept in days.items() if kept > 0]


def remove_all(
    retention: Retention, wanted: Sequence[Expiry], batch: int, go_on: Callable[[], bool] = lambda: True,
    rest: Callable[[float], object] = time.sleep, clock: Callable[[], float] = time.monotonic,
) -> Iterator[tuple[str, int]]:
    """Remove what has expired batch by batch, and yield outcome and size of each.

    Between two batches there is as much time as the one before took: half of what a database can do is left to
    others, however fast it is.

    :param go_on: asked before each batch.
    :raises StorageUnavailable: the rest is left.
    """
    for expiry in wanted:
        while go_on():
            began = clock()
            removed = retention.purge(expiry, batch)
            if not removed:
                break
            yield expiry.outcome, removed
            rest(min(_LONGEST_REST, clock() - began))
