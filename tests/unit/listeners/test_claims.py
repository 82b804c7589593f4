# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
from typing import Any

import fixtures
import testtools

from tests.unit.listeners import engines
from tfd import engines as loading
from tfd import exceptions, states
from tfd.listeners import claims
from tfd.patterns import linear_flow


class Job:
    """A job, by its state."""

    state = states.CLAIMED

    def __str__(self) -> str:
        return 'the job'


class Board:
    """A board on which the owner changes, or asking fails, after so many questions."""

    def __init__(self, answers: list[Any]) -> None:
        self._answers = answers

    def find_owner(self, job: Any) -> str | None:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class CheckingClaimListenerTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger('tfd.listeners', level=logging.WARNING))
        flow = linear_flow.Flow('f').add(*(engines.Give(name) for name in 'abc'))
        self.engine = loading.load(flow)

    def _run(self, *answers: Any, job: Any = None, **options: Any) -> str:
        board = Board(list(answers))
        with claims.CheckingClaimListener(self.engine, job or Job(), board, 'me', **options):
            self.engine.run()
        return str(self.engine.storage.get_flow_state())

    def test_a_claimed_job_goes_on(self) -> None:
        self.assertEqual('SUCCESS', self._run('me'))
        self.assertEqual('', self.log.output)

    def test_suspends_where_the_job_is_somebody_elses(self) -> None:
        self.assertEqual('SUSPENDED', self._run('me', 'me', 'you'))
        self.assertIn("job the job is not claimed by 'me' any more", self.log.output)

    def test_suspends_where_the_job_is_nobodys(self) -> None:
        self.assertEqual('SUSPENDED', self._run(None))

    def test_suspends_where_the_job_cannot_be_asked_about(self) -> None:
        for error in (exceptions.JobFailure('no'), exceptions.NotFound('no')):
            self.assertEqual('SUSPENDED', self._run('me', error))

    def test_suspends_where_the_job_is_unclaimed(self) -> None:
        job = Job()
        job.state = states.UNCLAIMED
        self.assertEqual('SUSPENDED', self._run('me', job=job))

    def test_calls_who_is_to_be_called_instead(self) -> None:
        lost: list[tuple[Any, str]] = []
        state = self._run('me', 'you', on_job_loss=lambda engine, state, details: lost.append((engine, state)))
        self.assertEqual('SUCCESS', state)
        self.assertEqual((self.engine, 'RUNNING'), lost[0])
        self.assertEqual(7, len(lost))

    def test_who_is_to_be_called_must_be_callable(self) -> None:
        self.assertRaises(ValueError, self._run, 'me', on_job_loss=5)

    def test_an_engine_that_cannot_be_suspended_is_logged(self) -> None:
        listener = claims.CheckingClaimListener(self.engine, Job(), Board(['you']), 'me')
        listener._flow_receiver('RUNNING', {})
        self.assertIn('could not be suspended, job the job was lost at state RUNNING', self.log.output)
