# SPDX-License-Identifier: Apache-2.0
"""A small file system, which a test can fill."""

from __future__ import annotations

import errno
import os
import pathlib
import shutil
import subprocess
import tempfile

import fixtures

from tests.functional.servers.process import absent

__all__ = ['Disk']

_BLOCK = bytes(4096)


class Disk(fixtures.Fixture):
    """A file system in memory that holds a few megabytes. To mount it takes root, or sudo without a password.

    :param size: in megabytes.
    :param path: an existing folder to mount it on; one of its own where None.
    :ivar path: the folder.
    """

    def __init__(self, size: int, path: pathlib.Path | None = None) -> None:
        super().__init__()
        self.path = path or pathlib.Path(tempfile.mkdtemp(prefix='tfd-disk-'))
        self._size = size
        self._own = path is None

    def _setUp(self) -> None:
        if self._own:
            self.addCleanup(shutil.rmtree, self.path, ignore_errors=True)
        owner = self.path.stat()
        options = f'size={self._size}m,mode=0700,uid={owner.st_uid},gid={owner.st_gid}'
        done = _as_root('mount', '-t', 'tmpfs', '-o', options, 'tfd-disk', str(self.path))
        if done.returncode:
            raise absent('small file system', done.stdout.strip())
        # Who still has a file open there keeps it for as long.
        self.addCleanup(_as_root, 'umount', '--lazy', str(self.path))

    @property
    def _ballast(self) -> pathlib.Path:
        return self.path / 'ballast'

    def fill(self) -> None:
        """Leave no block free."""
        handle = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            while True:
                os.write(handle, _BLOCK)
        except OSError as err:
            if err.errno != errno.ENOSPC:
                raise
        finally:
            os.close(handle)

    def free(self) -> None:
        """Take away what :meth:`fill` put there. Calling it again does nothing."""
        self._ballast.unlink(missing_ok=True)


def _as_root(*command: str) -> subprocess.CompletedProcess[str]:
    prefix = () if os.getuid() == 0 else ('sudo', '-n')
    try:
        return subprocess.run(
            [*prefix, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except FileNotFoundError as err:
        return subprocess.CompletedProcess(command, 127, str(err))
