# SPDX-License-Identifier: Apache-2.0
"""``tfd-manage purge``."""

from __future__ import annotations

import contextlib
import time

from tests.functional.sql.finished import fill
from tests.unit.cmd.commands import CommandTestCase
from tfd import states
from tfd.cmd import exits, manage, tfd
from tfd.conf import deployment

_DAY = 86400.0


class PurgeTest(CommandTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.backend = deployment.make_backend(self.deployment.conf())
        self.addCleanup(self.backend.close)
        # Of ten, the oldest ended nine and a half days ago; every other one was reverted.
        fill(self.backend.database, 10, time.time() - _DAY / 2, [states.SUCCESS, states.REVERTED], spacing=_DAY)

    def left(self) -> int:
        return len(self.call(tfd.main, 'job', 'list', '-f', 'json').json())

    def test_nothing_goes_that_nothing_was_said_about(self) -> None:
        ended = self.call(manage.main, 'purge')
        self.assertEqual(exits.Exit.CONFIGURATION, ended.status)
        self.assertIn('success_days', ended.err)
        self.assertEqual(10, self.left())

    def test_by_age(self) -> None:
        ended = self.call(manage.main, 'purge', '--older-than', '5d', '--batch', '2')
        self.assertEqual((0, 'removed 2 jobs that ended in SUCCESS\nremoved 3 jobs that ended in REVERTED\n'),
                         (ended.status, ended.out), ended.err)
        self.assertEqual(5, self.left())

    def test_by_age_and_outcome(self) -> None:
        ended = self.call(manage.main, 'purge', '--older-than', '120h', '--outcome', 'REVERTED')
        self.assertEqual('removed 3 jobs that ended in REVERTED\n', ended.out)

    def test_as_the_configuration_says(self) -> None:
        with self.deployment.file.open('a') as file:
            file.write('[retention]\nsuccess_days = 3\n')
        self.assertEqual('removed 3 jobs that ended in SUCCESS\n', self.call(manage.main, 'purge').out)

    def test_dry_run_removes_nothing(self) -> None:
        ended = self.call(manage.main, 'purge', '--older-than', '5d', '--dry-run')
        self.assertIn('would remove 2 jobs that ended in SUCCESS\n', ended.out)
        self.assertEqual(10, self.left())

    def test_by_name(self) -> None:
        job = self.call(tfd.main, 'job', 'post', 'a-flow', '-f', 'json').json()['id']
        self.assertEqual(f'would remove job {job}\n', self.call(manage.main, 'purge', '--job', job, '--dry-run').out)
        self.assertEqual(f'removed job {job}\n', self.call(manage.main, 'purge', '--job', job).out)
        self.assertEqual(exits.Exit.NOT_FOUND, self.call(manage.main, 'purge', '--job', job).status)

    def test_flows_without_a_job(self) -> None:
        self.assertEqual(exits.Exit.CONFIGURATION, self.call(manage.main, 'purge', '--orphans').status)
        ended = self.call(manage.main, 'purge', '--orphans', '--older-than', '1d', '--batch', '3')
        self.assertEqual('removed 0 flows without a job\n', ended.out)

    def test_an_age_needs_a_unit(self) -> None:
        for age in ('5', '0d', 'x', '-1d'):
            self.assertEqual(
                exits.Exit.USAGE, self.call(manage.main, 'purge', f'--older-than={age}').status)


class RunningTest(CommandTestCase):

    def test_a_schema_that_does_not_fit_is_left_alone(self) -> None:
        (self.deployment.dir / 'tfd.sqlite').unlink()
        with contextlib.suppress(FileNotFoundError):
            (self.deployment.dir / 'tfd.sqlite-wal').unlink()
        self.assertEqual(exits.Exit.SCHEMA, self.call(manage.main, 'purge', '--older-than', '1d').status)
