# SPDX-License-Identifier: Apache-2.0
"""A process that measures one library with one kind of flow."""

from __future__ import annotations

import json
import subprocess
from typing import Any

__all__ = ['Subject']


class Subject:
    """A worker process; to be used in a ``with`` statement, which ends it.

    :param python: the Python that has the library.
    :param library: its name.
    :param shape: of the flow.
    :param count: of tasks.
    :param folder: where to keep a database; None: flows are kept in memory.
    :ivar about: what the worker says about itself.
    """

    def __init__(self, python: str, library: str, shape: str, count: int, folder: str | None = None) -> None:
        self.library = library
        command = [python, '-m', 'benchmarks.worker', library, shape, str(count)]
        if folder is not None:
            command.append(folder)
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.about: dict[str, Any] = {}

    def __enter__(self) -> Subject:
        self.about = self._read()
        return self

    def __exit__(self, *unused: object) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def measure(self) -> dict[str, float]:
        """Return the seconds of one more flow.

        :raises SystemExit: the process has ended; its error was printed.
        """
        assert self._process.stdin is not None
        self._process.stdin.write('\n')
        self._process.stdin.flush()
        return {phase: float(seconds) for phase, seconds in self._read().items()}

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f'tools/bench: the process that measures {self.library} has ended')
        return json.loads(line)
