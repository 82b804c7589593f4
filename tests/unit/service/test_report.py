# SPDX-License-Identifier: Apache-2.0
"""The guru meditation report."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from typing import NoReturn
from unittest import mock

import fixtures
import greenlet
import testtools

from tests.unit.conf.deployments import Deployment
from tfd.conductors.runner import Running
from tfd.service import report
from tfd.service.notices import Notice, Phase


def _broken() -> NoReturn:
    raise ValueError('broken')


class ReportTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.made = self.useFixture(Deployment('[coordination]\nauth_data = digest:tfd:s3cr3t\n'))
        self.conf = self.made.conf()

    def test_shows_jobs_threads_and_configuration(self) -> None:
        run = Running('an-id', 'a.flow', 3, 0.0, ['one', 'two'])
        text = report.make(self.conf, {'Jobs': lambda: report.jobs([run])})
        for line in ('job an-id', 'flow = a.flow', 'epoch = 3', 'since = 1970-01-01T00:00:00+00:00',
                     'running atoms = one, two', 'tfd-conductor', 'host = here', f'(under {os.getppid()})'):
            self.assertIn(line, text)
        self.assertIn('test_shows_jobs_threads_and_configuration', text)

    def test_shows_green_threads_that_are_in_something(self) -> None:
        def waits() -> None:
            greenlet.getcurrent().parent.switch()

        ended, waiting = greenlet.greenlet(lambda: None), greenlet.greenlet(waits)
        ended.switch()
        waiting.switch()
        text = report.make(self.conf, {})
        self.assertIn('in waits', text)
        self.assertNotIn('No Traceback', text)
        waiting.switch()

    def test_shows_no_secret(self) -> None:
        text = report.make(self.conf, {})
        self.assertNotIn('s3cr3t', text)
        self.assertNotIn('sqlite:///', text)

    def test_shows_what_workers_say(self) -> None:
        said = [Notice(Phase.WAITING, 7, away={'database': 'gone'}), None]
        text = report.make(self.conf, {'Workers': lambda: report.workers(said)})
        self.assertIn('database = gone', text)
        self.assertIn('worker 1 = not known', text)

    def test_goes_to_standard_error(self) -> None:
        with mock.patch.object(sys, 'stderr', io.StringIO()) as printed:
            report.write(self.conf, {})
        self.assertIn('Guru Meditation', printed.getvalue())

    def test_goes_to_a_file_of_its_own(self) -> None:
        with self.made.file.open('a') as file:
            file.write(f'[oslo_reports]\nlog_dir = {self.made.dir}\n')
        report.write(self.made.conf(), {})
        [written] = self.made.dir.glob('tfd-conductor_gurumeditation_*')
        self.assertIn('Guru Meditation', written.read_text())

    def test_what_breaks_it_is_logged(self) -> None:
        report.write(self.conf, {'Jobs': _broken})
        self.assertIn('no report could be written', self.log.output)

    def test_is_written_on_the_signal_by_another_thread(self) -> None:
        self.addCleanup(signal.signal, signal.SIGUSR2, signal.getsignal(signal.SIGUSR2))
        written = threading.Event()
        by: list[threading.Thread] = []

        def write(*_: object) -> None:
            by.append(threading.current_thread())
            written.set()

        with mock.patch.object(report, 'write', write):
            report.on_signal(self.conf, {})
            os.kill(os.getpid(), signal.SIGUSR2)
            self.assertTrue(written.wait(10))
        self.assertIsNot(threading.main_thread(), by[0])
