# SPDX-License-Identifier: Apache-2.0
"""How a program is started in which everything that waits gives way: green threads take the place of threads.

This module does not import eventlet: whoever asks how does not want to be changed by it.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Sequence

__all__ = ['command']


def command(module: str, arguments: Sequence[str]) -> list[str]:
    """Return the command that runs a module as a program of its own, patched before anything else is imported.

    :raises ImportError: eventlet is not installed.
    """
    if importlib.util.find_spec('eventlet') is None:
        raise ImportError("No module named 'eventlet'", name='eventlet')
    # With the places to import from that this program has, and none that comes of where it is started.
    return [sys.executable, '-P', '-m', 'tfd_drivers.eventlet.patched', json.dumps(sys.path), module, *arguments]
