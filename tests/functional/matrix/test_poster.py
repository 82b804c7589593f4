# SPDX-License-Identifier: Apache-2.0
"""A poster that dies loses nothing that it was told is stored, and leaves no half of anything."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import time

import testtools
from testtools import content

from tests.functional.fleet import flows
from tests.functional.fleet.fleet import Fleet, until
from tfd import states
from tfd.jobs import record

__all__: list[str] = []

_SLOW_POLL = 2.0
_BUSY = 3.0
_TOKENS = ['token-0', 'token-1', 'token-2']

#: Posts three jobs in one go, and dies at the point that it is told.
_POSTER = '''
import os, signal, sys
from tfd import client
from tfd.client import doorbell
from tfd.conf import load
from tfd_drivers.sql.database import Database

file, folder, point = sys.argv[1:]

def die(*args):
    os.kill(os.getpid(), signal.SIGKILL)

if point == 'before the ring':
    doorbell.Doorbell.ring = die
run = Database.run

def watched(self, work, *args, **kwargs):
    self.engine.dialect.do_commit = die
    return run(self, work, *args, **kwargs)

if point == 'in the commit':
    Database.run = watched
store = {'fleet': {'folder': folder, 'points': {}, 'fails': 0, 'pause': 0.0}}
jobs = client.Client(load.load(load.arguments([file]))).post_many(
    [client.Posting('fleet.six', store, token=f'token-{number}') for number in range(3)])
print('posted')
'''


class _Poster(testtools.TestCase):

    database = ''

    def setUp(self) -> None:
        super().setUp()
        self.fleet = self.useFixture(Fleet(self.database, slow_poll_interval=_SLOW_POLL))
        self.addOnException(lambda _: self.addDetail('log', content.text_content(self.fleet.log())))

    def _post(self, point: str) -> None:
        """Have a process post, and wait until it has died."""
        root = pathlib.Path(__file__).resolve().parents[3]
        done = subprocess.run(
            [sys.executable, '-c', _POSTER, str(self.fleet.folder / 'client.conf'),
             str(self.fleet.folder), point], cwd=root, env={**os.environ, 'PYTHONPATH': str(root)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        self.assertEqual((-signal.SIGKILL, ''), (done.returncode, done.stdout))

    def test_killed_between_sql_and_the_doorbell(self) -> None:
        self.fleet.daemon('one')
        until(lambda: self.fleet.conductors(), what='the daemon\'s start')
        self._post('before the ring')
        died_at = time.monotonic()
        jobs = self.fleet.client.list()
        self.assertEqual(_TOKENS, sorted(job.token for job in jobs))
        ended = [self.fleet.wait(job) for job in jobs]
        self.assertEqual({(states.SUCCESS, 1)}, {(job.outcome, job.claims) for job in ended})
        # A moment after its last look the conductor may have found them before the poster died.
        first = self.fleet.ledger.lines(what='start')[0].at - died_at
        self.addDetail('seconds', content.text_content(f'{first:.2f}'))
        self.assertLess(first, _SLOW_POLL * 1.2 + _BUSY)

    def test_posting_again_after_that_gives_the_same_jobs(self) -> None:
        self._post('before the ring')
        again = self._post_again()
        self.assertEqual({job.id for job in self.fleet.client.list()}, {job.id for job in again})
        self.fleet.daemon('one')
        self.assertEqual({states.SUCCESS}, {self.fleet.wait(job).outcome for job in again})
        self.assertEqual(3 * flows.STEPS, len(self.fleet.ledger.lines(what='start')))

    def _post_again(self) -> list[record.Job]:
        return self.fleet.client.post_many(
            [self.fleet.posting(token=token) for token in _TOKENS])

    def test_killed_in_the_commit(self) -> None:
        self._post('in the commit')
        self.assertEqual([], list(self.fleet.client.list()))
        jobs = self._post_again()
        self.fleet.daemon('one')
        self.assertEqual({states.SUCCESS}, {self.fleet.wait(job).outcome for job in jobs})


class MariadbPosterTest(_Poster):

    database = 'mariadb'


class PostgresqlPosterTest(_Poster):

    database = 'postgresql'


del _Poster
