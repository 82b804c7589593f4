# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
from typing import Any

import testtools

from tfd import exceptions, states
from tfd.jobs import base
from tfd.jobs.base import JobPriority


class Job(base.Job):
    """A job whose state is what a test says, the next at each look."""

    priority = JobPriority.NORMAL
    created_on = last_modified = None

    def __init__(self, *looks: Any, **fields: Any) -> None:
        super().__init__(None, 'name', **fields)  # type: ignore[arg-type]  # nothing is asked of the board
        self._looks = list(looks)

    @property
    def state(self) -> str:
        look = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        if isinstance(look, Exception):
            raise look
        return str(look)


class JobPriorityTest(testtools.TestCase):
    def test_is_found_by_its_name(self) -> None:
        for value in ('high', 'HIGH', JobPriority.HIGH):
            self.assertIs(JobPriority.HIGH, JobPriority.convert(value))
        for value in (None, 'odd', 5):
            self.assertRaises(ValueError, JobPriority.convert, value)

    def test_most_urgent_comes_first(self) -> None:
        self.assertEqual(('b', 'c', 'a', 'd'), JobPriority.reorder(
            ('LOW', 'a'), ('VERY_HIGH', 'b'), (JobPriority.NORMAL, 'c'), ('LOW', 'd')))


class JobTest(testtools.TestCase):
    def test_does_not_show_its_details(self) -> None:
        job = Job('UNCLAIMED', details={'password': 'secret'})
        self.assertEqual(f'Job: name (priority=NORMAL, uuid={job.uuid})', str(job))

    def test_is_waited_for_with_pauses_that_grow(self) -> None:
        pauses: list[float] = []
        job = Job(states.UNCLAIMED, states.CLAIMED, states.CLAIMED, states.CLAIMED, states.COMPLETE)
        self.assertTrue(job.wait(delay=1.0, delay_multiplier=3.0, max_delay=5.0, sleep_func=pauses.append))
        self.assertEqual([1.0, 3.0, 5.0, 5.0], pauses)

    def test_wait_ends_in_time(self) -> None:
        self.assertFalse(Job(states.CLAIMED).wait(timeout=0, sleep_func=self.fail))

    def test_claim_that_ends_with_a_session_is_not_extended(self) -> None:
        job = Job(states.CLAIMED)
        self.assertEqual((None, False), (job.expires_in(), job.extend_expiry(5.0)))


class JobBoardIteratorTest(testtools.TestCase):
    def _names(self, *jobs: Job, **options: Any) -> list[Job]:
        self.fetched: list[bool] = []
        self.removed: list[base.Job] = []

        def fetch(fresh: bool) -> list[Job]:
            self.fetched.append(fresh)
            return list(jobs)

        board: Any = object()
        found = base.JobBoardIterator(board, logging.getLogger('x'), fetch, self.removed.append, **options)
        self.assertIs(board, found.board)
        return list(found)  # type: ignore[arg-type]

    def test_asks_the_board_once(self) -> None:
        job = Job(states.CLAIMED)
        self.assertEqual([job], self._names(job, ensure_fresh=True))
        self.assertEqual([True], self.fetched)

    def test_passes_over_what_is_claimed_where_it_should(self) -> None:
        jobs = [Job(state) for state in (states.UNCLAIMED, states.CLAIMED, states.COMPLETE)]
        self.assertEqual(jobs[:1], self._names(*jobs, only_unclaimed=True))
        self.assertEqual(jobs, self._names(*jobs))

    def test_passes_over_what_cannot_be_asked_about(self) -> None:
        gone, away, good = Job(exceptions.NotFound('x')), Job(exceptions.JobFailure('x')), Job(states.UNCLAIMED)
        self.assertEqual([good], self._names(gone, away, good))
        self.assertEqual([gone], self.removed)

    def test_board_without_jobs_has_none(self) -> None:
        board: Any = object()
        self.assertEqual([], list(base.JobBoardIterator(board, None)))
