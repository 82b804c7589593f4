# SPDX-License-Identifier: Apache-2.0
"""Pauses that grow, with jitter."""

from __future__ import annotations

import random

__all__ = ['Backoff']


class Backoff:
    """How long to wait after one more failure in a row; each pause is uniform in the upper half.

    :param first: seconds; the first pause at most.
    :param most: seconds; every pause at most. A conductor that finds its servers again late is late
        with takeovers too, so keep it short.
    """

    def __init__(self, rng: random.Random, first: float = 0.2, most: float = 5.0) -> None:
        self._rng = rng
        self._first = first
        self._most = most
        self._failures = 0

    @property
    def failures(self) -> int:
        """How many failures there were in a row."""
        return self._failures

    def failed(self) -> float:
        """Count a failure, and return for how many seconds to wait."""
        bound = min(self._most, self._first * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return bound * (0.5 + 0.5 * self._rng.random())

    def succeeded(self) -> None:
        """Forget the failures."""
        self._failures = 0
