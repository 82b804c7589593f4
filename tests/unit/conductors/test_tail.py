# SPDX-License-Identifier: Apache-2.0
"""What is kept of the log about a job."""

from __future__ import annotations

import logging
import threading

import fixtures
import testtools
from testtools.matchers import EndsWith

from tfd.conductors.tail import LINES, WIDTH, Tail, Tails, bounded

_JOB = '00000000-0000-4000-8000-000000000001'
_FLOW = '00000000-0000-4000-8000-000000000002'
LOG = logging.getLogger(__name__)


class TailTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(fixtures.FakeLogger(level=logging.INFO))
        self.tails = Tails()
        capture = self.tails.capture()
        capture.__enter__()
        self.addCleanup(capture.__exit__, None, None, None)

    def test_keeps_what_the_thread_logs(self) -> None:
        with self.tails.of(_JOB) as tail:
            LOG.info('before %s', 'all')
        LOG.info('after')
        self.assertEqual(1, len(tail.lines))
        self.assertThat(tail.lines[0], EndsWith(f'Z INFO {__name__}: before all'))

    def test_keeps_what_other_threads_say_of_the_job_or_its_flow(self) -> None:
        with self.tails.of(_JOB, _FLOW) as tail:
            for message in (f'job={_JOB} one', f'flow {_FLOW} two', 'nothing', f'{_JOB[:-1]}9 another'):
                other = threading.Thread(target=LOG.info, args=(message,))
                other.start()
                other.join()
        self.assertEqual(['one', 'two'], [line.rpartition(' ')[2] for line in tail.lines])

    def test_two_jobs_do_not_mix(self) -> None:
        tails: list[Tail] = []

        def run(name: str) -> None:
            with self.tails.of(name) as tail:
                LOG.info('line of %s', name)
            tails.append(tail)

        for name in ('one', 'two'):
            thread = threading.Thread(target=run, args=(name,))
            thread.start()
            thread.join()
        self.assertEqual(['one', 'two'], [tail.lines[0].rpartition(' ')[2] for tail in tails])

    def test_keeps_the_last_ones(self) -> None:
        with self.tails.of(_JOB) as tail:
            for number in range(LINES + 5):
                LOG.info('%d', number)
        self.assertEqual(LINES, len(tail.lines))
        self.assertThat(tail.lines[-1], EndsWith(f' {LINES + 4}'))

    def test_a_line_is_one_line(self) -> None:
        with self.tails.of(_JOB) as tail:
            LOG.info('a\nb')
        self.assertThat(tail.lines[0], EndsWith(': a b'))

    def test_of_an_error_the_type_is_kept(self) -> None:
        with self.tails.of(_JOB) as tail:
            try:
                raise KeyError('s3cr3t')
            except KeyError:
                LOG.exception('it broke')
        self.assertThat(tail.lines[0], EndsWith(': it broke (KeyError)'))

    def test_what_is_stored_of_a_line_is_bounded(self) -> None:
        self.assertEqual(WIDTH, len(bounded('x' * 1000)))
        self.assertEqual('short', bounded('short'))

    def test_nothing_is_heard_afterwards(self) -> None:
        with Tails().capture():
            handlers = len(logging.getLogger().handlers)
        self.assertEqual(handlers - 1, len(logging.getLogger().handlers))
