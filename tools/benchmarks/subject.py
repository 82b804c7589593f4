# SPDX-License-Identifier: Apache-2.0
"""A process that measures one library, and is asked line by line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from typing import Any

__all__ = ['Subject']


class Subject:
    """A worker process; to be used in a ``with`` statement, which ends it.

    It writes a line of JSON about itself, then one for each line that it reads.

    :param library: what it measures, for errors.
    :param command: what is run, the Python that has the library first.
    :ivar about: what the worker says about itself.
    """

    def __init__(self, library: str, command: Sequence[str]) -> None:
        self._library = library
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

    def measure(self, what: str = '') -> dict[str, float]:
        """Return one more measurement.

        :raises SystemExit: the process has ended; its error was printed.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(f'{what}\n')
        self._process.stdin.flush()
        return {name: float(value) for name, value in self._read().items()}

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f'tools/bench: the process that measures {self._library} has ended')
        return json.loads(line)
