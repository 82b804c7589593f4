# SPDX-License-Identifier: Apache-2.0
"""Files that change together or not at all, whenever the process dies."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import threading
import zlib
from collections.abc import Iterator

from tfd import exceptions

__all__ = ['Files', 'as_line', 'whole_lines']

_COMMIT = 'commit'
_NEW = '.new'


class Files:
    """The files below a directory, by names relative to it. Safe to use from any thread.

    Several files are changed by writing the new ones beside the old, then one more that lists them: from its rename on
    the change has happened, and whoever finds that list carries it out. One that grows by a line is changed by that
    line alone, whose check sum tells whether all of it was written. Processes of one host exclude each other by a lock
    on a file; those of other hosts are not excluded.
    """

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self._guard = threading.RLock()
        self._handle: int | None = None
        self._pid = os.getpid()
        self._depth = 0

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Exclude every other user of the directory for a ``with`` block, which may be inside of another.

        :raises StorageUnavailable: the directory cannot be used.
        """
        with self._guard:
            try:
                if not self._depth:
                    self._enter()
                self._depth += 1
                try:
                    yield
                finally:
                    self._depth -= 1
                    if not self._depth and self._handle is not None:
                        fcntl.flock(self._handle, fcntl.LOCK_UN)
            except OSError as err:
                raise exceptions.StorageUnavailable(f'the directory {self.root} cannot be used now: {err}') from err

    def _enter(self) -> None:
        if self._handle is None or self._pid != os.getpid():
            # A fork would share its parent's lock.
            self._pid = os.getpid()
            self.root.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self.root / 'lock', os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        self._carry_out()

    def close(self) -> None:
        """Let go of the lock's file."""
        with self._guard:
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None

    def read(self, name: str) -> bytes | None:
        """Return what is in a file, None where there is none."""
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None

    def mark(self, name: str) -> tuple[int, int, int] | None:
        """Return what is another one once somebody has changed a file, None where there is none.

        Not the size alone: a file that is written anew may have the one that it had.
        """
        try:
            found = (self.root / name).stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def names(self, pattern: str) -> list[str]:
        """Return the names of the files that a pattern of the shell matches, sorted."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.glob(pattern))

    def change(self, changed: dict[str, bytes | None]) -> None:
        """Give these files new contents; None removes one. To be called :meth:`alone`."""
        for name, content in changed.items():
            if content is not None:
                self._write(f'{name}{_NEW}', content)
        listed = {name: content is not None for name, content in changed.items()}
        self._write(f'{_COMMIT}{_NEW}', json.dumps(listed).encode())
        os.replace(self.root / f'{_COMMIT}{_NEW}', self.root / _COMMIT)
        self._sync(self.root)
        self._carry_out()

    def _carry_out(self) -> None:
        listed = self.read(_COMMIT)
        if listed is None:
            return
        folders = set()
        for name, stays in json.loads(listed).items():
            path = self.root / name
            folders.add(path.parent)
            with contextlib.suppress(FileNotFoundError):
                # What is not there any more was done before this was broken off.
                if stays:
                    os.replace(f'{path}{_NEW}', path)
                else:
                    path.unlink()
        for folder in folders:
            if folder.exists():
                self._sync(folder)
        (self.root / _COMMIT).unlink()
        self._sync(self.root)

    def append(self, name: str, line: bytes) -> None:
        """Add a line to a file that ends with a whole one. To be called :meth:`alone`."""
        handle = os.open(self.root / name, os.O_WRONLY | os.O_APPEND)
        try:
            _write_all(handle, line)
            os.fdatasync(handle)
        finally:
            os.close(handle)

    def cut(self, name: str, size: int) -> None:
        """Remove what is beyond a size: the part of a line that was being added when its writer died."""
        os.truncate(self.root / name, size)

    def _write(self, name: str, content: bytes) -> None:
        path = self.root / name
        if not path.parent.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._sync(path.parent.parent)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _write_all(handle, content)
            os.fsync(handle)
        finally:
            os.close(handle)

    def _sync(self, folder: pathlib.Path) -> None:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _write_all(handle: int, content: bytes) -> None:
    while content:
        content = content[os.write(handle, content):]


def as_line(text: str) -> bytes:
    """Return a text without line breaks as a line with a check sum."""
    content = text.encode()
    return b'%08x %s\n' % (zlib.crc32(content), content)


def whole_lines(content: bytes) -> tuple[list[str], int]:
    """Return the texts of the whole lines that a file begins with, and where they end."""
    found, at = [], 0
    while (end := content.find(b'\n', at)) >= 0:
        text = content[at + 9:end]
        if content[at:at + 9] != b'%08x ' % zlib.crc32(text):
            break
        found.append(text.decode())
        at = end + 1
    return found, at
