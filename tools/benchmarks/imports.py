# SPDX-License-Identifier: Apache-2.0
"""What importing a module costs over starting Python, and whose packages it brings with it."""

from __future__ import annotations

import os
import subprocess

__all__ = ['others', 'seconds']

_MODULE = 'tfd.task'
_LIST = """
import sys
before = set(sys.modules)
import {module}
names = {{name.partition('.')[0] for name in set(sys.modules) - before}}
print(*sorted(names - set(sys.stdlib_module_names) - {{'tfd'}}))
"""


def seconds(python: str) -> dict[str, float]:
    """Return the seconds of processor time of a Python that imports the module, and of one that does nothing."""
    return {'run_cpu': _cpu(python, f'import {_MODULE}'), 'bare_cpu': _cpu(python, 'pass')}


def _cpu(python: str, script: str) -> float:
    process = subprocess.Popen([python, '-I', '-c', script])
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise SystemExit(f'tools/bench: {script} fails')
    return usage.ru_utime + usage.ru_stime


def others(python: str) -> list[str]:
    """Return the packages of others that the module imports."""
    script = _LIST.format(module=_MODULE)
    done = subprocess.run([python, '-I', '-c', script], capture_output=True, text=True, check=True)
    return done.stdout.split()
