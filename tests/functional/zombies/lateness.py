# SPDX-License-Identifier: Apache-2.0
"""How busy the machine is, for limits on time."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

__all__ = ['Lateness']

_STEP = 0.02
#: What is usual on a machine that has nothing else to do.
_USUAL = 0.002


class Lateness:
    """Adds up, in a ``with`` block, by how much later than it asked a thread was woken.

    That is how long a process waits for a processor, and about what a busy machine adds to the time
    that any other process took meanwhile.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            time.sleep(_STEP)
            self.seconds += max(0.0, time.monotonic() - began - _STEP - _USUAL)
