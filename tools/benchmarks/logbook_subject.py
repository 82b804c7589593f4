# SPDX-License-Identifier: Apache-2.0
"""A process that measures one library on one database."""

from __future__ import annotations

import json
import pathlib
import subprocess
from typing import Any

__all__ = ['Subject']

_WORKER = pathlib.Path(__file__).with_name('logbook_worker.py')


class Subject:
    """A worker process; to be used in a ``with`` statement, which ends it.

    :param python: the Python that has the library.
    :param library: its name, as the worker knows it.
    :param url: of an empty database.
    :ivar about: what the worker says about itself.
    """

    def __init__(self, python: str, library: str, url: str) -> None:
        self._library = library
        self._process = subprocess.Popen(
            [python, str(_WORKER), library, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
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

    def measure(self, what: str, number: int) -> dict[str, float]:
        """Return one measurement.

        :raises SystemExit: the process has ended; its error was printed.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(f'{what} {number}\n')
        self._process.stdin.flush()
        return {name: float(value) for name, value in self._read().items()}

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f'tools/bench: the process that measures {self._library} has ended')
        return json.loads(line)
