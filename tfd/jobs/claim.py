# SPDX-License-Identifier: Apache-2.0
"""A job that this process has claimed: the right to run it, for as long as it may believe in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tfd import exceptions, states
from tfd.jobs import ports, record
from tfd.persistence.record import Fence, Settlement
from tfd.types import clock as clocks

__all__ = ['MARGIN', 'ClaimedJob', 'SessionOwnership', 'believed']

#: How much of a session's time-out is left unused before its deadline: whatever is between a check
#: and the call that it allows (scheduling, a switch of threads) has to fit in here. Heartbeats
#: leave two thirds of the time-out in normal life.
MARGIN = 0.1


def believed(session: ports.Session, clock: clocks.Clock, margin: float = MARGIN) -> bool:
    """Return whether a session can be taken to live, by the own clock, for a margin from now on.

    :param margin: part of the session's time-out.
    """
    return clock.now() < session.deadline() - margin * session.timeout


class ClaimedJob:
    """The ownership of one job under one epoch (see :class:`tfd.persistence.base.Ownership`).

    Made by :meth:`tfd.jobs.board.JobBoard.claim`, and given to the engine that runs the job. It
    never comes back to life: what counts is the session that took the lock, not the one that the
    process has by now.

    :ivar job: the job as it was when it was claimed.
    :ivar lock: the lock that was taken for it.
    :ivar given: how the job was given back: what :meth:`settlement` returned last, which the engine
        may have recorded, or what the board recorded; None before that.
    :ivar handing_over: set by whoever asks the engine to suspend in order to leave the job to a
        peer; a claim that ends so does not count as one without progress.
    :ivar log: returns the last lines that were logged about its run, to be stored where it is parked.
    """

    def __init__(
        self, job: record.Job, lock: ports.Lock, clock: clocks.Clock, margin: float = MARGIN
    ) -> None:
        self.job = job
        self.lock = lock
        self.handing_over = False
        self.log: Callable[[], Sequence[str]] = tuple
        self._clock = clock
        self._margin = margin
        self._fence = Fence(job=job.id, epoch=job.epoch)
        self.given: Settlement | None = None

    def __repr__(self) -> str:
        return f'<ClaimedJob job={self.job.id} epoch={self.job.epoch}>'

    @property
    def fence(self) -> Fence:
        """The fence that goes with every write."""
        return self._fence

    def check(self) -> None:
        """Return where the claim is believed to hold now.

        :raises OwnershipLost: the session that took the lock has ended, may have, or is about to.
        """
        if not believed(self.lock.session, self._clock, self._margin):
            left = self.lock.session.deadline() - self._clock.now()
            raise exceptions.OwnershipLost(
                self.job.id, self.job.epoch,
                f'session {self.lock.session.incarnation} can be believed in for {left:.3f} s only')

    def settlement(self, flow_state: str, failures: Sequence[Any]) -> Settlement | None:
        """Return how the job is given back when its flow comes to rest; never None.

        SUCCESS and REVERTED complete the job, SUSPENDED leaves it to the next who claims it,
        anything else (a revert that failed) parks it for an operator.
        """
        self.given = self._settlement(flow_state, failures)
        return self.given

    def _settlement(self, flow_state: str, failures: Sequence[Any]) -> Settlement:
        claim_id = self.job.claim_id
        if flow_state in (states.SUCCESS, states.REVERTED):
            return Settlement(claim_id=claim_id, state=states.COMPLETE, outcome=flow_state)
        if flow_state == states.SUSPENDED:
            reason = 'handed over' if self.handing_over else 'suspended by the flow itself'
            return Settlement(claim_id=claim_id, state=states.UNCLAIMED, reason=reason,
                              counts=not self.handing_over)
        return Settlement(
            claim_id=claim_id, state=states.PARKED, outcome=flow_state,
            reason=record.reasoned(f'the flow ended in {flow_state}: {_described(failures)}', self.log()))


class SessionOwnership:
    """The ownership of a job for which a lock is all the fence there is (see :class:`tfd.persistence.base.Ownership`).

    :param job: the job's UUID.
    :param session: the session that took the lock.
    """

    fence = None

    def __init__(self, job: str, session: ports.Session, clock: clocks.Clock, margin: float = MARGIN) -> None:
        self._job = job
        self._session = session
        self._clock = clock
        self._margin = margin

    def __repr__(self) -> str:
        return f'<SessionOwnership job={self._job} session={self._session.incarnation}>'

    def check(self) -> None:
        """Return where the lock is believed to be held now.

        :raises OwnershipLost: the session that took it has ended, may have, or is about to.
        """
        if not believed(self._session, self._clock, self._margin):
            raise exceptions.OwnershipLost(
                self._job, 0, f'session {self._session.incarnation} that claimed it cannot be believed in any more')

    def settlement(self, flow_state: str, failures: Sequence[Any]) -> None:
        """Keep the job: who claimed it takes it off its board."""


def _described(failures: Sequence[Any]) -> str:
    """Return failures as one line: their types and texts."""
    lines = []
    for failure in failures:
        names = list(failure)
        lines.append(f"{names[0] if names else 'failure'}: {failure.exception_str}")
    return '; '.join(lines) or 'no failure was given'
