# SPDX-License-Identifier: Apache-2.0
"""How ``tfd-conductor`` refuses to start."""

from __future__ import annotations

import contextlib
import sqlite3
from unittest import mock

from tests.unit.cmd.commands import CommandTestCase
from tfd.cmd import conductor, exits, manage
from tfd.cmd import tfd as shell
from tfd.service import daemon, worker


class StatusTest(CommandTestCase):

    migrated = False

    def test_the_daemon_ends_as_the_table_of_statuses_says(self) -> None:
        self.assertEqual(
            (exits.Exit.SCHEMA, exits.Exit.NOT_IN_TIME, exits.Exit.AT_ONCE),
            (worker.UNFIT, daemon.NOT_IN_TIME, daemon.AT_ONCE))


class RefusalTest(CommandTestCase):

    migrated = False

    def setUp(self) -> None:
        super().setUp()
        patch = mock.patch.object(daemon, 'run', side_effect=AssertionError('it started'))
        patch.start()
        self.addCleanup(patch.stop)

    def test_without_a_schema(self) -> None:
        ended = self.call(conductor.main)
        self.assertEqual(exits.Exit.SCHEMA, ended.status)
        self.assertIn("tfd-conductor: the database sqlite:///", ended.err)

    def test_with_a_schema_that_a_later_release_contracted(self) -> None:
        self.call(manage.main, 'db', 'sync')
        database = sqlite3.connect(self.deployment.dir / 'tfd.sqlite')
        with contextlib.closing(database), database:
            database.execute("INSERT INTO tfd_schema VALUES ('c9999')")
        ended = self.call(conductor.main)
        self.assertEqual(exits.Exit.SCHEMA, ended.status)
        self.assertIn('this release is too old for it', ended.err)
        self.assertEqual(exits.Exit.SCHEMA, self.call(shell.main, 'job', 'list').status)
        self.assertEqual(exits.Exit.SCHEMA, self.call(manage.main, 'db', 'sync').status)

    def test_with_a_file_that_is_not_ini(self) -> None:
        self.deployment.file.write_text('[conductor\n')
        ended = self.call(conductor.main)
        self.assertEqual(exits.Exit.CONFIGURATION, ended.status)
        self.assertIn('line 1', ended.err)

    def test_with_a_value_that_cannot_be(self) -> None:
        with self.deployment.file.open('a') as file:
            file.write('[conductor]\nworkers = 0\n')
        ended = self.call(conductor.main)
        self.assertEqual(exits.Exit.CONFIGURATION, ended.status)
        self.assertIn('[conductor] workers', ended.err)

    def test_with_a_log_that_cannot_be_written(self) -> None:
        ended = self.call(conductor.main, '--log-dir', str(self.deployment.file / 'logs'))
        self.assertEqual(exits.Exit.CONFIGURATION, ended.status)
        self.assertIn('logging', ended.err)

    def test_with_an_unknown_option(self) -> None:
        self.assertEqual(exits.Exit.USAGE, self.call(conductor.main, '--unknown').status)
