# SPDX-License-Identifier: Apache-2.0
"""How long a worker that takes the place of a dead one waits before it begins."""

from __future__ import annotations

import random

from tfd.conductors import backoff

__all__ = ['LONGEST', 'YOUNG', 'Respawn']

#: Seconds: a process that lived for longer did not die of its start, and is replaced at once.
YOUNG = 60.0
#: Seconds between two starts, at most: a cause that is mended is found out soon after.
LONGEST = 60.0
_FIRST = 0.5


class Respawn:
    """Counts the deaths of workers, in the parent; each worker inherits its pause by the fork.

    The worker itself waits, and not the parent: others are started meanwhile, and SIGTERM is heard.
    """

    def __init__(self, rng: random.Random | None = None) -> None:
        self._rng = rng or random.Random()
        self._young: dict[int, backoff.Backoff] = {}
        self._pauses: dict[int, float] = {}

    def died(self, number: int, age: float) -> int:
        """Count a death; return how many there were in a row.

        :param age: seconds for which the process lived.
        """
        if age > YOUNG:
            self._young.pop(number, None)
        deaths = self._young.setdefault(number, backoff.Backoff(self._rng, _FIRST, LONGEST))
        self._pauses[number] = deaths.failed()
        return deaths.failures

    def pause(self, number: int) -> float:
        """Return for how many seconds the next process with this number waits."""
        return self._pauses.get(number, 0.0)
