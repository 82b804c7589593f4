# SPDX-License-Identifier: Apache-2.0
"""SIGTERM of a job's owner: the peer goes on at once. SIGKILL of one with many jobs: in time."""

from __future__ import annotations

import time

import testtools
from testtools import content

from tests.functional import servers
from tests.functional.fleet import flows
from tests.functional.fleet.fleet import Daemon, Fleet, until
from tfd import states
from tfd.jobs import record

__all__: list[str] = []

_TICK = 0.2
#: Far longer than a hand-over takes.
_SESSION = 4.0
#: Seconds from the end of the step that ran to the next step's start, on an idle machine; and what
#: a busy one may add, which is less than what a session takes to end.
_AT_ONCE = 0.5
_BUSY = 1.5
_FORWARD = [('execute', step) for step in range(1, flows.STEPS + 1)]
_BACKWARD = [('revert', step) for step in range(flows.STEPS, 0, -1)]


class _Handover(testtools.TestCase):

    database = ''

    def setUp(self) -> None:
        super().setUp()
        zookeeper = self.useFixture(servers.ZooKeeper(tick_time=_TICK))
        self.fleet = self.useFixture(Fleet(self.database, zookeeper, _SESSION, max_jobs=4))
        self.addOnException(lambda _: self.addDetail('log', content.text_content(self.fleet.log())))
        self.owner = self._daemon('owner')

    def _daemon(self, host: str, workers: int = 1) -> Daemon:
        began = len(self.fleet.conductors())
        daemon = self.fleet.daemon(host, workers=workers)
        until(lambda: len(self.fleet.conductors()) == began + workers, what='the daemon\'s start')
        return daemon

    def _hand_over(self, point: str, fails: int = 0) -> tuple[record.Job, float]:
        """End the owner while it is held at a point; return the job, and how long nobody ran it."""
        job = self.fleet.post({point: 'hold'}, fails=fails)
        held = self.fleet.points.wait(job.id, point)
        peer = self._daemon('peer')
        self.owner.terminate()
        until(lambda: 'hands over 1 running jobs' in self.owner.log(), what='the hand-over')
        # What is posted now is for the peer.
        others = [self.fleet.wait(self.fleet.post()) for _ in range(3)]
        self.assertTrue(self.owner.is_alive())
        self.assertEqual(states.CLAIMED, self.fleet.get(job).state)
        opened_at = time.monotonic()
        self.fleet.points.open(job.id, point)
        job = self.fleet.wait(job)
        self.assertEqual(0, self.owner.wait())
        (worker,) = peer.workers()
        for other in others:
            self.assertEqual({worker}, {line.pid for line in self.fleet.ledger.lines(other.id)})
        lines = self.fleet.ledger.lines(job.id)
        last = max([opened_at, *(line.at for line in lines if line.pid == held.pid)])
        first = min(line.at for line in lines if line.pid == worker)
        return job, first - last

    def _check(self, job: record.Job, outcome: str, pause: float) -> None:
        self.assertEqual((states.COMPLETE, outcome, '', ''),
                         (job.state, job.outcome, job.owner, job.reason))
        # Two claims and two settlements, of which none was in vain.
        self.assertEqual((2, 4, 1), (job.claims, job.epoch, job.attempts))
        calls = [(line.action, line.atom)
                 for line in self.fleet.ledger.lines(job.id, what='start')]
        self.assertEqual(_FORWARD + (_BACKWARD if outcome == states.REVERTED else []), calls)
        self.addDetail('seconds', content.text_content(f'{pause:.3f}'))
        self.assertLess(pause, _AT_ONCE + _BUSY)
        # The peer has let go a moment after the job is complete.
        until(lambda: not self.fleet.locks(), 5.0, 'the end of the locks')
        self.assertNotIn(' ERROR ', self.fleet.log())

    def test_sigterm_inside_a_task(self) -> None:
        job, pause = self._hand_over('execute:2:effect')
        self._check(job, states.SUCCESS, pause)
        self.assertEqual(flows.STEPS, len(self.fleet.world.things(job.id)))

    def test_sigterm_inside_a_revert(self) -> None:
        job, pause = self._hand_over('revert:5:before', fails=flows.STEPS)
        self._check(job, states.REVERTED, pause)
        self.assertEqual({}, self.fleet.world.things(job.id))

    def test_sigterm_before_the_first_task(self) -> None:
        job, pause = self._hand_over('create:before')
        self._check(job, states.SUCCESS, pause)

    def test_sigterm_inside_the_last_commit(self) -> None:
        point = f'append:{flows.STEPS + 1}:commit'
        job = self.fleet.post({point: 'hold'})
        self.fleet.points.wait(job.id, point)
        self.owner.terminate()
        until(lambda: 'hands over 1 running jobs' in self.owner.log(), what='the hand-over')
        self.fleet.points.open(job.id, point)
        self.assertEqual(0, self.owner.wait())
        ended = self.fleet.get(job)
        self.assertEqual((states.COMPLETE, states.SUCCESS, 1),
                         (ended.state, ended.outcome, ended.claims))
        self.assertEqual([], self.fleet.locks())

    def test_sigkill_with_many_jobs(self) -> None:
        point = 'execute:3:effect'
        # All that the first daemon can run.
        self._daemon_of_two()
        jobs = [self.fleet.post({point: 'hold'}) for _ in range(8)]
        for job in jobs:
            self.fleet.points.wait(job.id, point)
        self._daemon('peer', workers=2)
        killed_at = time.monotonic()
        self.owner.kill()
        ended = [self.fleet.wait(job) for job in jobs]
        self.assertEqual({(states.SUCCESS, 2)}, {(job.outcome, job.claims) for job in ended})
        pauses = [min(line.at for line in self.fleet.ledger.lines(job.id, what='start')
                      if line.at > killed_at) - killed_at for job in jobs]
        self.addDetail('seconds', content.text_content(f'{pauses}'))
        self.assertLess(max(pauses), _SESSION + _TICK + 1.0 + _BUSY)
        for job in jobs:
            self.assertEqual(flows.STEPS, len(self.fleet.world.things(job.id)))

    def _daemon_of_two(self) -> None:
        self.owner.terminate()
        self.assertEqual(0, self.owner.wait())
        self.owner = self._daemon('owner-of-two', workers=2)


class MariadbHandoverTest(_Handover):

    database = 'mariadb'


class PostgresqlHandoverTest(_Handover):

    database = 'postgresql'


del _Handover
