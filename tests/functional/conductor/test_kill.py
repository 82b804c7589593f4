# SPDX-License-Identifier: Apache-2.0
"""SIGKILL of the owner on the embedded board, inside every step and around every transaction.

On ZooKeeper and the database servers see :mod:`tests.functional.matrix`.
"""

from __future__ import annotations

import itertools

import testtools

from tests.functional.conductor import flows
from tests.functional.conductor.fleet import Fleet
from tfd import states
from tfd.jobs import record

#: More transactions than a run has; a point that a run does not come to kills nobody.
_FORWARD_COMMITS = 10
_REVERT_COMMITS = 17
_WORKERS = 4
_SECONDS = 180.0


class KillMatrix(testtools.TestCase):
    """All points of one flow are jobs of one fleet, which runs them side by side."""

    database = 'sqlite'
    coordinator = 'sql'

    def setUp(self) -> None:
        super().setUp()
        self.fleet = self.useFixture(Fleet(self.database, self.coordinator))
        self.addOnException(lambda _: self.addDetail('log', testtools.content.text_content(
            self.fleet.log()[-20000:])))

    def _run(self, flow: str, points: list[str]) -> dict[str, record.Job]:
        jobs = self.fleet.client.post_many(
            [self.fleet.posting(flow, at=point) for point in points])
        host = self.fleet.host(_WORKERS)
        ended = {point: self.fleet.wait(job, _SECONDS) for point, job in zip(points, jobs, strict=True)}
        host.terminate()
        self.assertEqual(0, host.wait())
        return ended

    def test_forward(self) -> None:
        points = ['nowhere', *(f'execute:{step}' for step in range(1, flows.STEPS + 1)),
                  *_commits(1, _FORWARD_COMMITS)]
        ended = self._run('forward', points)
        self.assertEqual({states.SUCCESS}, {job.outcome for job in ended.values()})
        for point, job in ended.items():
            with self.subTest(point=point):
                self._check_executed(job)
        self._check_struck(ended, 'after-commit:8')

    def test_revert(self) -> None:
        points = ['nowhere', *(f'revert:{step}' for step in range(1, flows.STEPS + 1)),
                  *_commits(7, _REVERT_COMMITS)]
        ended = self._run('fails', points)
        self.assertEqual({states.REVERTED}, {job.outcome for job in ended.values()})
        for point, job in ended.items():
            with self.subTest(point=point):
                self._check_executed(job)
                self._check_reverted(job)
        self._check_struck(ended, 'after-commit:12')

    def _check_struck(self, ended: dict[str, record.Job], last: str) -> None:
        """Check that the processes did die, at least up to a transaction that every run has."""
        struck = {line[3] for line in self.fleet.lines() if line[2] == 'struck'}
        self.assertIn(last, struck)
        self.assertEqual(
            {point for point in ended if ':' in point and 'commit' not in point},
            {point for point in struck if 'commit' not in point})

    def _steps(self, job: record.Job, action: str) -> list[int]:
        return [int(line[3]) for line in self.fleet.lines(job) if line[2] == action]

    def _check_executed(self, job: record.Job) -> None:
        """Check that each step was executed, in order, again only by a new owner, and never by an old one."""
        steps = self._steps(job, 'execute')
        self.assertEqual(sorted(steps), steps)
        self.assertEqual(set(range(1, flows.STEPS + 1)), set(steps))
        epochs = [int(line[1]) for line in self.fleet.lines(job) if line[2] != 'struck']
        self.assertEqual(sorted(epochs), epochs)
        self.assertLessEqual(len(steps) - flows.STEPS, job.claims - 1)

    def _check_reverted(self, job: record.Job) -> None:
        steps = self._steps(job, 'revert')
        self.assertEqual(sorted(steps, reverse=True), steps)
        self.assertEqual(set(range(1, flows.STEPS + 1)), set(steps))


def _commits(first: int, last: int) -> list[str]:
    return [f'{when}-commit:{number}'
            for number, when in itertools.product(range(first, last + 1), ('before', 'after'))]

