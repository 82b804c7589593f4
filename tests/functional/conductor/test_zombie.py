# SPDX-License-Identifier: Apache-2.0
"""An owner on the embedded board that stood still past its session, and wakes up when a peer has its job.

On ZooKeeper and the database servers see :mod:`tests.functional.zombies`.
"""

from __future__ import annotations

import os
import signal
import time

import testtools

from tests.functional.conductor import flows
from tests.functional.conductor.fleet import Fleet, alive, until
from tfd import states
from tfd.jobs import record

_SECONDS = 30.0


class Zombie(testtools.TestCase):
    """SIGSTOP of the owner, a takeover, SIGCONT."""

    database = 'sqlite'
    coordinator = 'sql'
    session = 2.0

    def setUp(self) -> None:
        super().setUp()
        self.fleet = self.useFixture(Fleet(self.database, self.coordinator, self.session))
        self.addOnException(lambda _: self.addDetail('log', testtools.content.text_content(
            self.fleet.log()[-20000:])))

    def _stop(self, at: str, flow: str = 'forward') -> None:
        """Stop the owner at a point, let a peer end the job, wake the owner, and see what it does."""
        self.job = self.fleet.post(flow, at=at, signal='SIGSTOP')
        self.host = self.fleet.host(2)
        struck = until(lambda: [line for line in self.fleet.lines() if line[2] == 'struck'])[0]
        stopped_at = time.monotonic()
        zombie = int(struck[4])
        self.addCleanup(_wake, zombie)
        until(lambda: any(line[1] == '2' for line in self.fleet.lines(self.job)), _SECONDS)
        self.takeover = time.monotonic() - stopped_at
        ended = self.fleet.wait(self.job, _SECONDS)
        before = self.fleet.lines(self.job)
        _wake(zombie)
        until(lambda: f'lost job={self.job.id}' in self.fleet.log(), _SECONDS)
        self.assertTrue(alive(zombie))
        self.assertEqual(before, self.fleet.lines(self.job), 'the zombie started a step')
        self.assertEqual(_comparable(ended), _comparable(self.fleet.client.get(self.job.id)))
        self.ended = ended

    def _succeeded(self, again: list[int]) -> None:
        self.assertEqual((states.COMPLETE, states.SUCCESS), (self.ended.state, self.ended.outcome))
        steps = [int(line[3]) for line in self.fleet.lines(self.job) if line[2] == 'execute']
        self.assertEqual(sorted([*range(1, flows.STEPS + 1), *again]), steps)

    def test_inside_a_step(self) -> None:
        self._stop('execute:3')
        self._succeeded(again=[3])

    def test_between_two_steps(self) -> None:
        self._stop('before-check:4')
        self._succeeded(again=[])

    def test_inside_a_revert(self) -> None:
        self._stop('revert:3', 'fails')
        self.assertEqual(states.REVERTED, self.ended.outcome)
        steps = [int(line[3]) for line in self.fleet.lines(self.job) if line[2] == 'revert']
        self.assertEqual([6, 5, 4, 3, 3, 2, 1], steps)

    def test_the_zombie_goes_on_to_work(self) -> None:
        self._stop('execute:3')
        jobs = [self.fleet.post('forward') for _ in range(4)]
        self.assertEqual({states.SUCCESS}, {self.fleet.wait(job).outcome for job in jobs})
        self.host.terminate()
        self.assertEqual(0, self.host.wait())


def _wake(pid: int) -> None:
    if alive(pid):
        os.kill(pid, signal.SIGCONT)


def _comparable(job: record.Job) -> tuple[object, ...]:
    return job.state, job.outcome, job.epoch, job.seq, job.claim_id
