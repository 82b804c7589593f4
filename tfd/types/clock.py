# SPDX-License-Identifier: Apache-2.0
"""Time, as a port: what decides by time takes a clock, so that a test can turn it."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ['BootClock', 'Clock']


class Clock(Protocol):
    """Tells the time.

    A clock keeps two rules: :meth:`now` never goes back and goes on while the machine or the process is suspended;
    :meth:`wall` is the time of day that other hosts see, and may jump.
    """

    def now(self) -> float:
        """Return seconds since some fixed point, for measuring how long something took."""

    def wall(self) -> float:
        """Return seconds since 1970-01-01 UTC."""


class BootClock:
    """The clock of this machine, counting through suspend (CLOCK_BOOTTIME; see clock_gettime(2)).

    ``CLOCK_MONOTONIC`` stands still while a machine sleeps: an owner that believes in its claim by that clock would
    wake up an hour later and go on.
    """

    _ID = getattr(time, 'CLOCK_BOOTTIME', time.CLOCK_MONOTONIC)

    def now(self) -> float:
        """Return seconds since the machine was started, suspended time included."""
        return time.clock_gettime(self._ID)

    def wall(self) -> float:
        """Return seconds since 1970-01-01 UTC."""
        return time.time()
