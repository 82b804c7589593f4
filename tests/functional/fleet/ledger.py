# SPDX-License-Identifier: Apache-2.0
"""What the tasks did: a ledger that any process can append to, and the world that they change."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import time
import uuid

__all__ = ['Ledger', 'Line', 'World']


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One line of the ledger.

    :ivar at: ``time.monotonic()``, which all processes of a machine share.
    :ivar action: ``execute`` or ``revert``.
    :ivar what: ``start``, ``effect`` once the world was changed, or ``end``.
    :ivar key: the idempotency key that the task was given.
    :ivar value: what the task returns, or is given of its result.
    """

    at: float
    job: str
    epoch: int
    pid: int
    action: str
    atom: int
    what: str
    key: str
    value: str


class Ledger:
    """A file of lines in the order in which they were written. Safe in any process."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._path = folder / 'ledger'

    def note(
        self, job: str, epoch: int, action: str, atom: int, what: str, key: str, value: str = '',
    ) -> None:
        """Append a line."""
        line = Line(time.monotonic(), job, epoch, os.getpid(), action, atom, what, key, value)
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            # One write: lines of several processes do not mix.
            os.write(file, f'{json.dumps(dataclasses.asdict(line))}\n'.encode())
        finally:
            os.close(file)

    def lines(
        self, job: str | None = None, *, action: str | None = None, what: str | None = None,
    ) -> list[Line]:
        """Return the lines about a job, an action and so on; all where None."""
        text = self._path.read_text() if self._path.exists() else ''
        # The last line may be half there while somebody writes it.
        lines = [Line(**json.loads(line)) for line in text.splitlines(True) if line.endswith('\n')]
        return [line for line in lines
                if job in (None, line.job) and action in (None, line.action)
                and what in (None, line.what)]


class World:
    """A folder of things that tasks make and remove, each once for its key."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder / 'world'
        self._folder.mkdir(exist_ok=True)

    def create(self, job: str, key: str) -> str:
        """Make a thing unless it is there; return what it is called."""
        path = self._folder / f'{job}.{key}'
        new = self._folder / f'.{uuid.uuid4()}'
        new.write_text(str(uuid.uuid4()))
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
        new.unlink()
        return path.read_text()

    def delete(self, job: str, key: str) -> None:
        """Remove a thing, if it is there."""
        (self._folder / f'{job}.{key}').unlink(missing_ok=True)

    def things(self, job: str) -> dict[str, str]:
        """Return what there is of a job: names by key."""
        return {path.name.partition('.')[2]: path.read_text()
                for path in self._folder.glob(f'{job}.*')}
