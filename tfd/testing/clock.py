# SPDX-License-Identifier: Apache-2.0
"""A clock that a test turns."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ['FakeClock']


class FakeClock:
    """A :class:`~tfd.types.clock.Clock` that stands still until the test advances it. Safe to use from any thread.

    :param now: what :meth:`now` returns first.
    :param wall: what :meth:`wall` returns first; 2026-01-01 UTC by default.
    """

    def __init__(self, now: float = 1000.0, wall: float = 1767225600.0) -> None:
        self._lock = threading.Lock()
        self._now = now
        self._wall = wall
        self._followers: list[Callable[[], None]] = []

    def now(self) -> float:
        """Return the seconds since a fixed point."""
        with self._lock:
            return self._now

    def wall(self) -> float:
        """Return the seconds since 1970-01-01 UTC."""
        with self._lock:
            return self._wall

    def advance(self, seconds: float) -> None:
        """Let time pass, on both clocks, then call the followers in this thread.

        :raises ValueError: ``seconds`` is negative; nothing changes.
        """
        if seconds < 0:
            raise ValueError(f'time does not go back: seconds={seconds}')
        with self._lock:
            self._now += seconds
            self._wall += seconds
            followers = list(self._followers)
        for follower in followers:
            follower()

    def set_wall(self, wall: float) -> None:
        """Set the time of day alone, as an operator or NTP does."""
        with self._lock:
            self._wall = wall

    def follow(self, follower: Callable[[], None]) -> None:
        """Call ``follower`` after each :meth:`advance`, in the thread that advances."""
        with self._lock:
            self._followers.append(follower)
