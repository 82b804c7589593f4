# SPDX-License-Identifier: Apache-2.0
"""Points of a job's run, and what happens to the process that comes to one.

Points are named by what is going on, with N from 1:

``claim:before`` ``claim:commit`` ``claim:after``
    The change of the job's owner: the lock is held; inside the transaction; the row is changed.
``create:…``
    The first record of the flow, likewise.
``append:N:before`` ``append:N:commit`` ``append:N:after``
    The N-th step that an owner records: before it; between its guard and its COMMIT, or where these are one statement
    (on PostgreSQL, but for the first and the last step) before that; recorded.
``settle:…``
    A job that is given back outside of a step.
``execute:N:before`` ``execute:N:effect`` ``execute:N:return``
    Inside of the N-th task: before its effect, after it, and immediately before it returns.
``revert:N:…``
    Inside of its revert, likewise.

Only the first process that comes to a point meets what was planned there:

``kill`` ``kill-group``
    SIGKILL, to the process or to its process group: the whole daemon.
``stop`` ``stop-group``
    SIGSTOP.
``hold``
    The thread waits there until :meth:`Points.open`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import time
import uuid
from collections.abc import Mapping
from typing import Any

__all__ = ['Arrival', 'Points', 'reach']

_POLL = 0.005
_SIGNALS = {'kill': signal.SIGKILL, 'stop': signal.SIGSTOP}


@dataclasses.dataclass(frozen=True, slots=True)
class Arrival:
    """The process that came to a point, and when (``time.monotonic()``)."""

    pid: int
    at: float


class Points:
    """Points that were reached, as files. Safe in any process."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder / 'points'
        self._folder.mkdir(exist_ok=True)

    def arrive(self, job: str, name: str) -> bool:
        """Write down that this process is here; return whether it is the first one."""
        new = self._folder / f'.{uuid.uuid4()}'
        new.write_text(json.dumps({'pid': os.getpid(), 'at': time.monotonic()}))
        try:
            os.link(new, self._path(job, name))
        except FileExistsError:
            return False
        finally:
            new.unlink()
        return True

    def arrival(self, job: str, name: str) -> Arrival | None:
        """Return who came to a point, None while nobody did."""
        with contextlib.suppress(FileNotFoundError):
            return Arrival(**json.loads(self._path(job, name).read_text()))
        return None

    def wait(self, job: str, name: str, timeout: float = 60.0) -> Arrival:
        """Return who came to a point, once somebody does.

        :raises TimeoutError: nobody came.
        """
        deadline = time.monotonic() + timeout
        while (found := self.arrival(job, name)) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f'nobody came to {name} of job {job} in {timeout:g} s')
            time.sleep(_POLL)
        return found

    def hold(self, job: str, name: str) -> None:
        """Wait until the point is opened."""
        while not self._open_path(job, name).exists():
            time.sleep(_POLL)

    def open(self, job: str, name: str) -> None:
        """Let go on who is held at a point, and whoever comes there."""
        self._open_path(job, name).touch()

    def _path(self, job: str, name: str) -> pathlib.Path:
        return self._folder / f'{job}@{name}'

    def _open_path(self, job: str, name: str) -> pathlib.Path:
        return self._folder / f'{job}@{name}.open'


def reach(options: Mapping[str, Any] | None, job: str, name: str) -> None:
    """Meet what the options of a job plan at a point."""
    planned = (options or {}).get('points', {}).get(name)
    if planned is None:
        return
    assert options is not None
    points = Points(pathlib.Path(options['folder']))
    if not points.arrive(job, name):
        return
    if planned == 'hold':
        points.hold(job, name)
        return
    deed, _, group = planned.partition('-')
    # 0 is the whole group.
    os.kill(0 if group else os.getpid(), _SIGNALS[deed])
    # Another thread may be the one that takes the signal: this one would run on for a moment.
    time.sleep(0.1)
