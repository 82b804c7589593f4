# SPDX-License-Identifier: Apache-2.0
"""The environment that has TaskFlow, and nothing of tfd."""

from __future__ import annotations

import fcntl
import pathlib
import subprocess
import sys

__all__ = ['NotMade', 'python']

_REQUIREMENT = 'taskflow==6.5.0'
_FOLDER = pathlib.Path(__file__).parents[2] / 'build' / 'oracle'


class NotMade(Exception):
    """It is not there, and cannot be made."""


def python() -> str:
    """Return the Python of the environment; makes it at first, which needs an index of packages.

    :raises NotMade: it cannot be made; the message says why.
    """
    _FOLDER.mkdir(parents=True, exist_ok=True)
    venv, stamp = _FOLDER / 'taskflow-venv', _FOLDER / 'installed'
    # Test processes may come here at the same time.
    with open(_FOLDER / 'lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != _REQUIREMENT:
            # Its base, because of environments of environments some versions of Python make broken ones.
            _run([sys._base_executable, '-m', 'venv', '--clear', str(venv)])  # type: ignore[attr-defined]
            _run([str(venv / 'bin' / 'python'), '-m', 'pip', 'install', '-qq', '--disable-pip-version-check',
                  _REQUIREMENT])
            stamp.write_text(_REQUIREMENT)
    return str(venv / 'bin' / 'python')


def _run(command: list[str]) -> None:
    made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode:
        raise NotMade(f'{" ".join(command)}: {made.stdout[-2000:]}')
