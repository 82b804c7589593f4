# SPDX-License-Identifier: Apache-2.0
"""The processes that the demo starts: each in a session of its own, none left behind."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

__all__ = ['ProcessDied', 'Processes']


class ProcessDied(Exception):
    """A process ended that should run.

    :ivar name: its name.
    :ivar log: the end of what it printed.
    """

    def __init__(self, name: str, status: int, log: str) -> None:
        super().__init__(f'{name} ended by itself with exit status {status}; its log ends:\n{log}')
        self.name = name
        self.log = log


class Processes:
    """Starts processes, and ends them with everything that they have started in turn.

    They are told to end (SIGTERM) also where this process is killed, unless they are to be kept.

    :param logs: a folder for their output, one file each.
    :param keep: whether they may live on after this process.
    :param inherited: file descriptors for each of them to have.
    """

    def __init__(
        self, logs: pathlib.Path, keep: bool, inherited: Sequence[int] = ()
    ) -> None:
        self._logs = logs
        self._keep = keep
        self._inherited = inherited
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> int:
        """Start a process as the leader of a new session; return its pid, which is its group's."""
        guard = [] if self._keep else ['setpriv', '--pdeathsig', 'TERM', '--']
        with self.log(name).open('ab') as log:
            self._running[name] = subprocess.Popen(
                [*guard, *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **env}, start_new_session=True, pass_fds=self._inherited)
        return self._running[name].pid

    def log(self, name: str) -> pathlib.Path:
        """Return the file that has what the process printed."""
        return self._logs / f'{name}.log'

    def groups(self) -> dict[str, int]:
        """Return the process group of everything that runs, by name."""
        return {name: process.pid for name, process in self._running.items()}

    def check(self) -> None:
        """Return if all that was started, and not killed, runs.

        :raises ProcessDied: otherwise.
        """
        for name, process in self._running.items():
            if _ended(process.pid):
                _kill_group(process.pid)
                text = self.log(name).read_text(errors='replace').splitlines()
                raise ProcessDied(name, process.wait(), '\n'.join(text[-15:]))

    def kill(self, name: str) -> None:
        """Send SIGKILL to the whole group of a process, and forget it."""
        process = self._running.pop(name)
        _kill_group(process.pid)
        process.wait()

    def stop(self, limit: float) -> None:
        """Ask one after the other to end, the last started first; kill who has not ended in time.

        :param limit: seconds for all of them.
        """
        deadline = time.monotonic() + limit
        for name, process in reversed(list(self._running.items())):
            if not _ended(process.pid):
                process.terminate()
            while not _ended(process.pid) and time.monotonic() < deadline:
                time.sleep(0.02)
            self.kill(name)


def _ended(pid: int) -> bool:
    """Return whether a child has ended, and leave it there: its number stays its own."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
