# SPDX-License-Identifier: Apache-2.0
"""Notes that a worker process conducts, for people to see who did, where and since when."""

from __future__ import annotations

import dataclasses
import logging

from tfd import exceptions
from tfd.jobs import ports, record
from tfd.types import clock as clocks

__all__ = ['Presence', 'Process']

LOG = logging.getLogger(__name__)

#: Seconds between two notes of the same incarnation: often enough for people, and nothing beside what an idle
#: conductor asks.
_PERIOD = 60.0
#: How many of those who were not seen for long are forgotten at a start.
_FORGOTTEN = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Process:
    """What a process says of itself; see :class:`tfd.jobs.record.Incarnation`."""

    hostname: str
    pid: int
    version: str


class Presence:
    """Notes the incarnations of one process: each when it begins, and every minute. For one thread.

    What cannot be noted is no reason not to work: it is logged, and tried again a minute later.

    :param keep_days: after how many days others are forgotten that were not seen again; 0 for never.
    """

    def __init__(
        self, roster: ports.Roster, coordinator: ports.Coordinator, process: Process, keep_days: float,
        clock: clocks.Clock | None = None,
    ) -> None:
        self._roster = roster
        self._coordinator = coordinator
        self._process = process
        self._keep_days = keep_days
        self._clock = clock or clocks.BootClock()
        self._incarnation = ''
        self._started_at = 0.0
        self._due = 0.0
        self._tidied = keep_days == 0

    def note(self) -> None:
        """Note who conducts here now, where that is due."""
        session = self._coordinator.session()
        if session is None:
            return
        now, wall = self._clock.now(), self._clock.wall()
        if session.incarnation != self._incarnation:
            self._incarnation, self._started_at = session.incarnation, wall
        elif now < self._due:
            return
        self._due = now + _PERIOD
        # Nothing is logged inside an except block: oslo.log would add the error's text to the line.
        caught: exceptions.TaskFlowException | None = None
        try:
            self._write(wall)
        except (exceptions.StorageUnavailable, exceptions.StorageFailure) as err:
            caught = err
        if caught is not None:
            LOG.info('%s is not noted as seen now: %s', self._incarnation, caught)

    def _write(self, wall: float) -> None:
        self._roster.note(record.Incarnation(
            self._incarnation, **dataclasses.asdict(self._process), started_at=self._started_at, seen_at=wall))
        if not self._tidied:
            self._roster.forget(wall - self._keep_days * 86400, _FORGOTTEN)
            self._tidied = True
