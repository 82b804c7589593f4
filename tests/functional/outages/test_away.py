# SPDX-License-Identifier: Apache-2.0
"""The database is away for a while, under a daemon that runs a job.

What is promised: the flow waits and its job stays the owner's, as long as ZooKeeper says so. Nothing is reverted,
nothing that was recorded is lost or runs again, and what ended while the database was away is recorded afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import testtools
from testtools import content

from tests.functional import servers
from tests.functional.fleet import flows
from tests.functional.fleet.fleet import Fleet, until
from tfd import states
from tfd.jobs import record

_SECONDS = 30.0
_FORWARD = [('execute', step) for step in range(1, flows.STEPS + 1)]
_BACKWARD = [('revert', step) for step in range(flows.STEPS, 0, -1)]
_WAITS = 'a step cannot be recorded now'


class Site:
    """A daemon that runs one job, and its database's server.

    :param test: whose fixtures they are.
    :param embedded: whether the board is in the database too.
    """

    def __init__(self, test: testtools.TestCase, kind: str, embedded: bool = False) -> None:
        self._test = test
        self.server = test.useFixture(servers.KINDS[kind]())
        self.fleet = test.useFixture(Fleet(kind, server=self.server, embedded=embedded))
        test.addOnException(lambda _: test.addDetail(kind, content.text_content(self.fleet.log()[-20000:])))
        self.daemon = self.fleet.daemon('host')

    def hold(self, point: str, fails: int = 0) -> None:
        """Post a job, and wait until it comes to a point."""
        self.job = self.fleet.post({point: 'hold'}, fails=fails)
        self._point = point
        self.fleet.points.wait(self.job.id, point, _SECONDS)

    def go_on(self) -> None:
        """Let the job go on, and wait until it misses its database."""
        self.fleet.points.open(self.job.id, self._point)
        until(self._waits, _SECONDS, 'waiting')

    def _waits(self) -> int:
        """Return how often the log says that the job's flow waits."""
        return sum(_WAITS in line and self.job.id in line for line in self.daemon.log().splitlines())

    def check(self, outcome: str = states.SUCCESS) -> record.Job:
        """Check that the job comes to its end as if nothing had happened."""
        test, job = self._test, self.fleet.wait(self.job, _SECONDS)
        test.assertEqual((states.COMPLETE, outcome, 1, 2), (job.state, job.outcome, job.claims, job.epoch))
        calls = [(line.action, line.atom) for line in self.fleet.ledger.lines(job.id, what='start')]
        test.assertEqual(_FORWARD + (_BACKWARD if outcome == states.REVERTED else []), calls)
        test.assertEqual(flows.STEPS if outcome == states.SUCCESS else 0, len(self.fleet.world.things(job.id)))
        test.assertEqual(1, self._waits())
        for word in (' lost job', ' left job', ' gave back job', ' ERROR '):
            test.assertNotIn(word, self.daemon.log())
        return job


class _AwayTest(testtools.TestCase):

    kind: str

    def setUp(self) -> None:
        super().setUp()
        self.site = Site(self, self.kind)

    def away(self, point: str, fails: int = 0, end: Callable[[], None] | None = None) -> None:
        """Have the database away when the job goes on from a point, for a second and its start."""
        self.site.hold(point, fails)
        (end or self.site.server.kill)()
        self.site.go_on()
        time.sleep(1.0)
        self.site.server.start()

    def test_for_a_second_at_each_kind_of_moment(self) -> None:
        with self.subTest('inside a task'):
            self.away('execute:3:effect')
            self.site.check()
        with self.subTest('inside a revert, stopped in order'):
            self.away('revert:4:effect', flows.STEPS, self.site.server.stop)
            self.site.check(states.REVERTED)
        with self.subTest('between guard and commit'):
            # The first step, with the state of the flow: it has a transaction on every database.
            self.away('append:1:commit')
            self.site.check()
        with self.subTest('inside the commit that settles'):
            self.away(f'append:{flows.STEPS + 1}:commit')
            self.site.check()


class MariaDBAwayTest(_AwayTest):

    kind = 'mariadb'


class PostgreSQLAwayTest(_AwayTest):

    kind = 'postgresql'


del _AwayTest


class LongAwayTest(testtools.TestCase):
    """A minute, by the clock; for both servers at once."""

    def test_a_minute(self) -> None:
        sites = [Site(self, kind) for kind in ('mariadb', 'postgresql')]
        for site in sites:
            site.hold('execute:3:effect')
            site.server.kill()
            site.go_on()
        time.sleep(60.0)
        for site in sites:
            site.server.start()
            site.check()


class EmbeddedTest(testtools.TestCase):
    """The board is in the same database: what is away for longer than a session takes the ownership with it."""

    def test_longer_than_a_session(self) -> None:
        site = Site(self, 'postgresql', embedded=True)
        site.hold('execute:3:effect')
        site.server.kill()
        site.fleet.points.open(site.job.id, 'execute:3:effect')
        until(lambda: f' lost job={site.job.id} ' in site.daemon.log(), _SECONDS, 'the end of the claim')
        site.server.start()
        job = site.fleet.wait(site.job, _SECONDS)
        self.assertEqual((states.COMPLETE, states.SUCCESS, 2), (job.state, job.outcome, job.claims))
        # The third ended when nobody could record it.
        calls = [(line.action, line.atom) for line in site.fleet.ledger.lines(job.id, what='start')]
        self.assertEqual([*_FORWARD[:3], *_FORWARD[2:]], calls)
        self.assertEqual(flows.STEPS, len(site.fleet.world.things(job.id)))
