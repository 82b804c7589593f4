# SPDX-License-Identifier: Apache-2.0
"""How many bytes a process grows by, at its largest, while it makes a flow and runs it."""

from __future__ import annotations

import gc
import pathlib

from benchmarks import shapes

__all__ = ['measure']


def measure(library: shapes.Library, shape: str, count: int) -> dict[str, float]:
    """Return the bytes. To be asked once for each process: what is freed is not given back to the system."""
    gc.collect()
    # Writing 5 makes the high water mark what is in use now.
    pathlib.Path('/proc/self/clear_refs').write_text('5')
    before = _high_water()
    engine = library.engines.load(library.make(shape, count), store=library.inputs)
    engine.run()
    return {'bytes': _high_water() - before}


def _high_water() -> int:
    for line in pathlib.Path('/proc/self/status').read_text().split('\n'):
        name, _, value = line.partition(':')
        if name == 'VmHWM':
            return int(value.split()[0]) * 1024
    raise OSError('the system does not tell how large a process has been')
