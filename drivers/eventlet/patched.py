# SPDX-License-Identifier: Apache-2.0
"""The program that :func:`tfd_drivers.eventlet.launch.command` starts: patches itself, and becomes another one."""

from __future__ import annotations

import json
import os
import runpy
import sys
import warnings

__all__: list[str] = []


def main() -> None:
    """Patch the standard library, and run the module that the command line names."""
    with warnings.catch_warnings():
        # That it is deprecated is the reader's of the configuration to know, not of each log.
        warnings.simplefilter('ignore')
        import eventlet

        eventlet.monkey_patch()
    # psycopg waits in C, where green threads cannot take turns, unless it is told not to.
    os.environ.setdefault('PSYCOPG_WAIT_FUNC', 'wait_selector')
    sys.path[:] = json.loads(sys.argv[1])
    del sys.argv[:2]
    runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)


if __name__ == '__main__':
    main()
