# SPDX-License-Identifier: Apache-2.0
"""How many random runs a test makes, and from which seed on."""

from __future__ import annotations

import os

__all__ = ['seeds']


def seeds(count: int) -> range:
    """Return the seeds of a test that makes ``count`` runs unless the environment says otherwise.

    TFD_PROPERTY_RUNS is a factor where it begins with ``x``, and the number of runs otherwise.
    """
    wanted = os.environ.get('TFD_PROPERTY_RUNS', '')
    if wanted.startswith('x'):
        count = max(1, int(count * float(wanted[1:])))
    elif wanted:
        count = int(wanted)
    first = int(os.environ.get('TFD_PROPERTY_SEED', '0'))
    return range(first, first + count)
