# SPDX-License-Identifier: Apache-2.0
"""Removes jobs that have expired, in one worker of all conductors."""

from __future__ import annotations

import collections
import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Mapping

from tfd import exceptions
from tfd.jobs import claim as claims
from tfd.jobs import ports, retention
from tfd.types import clock as clocks

__all__ = ['LOCK', 'Housekeeper', 'Settings']

LOG = logging.getLogger(__name__)

#: The lock of the coordinator whose holder does it; no job has such an id.
LOCK = 'retention'


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What is removed, and when.

    :ivar days: by outcome, after how many days a job expires; 0 for never.
    :ivar interval: seconds between two looks.
    :ivar batch: how many jobs are removed in one transaction.
    """

    days: Mapping[str, float]
    interval: float
    batch: int


class Housekeeper:
    """Looks every so often for jobs that have expired; :meth:`run` is called in a thread of its own.

    Who holds :data:`LOCK` is elected, for as long as its session lives. It is asked between two
    batches; what it does after it lost the lock is what its successor does too, and does no harm.
    Where nothing expires, no server is asked.
    """

    def __init__(
        self, kept: retention.Retention, coordinator: ports.Coordinator, settings: Settings,
        clock: clocks.Clock | None = None, wall: Callable[[], float] = time.time,
    ) -> None:
        self._retention = kept
        self._coordinator = coordinator
        self._settings = settings
        self._clock = clock or clocks.BootClock()
        self._wall = wall
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._lock: ports.Lock | None = None

    def run(self) -> None:
        """Look, again and again, until :meth:`stop`. Never raises because a server is away."""
        while not self._stopping.is_set():
            # Nothing is logged inside an except block: oslo.log would add the error's text to the line.
            caught: Exception | None = None
            self._wake.clear()
            try:
                self.look()
            except (exceptions.StorageFailure, exceptions.StorageUnavailable,
                    exceptions.CoordinatorUnavailable, exceptions.SessionLost) as err:
                caught = err
            if caught is not None:
                LOG.warning('expired jobs are left for later: %s', caught)
            if not self._stopping.is_set():
                self._wake.wait(self._settings.interval)
        if self._lock is not None:
            self._coordinator.release(self._lock)

    def stop(self) -> None:
        """Have :meth:`run` return after its present batch. Safe from any thread."""
        self._stopping.set()
        self._wake.set()

    def apply(self, settings: Settings) -> None:
        """Work with other settings, and look with them at once. Safe from any thread."""
        self._settings = settings
        self._wake.set()

    def look(self) -> None:
        """Remove what has expired, where this worker is the elected one."""
        settings = self._settings
        wanted = retention.expiries(settings.days, self._wall())
        if not wanted or not self._elected():
            return
        removed: collections.Counter[str] = collections.Counter()
        try:
            for outcome, count in retention.remove_all(
                    self._retention, wanted, settings.batch, self._may_go_on, self._stopping.wait):
                removed[outcome] += count
        finally:
            if removed:
                LOG.info('removed jobs: %s', ' '.join(
                    f'{outcome}={count}' for outcome, count in sorted(removed.items())))

    def _elected(self) -> bool:
        session = self._coordinator.session()
        if session is None:
            return False
        if self._lock is None or self._lock.session.incarnation != session.incarnation:
            try:
                self._lock = self._coordinator.acquire(session, LOCK)
            except exceptions.LockHeld:
                self._lock = None
        return self._may_go_on()

    def _may_go_on(self) -> bool:
        if self._stopping.is_set() or self._lock is None:
            return False
        return claims.believed(self._lock.session, self._clock, 0.0)
