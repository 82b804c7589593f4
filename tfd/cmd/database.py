# SPDX-License-Identifier: Apache-2.0
"""What commands on the database of ``[database] connection`` have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tfd.cmd import shell
from tfd.conf import deployment

__all__ = ['Command']


class Command(shell.Silent):
    """Has the backend, and says in lines what it did."""

    @contextlib.contextmanager
    def backend(self) -> Iterator[deployment.JobBackend]:
        """Give the backend to a ``with`` block, whatever its schema is."""
        with contextlib.closing(deployment.make_backend(self.app.conf())) as backend:
            yield backend

    @contextlib.contextmanager
    def checked_backend(self) -> Iterator[deployment.JobBackend]:
        """Give the backend to a ``with`` block.

        :raises IncompatibleSchema: this release cannot work with its schema.
        """
        with self.backend() as backend:
            backend.schema().check()
            yield backend

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, file=self.app.stdout)
