# SPDX-License-Identifier: Apache-2.0
"""One claimed job, and every way in which it can end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NoReturn

from testtools.matchers import EndsWith, StartsWith

from tests.unit.conductors.engines import FakeEngine, FakeFactories, raising
from tests.unit.jobs.boards import BoardTestCase
from tfd import engines, exceptions, states
from tfd import flow as flows
from tfd.conductors.runner import JobRun, Verdict
from tfd.conductors.tail import Tails
from tfd.jobs.claim import ClaimedJob
from tfd.jobs.factories import BadFactory
from tfd.persistence import memory, models
from tfd.types.secret import Secret

LOG = logging.getLogger(__name__)


class _AwayJournal(memory.MemoryJournal):

    def load(self, flow: str) -> NoReturn:
        raise exceptions.StorageUnavailable('away')


class _AwayBackend(memory.MemoryBackend):
    """A backend whose database never answers."""

    def journal(self) -> memory.MemoryJournal:
        return _AwayJournal(self._tables)


class _RunTestCase(BoardTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.factories = FakeFactories()
        self.tails = Tails()
        capture = self.tails.capture()
        capture.__enter__()
        self.addCleanup(capture.__exit__, None, None, None)
        self.job = self.store.add(store={'secret': 's3cr3t'})

    def _claim(self, **changes: Any) -> JobRun:
        self.job = self.store.change(self.job.id, **changes)
        claimed = self.board.claim(self.store.candidate(self.job.id))
        self.engine = FakeEngine(self.store, claimed)
        return JobRun(claimed, self.board, self.factories, lambda flow, claimed: self.engine,
                      max_attempts=3, kept=self.tails)

    def _run(self, verdict: Verdict, at: dict[str, Callable[[], object]] | None = None,
             **changes: Any) -> None:
        run = self._claim(**changes)
        self.engine.at = at or {}
        self.assertEqual(verdict, run())
        self.assertIsNone(self.member.holder(self.job.id))
        self.job = self.store.jobs[self.job.id]

    def _ends(self, state: str, outcome: str = '') -> None:
        self.assertEqual((state, outcome), (self.job.state, self.job.outcome))


class EndTest(_RunTestCase):

    def test_success(self) -> None:
        self._run(Verdict.SETTLED)
        self._ends(states.COMPLETE, states.SUCCESS)
        self.assertEqual(['compile', 'inject', 'prepare', 'validate', 'run', 'settle', 'settled'],
                         self.engine.steps)

    def test_tasks_can_have_the_job_id_and_the_epoch(self) -> None:
        self._run(Verdict.SETTLED)
        self.assertEqual({'tfd_job_id': self.job.id, 'tfd_epoch': 1}, self.engine.injected)

    def test_a_reverted_flow_completes_the_job(self) -> None:
        run = self._claim()
        self.engine.ends_in = states.REVERTED
        self.engine.at['settled'] = raising(ValueError('of a task'))
        self.assertEqual(Verdict.SETTLED, run())
        self.job = self.store.jobs[self.job.id]
        self._ends(states.COMPLETE, states.REVERTED)

    def test_a_revert_that_failed_parks_the_job(self) -> None:
        run = self._claim()
        self.engine.ends_in = states.FAILURE
        self.engine.at['settled'] = raising(exceptions.WrappedFailure([]))
        self.assertEqual(Verdict.SETTLED, run())
        self.job = self.store.jobs[self.job.id]
        self._ends(states.PARKED, states.FAILURE)

    def test_values_are_not_logged(self) -> None:
        self._run(Verdict.SETTLED, {'settled': raising(ValueError('s3cr3t'))})
        self.assertNotIn('s3cr3t', self.log.output)

    def test_each_line_names_job_flow_and_epoch(self) -> None:
        self._run(Verdict.SETTLED)
        for line in self.log.output.splitlines():
            self.assertIn(f'job={self.job.id} flow=flow epoch=1', line)


class BadJobTest(_RunTestCase):

    def _parked(self, reason: str) -> None:
        self._ends(states.PARKED)
        self.assertThat(self.job.reason, StartsWith(reason))

    def test_a_broken_factory_parks(self) -> None:
        self.factories.broken['flow'] = BadFactory('flow', 'raised')
        self._run(Verdict.SETTLED)
        self._parked("BadFactory: flow factory 'flow' raised")

    def test_an_import_error_parks(self) -> None:
        self.factories.broken['flow'] = BadFactory('flow', 'import')
        self._run(Verdict.SETTLED)
        self._parked('BadFactory')

    def test_missing_inputs_park(self) -> None:
        self._run(Verdict.SETTLED, {'validate': raising(
            exceptions.MissingDependencies('flow', ['x']))})
        self._parked('MissingDependencies')

    def test_unreadable_records_park(self) -> None:
        self._run(Verdict.SETTLED, {'prepare': raising(exceptions.InvalidFormat('garbage'))})
        self._parked('InvalidFormat: garbage')

    def test_a_flow_that_cannot_be_compiled_parks(self) -> None:
        self._run(Verdict.SETTLED, {'compile': raising(exceptions.Duplicate('twice'))})
        self._parked('Duplicate: twice')

    def test_a_step_that_cannot_be_stored_parks(self) -> None:
        self._run(Verdict.SETTLED, {'settle': raising(
            exceptions.TooLarge("history of retry 'r'", 9, 8))})
        self._parked("the engine stopped: TooLarge: history of retry 'r' cannot be stored")

    def test_poison_parks_without_being_loaded(self) -> None:
        self._run(Verdict.SETTLED, attempts=3)
        self._parked('claimed 3 times in a row without recording anything new')
        self.assertEqual([], self.engine.steps)

    def test_the_last_attempt_is_made(self) -> None:
        self._run(Verdict.SETTLED, attempts=2)
        self._ends(states.COMPLETE, states.SUCCESS)


class LogTest(_RunTestCase):
    """The last lines of the log, stored with the reason."""

    def _says(self, *lines: str) -> Callable[[], object]:
        def say() -> None:
            for line in lines:
                LOG.warning(line)
            raise exceptions.InvalidFormat('garbage')

        return say

    def test_is_stored_where_the_job_is_parked(self) -> None:
        self._run(Verdict.SETTLED, {'prepare': self._says('one', 'two')})
        self.assertEqual('InvalidFormat: garbage', self.job.cause)
        self.assertEqual(['one', 'two'], [line.rpartition(': ')[2] for line in self.job.log])

    def test_secrets_are_masked(self) -> None:
        run = self._claim()
        self.engine.veil.learn('s3cr3t', named=True)
        self.engine.at['prepare'] = self._says('has s3cr3t in it')
        run()
        self.assertThat(self.store.jobs[self.job.id].log[0], EndsWith(': has *** in it'))

    def test_secrets_are_masked_where_nothing_was_loaded(self) -> None:
        self.store.change(self.job.id, store={'password': Secret('s3cr3t')})
        self.factories.broken['flow'] = BadFactory('flow', "raised 's3cr3t'")
        self._run(Verdict.SETTLED)
        self._ends(states.PARKED)
        self.assertNotIn('s3cr3t', self.job.reason)

    def test_is_short_whatever_is_said(self) -> None:
        self._run(Verdict.SETTLED, {'prepare': self._says(*('x' * 5000 for _ in range(100)))})
        self.assertLess(len(self.job.reason), 1000 + 20 * 301)

    def test_of_the_attempts_before_is_kept_where_the_job_is_given_up(self) -> None:
        self._run(Verdict.REFUSED, {'run': raising(KeyError('a bug'))})
        self._run(Verdict.SETTLED, attempts=3)
        self._ends(states.PARKED)
        self.assertEqual(
            "claimed 3 times in a row without recording anything new; the engine stopped: KeyError: 'a bug'",
            self.job.cause)
        self.assertIn('the engine stopped without settling the job', self.job.log[0])

    def test_is_stored_where_a_revert_failed(self) -> None:
        run = self._claim()
        self.engine.ends_in = states.FAILURE
        self.engine.at['run'] = lambda: LOG.error('it would not go away')
        run()
        job = self.store.jobs[self.job.id]
        self.assertEqual('the flow ended in FAILURE: no failure was given', job.cause)
        self.assertThat(job.log[-1], EndsWith('it would not go away'))

    def test_is_not_stored_where_all_is_well(self) -> None:
        self._run(Verdict.SETTLED)
        self.assertEqual('', self.job.reason)


class RefusedTest(_RunTestCase):

    def _given_back(self) -> None:
        self._ends(states.UNCLAIMED)
        self.assertEqual(1, self.job.attempts)

    def test_an_unknown_flow_is_left_to_others_and_counts(self) -> None:
        self.factories.broken['flow'] = exceptions.UnknownFlow('flow', [])
        self._run(Verdict.REFUSED)
        self._given_back()

    def test_a_key_that_is_missing_here_is_left_to_others_and_counts(self) -> None:
        self.factories.broken['flow'] = exceptions.UnknownKey('0a1b2c3d', [])
        self._run(Verdict.REFUSED)
        self._given_back()
        self.assertIn('0a1b2c3d', self.job.reason)

    def test_trouble_of_this_host_counts(self) -> None:
        self.factories.broken['flow'] = BadFactory('flow', 'import')
        self.factories.broken['flow'].__cause__ = OSError(24, 'too many open files')
        self._run(Verdict.REFUSED)
        self._given_back()

    def test_an_engine_that_breaks_counts(self) -> None:
        self._run(Verdict.REFUSED, {'run': raising(KeyError('a bug'))})
        self._given_back()
        self.assertThat(self.job.reason, StartsWith('the engine stopped: KeyError'))

    def test_an_engine_that_does_not_settle_counts(self) -> None:
        run = self._claim()
        self.engine.run = lambda: None  # type: ignore[method-assign]
        self.assertEqual(Verdict.REFUSED, run())


class InfrastructureTest(_RunTestCase):

    def test_a_lost_job_is_left_as_it_is(self) -> None:
        def taken() -> None:
            self.store.change(self.job.id, epoch=9, owner='peer/1/1')
            raise exceptions.OwnershipLost(self.job.id, 1, 'epoch 9')

        self._run(Verdict.LOST, {'run': taken})
        self.assertEqual((states.CLAIMED, 9), (self.job.state, self.job.epoch))

    def test_a_job_lost_while_it_is_loaded_is_left_as_it_is(self) -> None:
        self._run(Verdict.LOST, {'prepare': raising(
            exceptions.OwnershipLost(self.job.id, 1, 'epoch 9'))})
        self._ends(states.CLAIMED)

    def test_nothing_is_settled_while_the_database_is_away(self) -> None:
        def away() -> None:
            self.store.away = True
            raise exceptions.StorageUnavailable('away')

        self._run(Verdict.LEFT, {'run': away})
        self._ends(states.CLAIMED)

    def test_a_database_that_goes_away_before_the_flow_is_loaded(self) -> None:
        self._run(Verdict.LEFT, {'prepare': raising(exceptions.StorageUnavailable('away'))})
        self._ends(states.CLAIMED)

    def test_a_settlement_whose_answer_was_lost_is_found_recorded(self) -> None:
        self._run(Verdict.SETTLED, {'settled': raising(exceptions.StorageUnavailable('lost'))})
        self._ends(states.COMPLETE, states.SUCCESS)

    def test_a_last_step_that_was_not_recorded_does_not_complete_the_job(self) -> None:
        self._run(Verdict.LEFT, {'settle': raising(exceptions.StorageUnavailable('lost'))})
        self._ends(states.CLAIMED)

    def test_nor_does_one_that_the_database_refused(self) -> None:
        self._run(Verdict.REFUSED, {'settle': raising(exceptions.StorageFailure('too large'))})
        self._ends(states.UNCLAIMED)
        self.assertNotIn('completed', self.log.output)

    def test_nor_does_one_that_came_too_late_by_the_own_clock(self) -> None:
        self._run(Verdict.LOST, {'settle': raising(
            exceptions.OwnershipLost(self.job.id, 1, 'late'))})
        self._ends(states.CLAIMED)

    def test_a_settlement_is_not_recorded_where_a_peer_has_the_job(self) -> None:
        def taken() -> None:
            self.store.change(self.job.id, epoch=9, owner='peer/1/1')
            raise exceptions.StorageUnavailable('lost')

        self._run(Verdict.LOST, {'settle': taken})
        self.assertEqual((states.CLAIMED, 9), (self.job.state, self.job.epoch))

    def test_a_task_that_raises_such_an_error_itself_is_no_outage(self) -> None:
        run = self._claim()
        self.engine.ends_in = states.REVERTED
        self.engine.at['settled'] = raising(exceptions.StorageUnavailable('of the task'))
        self.assertEqual(Verdict.SETTLED, run())
        self.assertEqual(states.REVERTED, self.store.jobs[self.job.id].outcome)

    def test_a_thread_that_is_told_to_exit_gives_the_job_back(self) -> None:
        self._run(Verdict.REFUSED, {'run': raising(SystemExit(1))})
        self._ends(states.UNCLAIMED)
        self.assertEqual('unexpected error: SystemExit: 1', self.job.cause)

    def test_and_leaves_it_where_it_cannot_be_given_back(self) -> None:
        def away() -> None:
            self.store.away = True
            raise SystemExit(1)

        self._run(Verdict.LEFT, {'run': away})
        self._ends(states.CLAIMED)


class SuspendTest(_RunTestCase):

    def test_a_running_flow_is_handed_over_uncounted(self) -> None:
        run = self._claim()
        self.engine.at['run'] = run.suspend
        self.assertEqual(Verdict.SETTLED, run())
        job = self.store.jobs[self.job.id]
        self.assertEqual((states.UNCLAIMED, 0, 'handed over'),
                         (job.state, job.attempts, job.reason))

    def test_a_flow_that_is_being_loaded_is_not_begun(self) -> None:
        run = self._claim()
        self.engine.at['prepare'] = run.suspend
        self.assertEqual(Verdict.SETTLED, run())
        self.assertNotIn('run', self.engine.steps)
        job = self.store.jobs[self.job.id]
        self.assertEqual((states.UNCLAIMED, 0), (job.state, job.attempts))

    def test_may_come_before_the_run(self) -> None:
        run = self._claim()
        run.suspend()
        self.assertEqual(Verdict.SETTLED, run())
        self.assertEqual(states.UNCLAIMED, self.store.jobs[self.job.id].state)

    def test_before_the_run_nothing_is_loaded(self) -> None:
        run = self._claim()
        self.engine.at['compile'] = run.suspend
        self.assertEqual(Verdict.SETTLED, run())
        self.assertEqual(['compile'], self.engine.steps)
        job = self.store.jobs[self.job.id]
        self.assertEqual((states.UNCLAIMED, 0), (job.state, job.attempts))

    def test_is_heard_while_loading_waits_for_the_database(self) -> None:
        waits: list[float] = []

        def make_engine(flow: flows.Flow, claimed: ClaimedJob) -> Any:
            def sleep(seconds: float) -> None:
                waits.append(seconds)
                run.suspend()

            return engines.load(
                flow, flow_detail=models.FlowDetail(flow.name, claimed.job.flow_uuid),
                backend=_AwayBackend(), ownership=claimed, sleep=sleep)

        claimed = self.board.claim(self.store.candidate(self.job.id))
        run = JobRun(claimed, self.board, self.factories, make_engine, max_attempts=3, kept=self.tails)
        self.assertEqual(Verdict.LEFT, run())
        self.assertEqual(1, len(waits))
        self.assertEqual(states.CLAIMED, self.store.jobs[self.job.id].state)

    def test_an_engine_that_cannot_suspend_does_not_hurt(self) -> None:
        run = self._claim()
        self.engine.at['run'] = run.suspend
        self.engine.suspend = raising(exceptions.InvalidState('no'))  # type: ignore[assignment]
        self.assertEqual(Verdict.SETTLED, run())
        self.assertEqual(states.COMPLETE, self.store.jobs[self.job.id].state)
