# SPDX-License-Identifier: Apache-2.0
"""A deployment on SQLite in a folder of its own, for tests of what is configured."""

from __future__ import annotations

import contextlib
import pathlib

import fixtures

from tfd.conf import deployment, load


class Deployment(fixtures.Fixture):  # type: ignore[misc]  # it comes without types
    """A configuration file; its database has the schema unless ``migrated`` is False.

    :ivar file: the path of the configuration file.
    """

    def __init__(self, text: str = '', migrated: bool = True) -> None:
        super().__init__()
        self._text = text
        self._migrated = migrated

    def _setUp(self) -> None:
        self.dir = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.file = self.dir / 'tfd.conf'
        self.file.write_text(
            '[DEFAULT]\nhost = here\n'
            f'[database]\nconnection = sqlite:///{self.dir}/tfd.sqlite\n{self._text}')
        if self._migrated:
            with contextlib.closing(deployment.make_backend(self.conf())) as backend:
                with contextlib.closing(backend.get_connection()) as connection:
                    connection.upgrade()

    def conf(self) -> load.Configuration:
        return load.load(load.arguments([str(self.file)]))
