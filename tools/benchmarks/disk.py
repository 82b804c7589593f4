# SPDX-License-Identifier: Apache-2.0
"""What it takes to have something on the disk."""

from __future__ import annotations

import os
import pathlib
import statistics
import tempfile
import time

__all__ = ['sync_seconds']

_ROUNDS = 51


def sync_seconds(folder: pathlib.Path) -> float:
    """Return the median of the seconds that it takes to write a page of a file in a folder and sync it."""
    page = bytes(4096)
    taken = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_ROUNDS):
            began = time.perf_counter()
            os.pwrite(file.fileno(), page, 0)
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)
