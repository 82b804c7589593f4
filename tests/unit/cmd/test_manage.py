# SPDX-License-Identifier: Apache-2.0
"""``tfd-manage db …`` and ``tfd-status upgrade check``."""

from __future__ import annotations

from tests.unit.cmd.commands import CommandTestCase
from tfd.cmd import exits, manage, status
from tfd_drivers.sql.database import REVISION


class ManageTest(CommandTestCase):

    migrated = False

    def test_check_before_and_after_sync(self) -> None:
        self.assertEqual(exits.Exit.SCHEMA, self.call(manage.main, 'db', 'check').status)
        self.assertEqual(exits.Exit.DONE, self.call(manage.main, 'db', 'sync').status)
        self.assertEqual(exits.Exit.DONE, self.call(manage.main, 'db', 'check').status)

    def test_sync_twice(self) -> None:
        self.assertIn('applied 0001\n', self.call(manage.main, 'db', 'sync').out)
        again = self.call(manage.main, 'db', 'sync')
        self.assertEqual((exits.Exit.DONE, 'the schema is up to date\n'), (again.status, again.out))

    def test_sync_step_by_step(self) -> None:
        self.assertEqual(exits.Exit.SCHEMA, self.call(manage.main, 'db', 'sync', '--contract').status)
        self.assertIn('applied 0001\n', self.call(manage.main, 'db', 'sync', '--expand').out)
        self.assertEqual(exits.Exit.DONE, self.call(manage.main, 'db', 'sync', '--contract').status)
        self.assertEqual(exits.Exit.USAGE, self.call(manage.main, 'db', 'sync', '--expand', '--contract').status)

    def test_version_says_what_is_there_and_what_is_expected(self) -> None:
        ended = self.call(manage.main, 'db', 'version')
        self.assertEqual(exits.Exit.DONE, ended.status)
        self.assertEqual(f'found no schema, expected {REVISION}\n', ended.out)

    def test_version_of_a_database_that_is_up_to_date(self) -> None:
        self.call(manage.main, 'db', 'sync')
        self.assertEqual(f'found {REVISION}, expected {REVISION}\n', self.call(manage.main, 'db', 'version').out)


class StatusTest(CommandTestCase):

    def _check(self) -> tuple[int, dict[str, str]]:
        ended = self.call(status.main, 'upgrade', 'check', '-f', 'json')
        return ended.status, {row['check']: row['result'] for row in ended.json()}

    def test_all_is_well(self) -> None:
        self.assertEqual((0, {'database schema': 'success', 'drivers': 'success'}), self._check())

    def test_a_driver_that_is_missing_is_a_failure(self) -> None:
        with self.deployment.file.open('a') as file:
            file.write('[coordination]\nbackend = etcd\n')
        self.assertEqual((2, {'database schema': 'success', 'drivers': 'failure'}), self._check())

    def test_what_cannot_be_found_out_is_neither(self) -> None:
        self.deployment.file.write_text('[database]\nconnection = mysql://127.0.0.1:1/tfd\n')
        code, results = self._check()
        self.assertEqual((255, 'unknown'), (code, results['database schema']))


class UnmigratedStatusTest(CommandTestCase):

    migrated = False

    def test_an_unmigrated_database_is_a_failure(self) -> None:
        self.assertEqual(2, self.call(status.main, 'upgrade', 'check').status)
