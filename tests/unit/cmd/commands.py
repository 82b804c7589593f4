# SPDX-License-Identifier: Apache-2.0
"""Runs a command in this process."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock

import fixtures
import testtools

from tests.unit.conf.deployments import Deployment
from tfd.cmd import shell


@dataclasses.dataclass(frozen=True)
class Ended:
    """What a command left: its status, and what it printed."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


class CommandTestCase(testtools.TestCase):
    """``self.call`` runs ``main`` with the configuration of ``self.deployment``."""

    migrated = True

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(fixtures.FakeLogger())
        self.deployment = self.useFixture(Deployment(migrated=self.migrated))
        # It would add a handler to the root logger for each command.
        patch = mock.patch.object(shell.Shell, 'configure_logging')
        patch.start()
        self.addCleanup(patch.stop)

    def call(self, main: Callable[[Sequence[str]], int], *words: str) -> Ended:
        return self.call_plain(main, '--config-file', str(self.deployment.file), *words)

    def call_plain(self, main: Callable[[Sequence[str]], int], *words: str) -> Ended:
        out, err = io.StringIO(), io.StringIO()
        with mock.patch('sys.stdout', out), mock.patch('sys.stderr', err):
            try:
                status = main(words)
            except SystemExit as end:
                status = int(end.code or 0)
        return Ended(status, out.getvalue(), err.getvalue())
