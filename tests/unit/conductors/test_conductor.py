# SPDX-License-Identifier: Apache-2.0
"""The conductor's loop, turned by hand; at the end, the whole of it in a thread."""

from __future__ import annotations

import concurrent.futures
import random
import threading
from collections.abc import Callable
from typing import Any
from unittest import mock

from tests.unit.conductors.engines import FakeEngine, FakeFactories
from tests.unit.jobs.boards import BoardTestCase
from tfd import exceptions, states
from tfd.conductors.conductor import BEAT, Conductor, Settings, Status
from tfd.conductors.runner import JobRun, Running
from tfd.conductors.tail import Tails
from tfd.jobs import record
from tfd.jobs.claim import ClaimedJob
from tfd.testing.ensemble import FakeCoordinator


class _Later(concurrent.futures.Executor):
    """Runs what is submitted when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def submit(self, run: Any, /, *args: Any, **kwargs: Any) -> Any:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self.waiting.append(lambda: future.set_result(run(*args, **kwargs)))
        return future

    def run_all(self) -> None:
        while self.waiting:
            self.waiting.pop(0)()


class _ConductorTestCase(BoardTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.factories = FakeFactories()
        self.at: dict[str, Callable[[], object]] = {}
        self.pool = _Later()
        self.conductor = self.conduct(self.member)

    def conduct(self, member: FakeCoordinator, **settings: Any) -> Conductor:
        board = self.board_of(member)

        def start(claimed: ClaimedJob) -> JobRun:
            return JobRun(claimed, board, self.factories, self.engine, max_attempts=3, kept=Tails())

        conductor = Conductor(
            board, self.store, member, start, Settings(max_jobs=2, **settings), self.clock,
            random.Random(1))
        member.listen(conductor._rang)
        return conductor

    def engine(self, flow: object, claimed: ClaimedJob) -> FakeEngine:
        engine = FakeEngine(self.store, claimed)
        engine.at = self.at
        return engine

    def turn(self, conductor: Conductor | None = None) -> float:
        return (conductor or self.conductor)._turn(self.pool)

    def states(self) -> list[str]:
        return sorted(job.state for job in self.store.jobs.values())


class ClaimingTest(_ConductorTestCase):

    def test_gives_back_what_no_thread_can_be_had_for(self) -> None:
        job = self.store.add()
        with mock.patch.object(self.pool, 'submit', side_effect=RuntimeError("can't start new thread")):
            self.turn()
            self.assertEqual(([], [states.CLAIMED]), (self.conductor.running(), self.states()))
            self.assertIn('the conductor goes on', self.log.output)
        self.clock.advance(5.0)
        self.turn()
        self.pool.run_all()
        self.assertEqual((states.COMPLETE, None), (self.store.jobs[job.id].state, self.member.holder(job.id)))

    def test_runs_no_more_than_max_jobs_at_once(self) -> None:
        for _ in range(5):
            self.store.add()
        self.turn()
        self.assertEqual(2, len(self.conductor.running()))
        self.assertEqual([states.CLAIMED] * 2 + [states.UNCLAIMED] * 3, self.states())

    def test_is_noted_before_it_claims_and_not_without_a_session(self) -> None:
        self.store.add()
        noted: list[list[str]] = []
        self.conductor._note_presence = lambda: noted.append(self.states())
        self.turn()
        self.member.stop()
        self.turn()
        self.assertEqual([[states.UNCLAIMED]], noted)

    def test_runs_more_when_it_is_told_so(self) -> None:
        for _ in range(5):
            self.store.add()
        self.turn()
        self.conductor.apply(Settings(max_jobs=4))
        self.turn()
        self.assertEqual(4, len(self.conductor.running()))

    def test_claims_nothing_while_more_run_than_may(self) -> None:
        for _ in range(3):
            self.store.add()
        self.turn()
        self.conductor.apply(Settings(max_jobs=1))
        self.turn()
        self.assertEqual(2, len(self.conductor.running()))

    def test_polls_as_often_as_it_is_told_to(self) -> None:
        self.turn()
        self.conductor.apply(Settings(slow_poll_interval=0.1))
        self.assertLessEqual(self.turn(), 0.12)

    def test_runs_all_there_is_without_polling(self) -> None:
        for _ in range(50):
            self.store.add()
        turns = 0
        while states.UNCLAIMED in self.states():
            self.turn()
            self.pool.run_all()
            turns += 1
            self.assertLess(turns, 30)
        self.assertEqual([states.COMPLETE] * 50, self.states())
        self.assertLess(self.store.calls.count('pending'), 40)

    def test_a_ring_brings_a_new_job(self) -> None:
        self.turn()
        self.board.post([record.NewJob('0' * 8 + '-0000-4000-8000-000000000000', 't', 'n', 'f')])
        self.turn()
        self.assertEqual([states.CLAIMED], self.states())

    def test_a_schema_that_does_not_fit_ends_it(self) -> None:
        def refuse(*_: object) -> None:
            raise exceptions.IncompatibleSchema('here', '0001', '0002')

        self.store.pending = refuse
        self.assertRaises(exceptions.IncompatibleSchema, self.turn)

    def test_without_a_ring_the_poll_finds_it(self) -> None:
        self.turn()
        self.store.add()
        self.turn()
        self.assertEqual([states.UNCLAIMED], self.states())
        self.clock.advance(self.conductor._finder.due_in())
        self.turn()
        self.assertEqual([states.CLAIMED], self.states())

    def test_the_more_urgent_job_comes_first(self) -> None:
        low, high = self.store.add(priority=-1), self.store.add(priority=2)
        conductor = self.conduct(self.member)
        conductor._settings = Settings(max_jobs=1)
        self.turn(conductor)
        self.assertEqual([high.id], conductor.running())
        self.assertEqual(states.UNCLAIMED, self.store.jobs[low.id].state)

    def test_idle_members_share_a_burst(self) -> None:
        peer = self.join('two')
        other = self.conduct(peer)
        for _ in range(40):
            self.store.add()
        while states.UNCLAIMED in self.states():
            self.turn()
            self.turn(other)
            self.pool.run_all()
            self.clock.advance(0.01)
        collisions = self.log.output.count('not claimed')
        self.assertLessEqual(collisions, 2)

    def test_takes_late_jobs_of_others_when_idle(self) -> None:
        peer = self.join('two')
        assert peer.session() is not None
        for _ in range(20):
            self.store.add()
        for _ in range(60):
            self.turn()
            self.pool.run_all()
            self.clock.advance(5.0)
        self.assertEqual([states.COMPLETE] * 20, self.states())

    def test_an_idle_conductor_soon_helps_a_busy_one(self) -> None:
        peer = self.join('two')
        busy = self.conduct(peer)
        for _ in range(40):
            self.store.add()
        self.turn(busy)
        self.pool.waiting.clear()
        began = self.clock.now()
        while states.UNCLAIMED in self.states():
            pause = self.turn()
            self.pool.run_all()
            self.clock.advance(min(pause, 0.1))
        self.assertLess(self.clock.now() - began, 4.0)

    def test_an_idle_conductor_asks_less_than_one_statement_a_second(self) -> None:
        for _ in range(30):
            self.store.add(state=states.CLAIMED, owner=self.me())
        self.conductor._reconcile_at = self.clock.now() + 1e6
        self.turn()
        self.store.calls.clear()
        seconds = 0.0
        while seconds < 600.0:
            pause = self.turn()
            self.assertGreater(pause, 0.0)
            self.clock.advance(pause)
            seconds += pause
        self.assertLess(len(self.store.calls) / seconds, 1.0)


class TakeoverTest(_ConductorTestCase):

    def test_a_member_that_leaves_is_taken_over_at_once(self) -> None:
        peer = self.join('two')
        job = self.store.add()
        self.board_of(peer).claim(self.store.candidate(job.id))
        self.turn()
        self.assertEqual([], self.conductor.running())
        peer.stop()
        self.turn()
        self.assertEqual([job.id], self.conductor.running())
        self.pool.run_all()
        self.assertEqual([states.COMPLETE], self.states())

    def test_a_busy_conductor_takes_over_later(self) -> None:
        peer = self.join('two')
        job = self.store.add()
        self.board_of(peer).claim(self.store.candidate(job.id))
        self.turn()
        mine = [self.store.add(), self.store.add()]
        while len(self.conductor.running()) < len(mine):
            self.clock.advance(5.0)
            self.turn()
        peer.stop()
        self.turn()
        self.assertEqual(2, len(self.conductor.running()))
        self.pool.run_all()
        self.turn()
        self.assertEqual([job.id], self.conductor.running())

    def test_what_a_dead_member_ran_comes_before_what_waits(self) -> None:
        peer = self.join('two')
        orphan = self.store.add()
        self.board_of(peer).claim(self.store.candidate(orphan.id))
        for _ in range(40):
            self.store.add()
        self.turn()
        peer.stop()
        self.pool.run_all()
        self.turn()
        self.assertIn(orphan.id, self.conductor.running())

    def test_a_job_that_a_dead_member_was_about_to_claim_is_claimed_at_once(self) -> None:
        peer = self.join('two')
        session = peer.session()
        assert session is not None
        job = self.store.add()
        peer.acquire(session, job.id)
        while not self.conductor._finder._count_skipped():
            self.clock.advance(self.turn())
        peer.stop()
        self.turn()
        self.assertEqual([job.id], self.conductor.running())

    def test_the_zombie_settles_nothing(self) -> None:
        zombie = self.join('two')
        conductor = self.conduct(zombie)
        self.member.stop()
        self.store.add()
        self.turn(conductor)
        stale = list(self.pool.waiting)
        self.pool.waiting.clear()
        zombie.cut()
        self.clock.advance(20.0)
        self.member = self.join('three')
        heir = self.conduct(self.member)
        self.turn(heir)
        for run in stale:
            run()
        self.assertEqual([states.CLAIMED], self.states())
        self.pool.run_all()
        self.assertEqual([states.COMPLETE], self.states())


    def test_a_job_that_is_claimed_again_beside_its_first_run_is_known_to_run(self) -> None:
        job = self.store.add()
        self.turn()
        first = self.pool.waiting.pop()
        self.member.cut()
        self.clock.advance(20.0)
        self.member.heal()
        self.turn()
        self.assertEqual([job.id] * 2, self.conductor.running())
        first()
        self.assertEqual([job.id], self.conductor.running())
        self.clock.advance(60.0)
        self.turn()
        self.assertEqual([states.CLAIMED], self.states())
        self.assertNotIn('gave back', self.log.output)

    def test_a_job_of_a_session_that_was_doubted_and_lives_is_given_back_at_once(self) -> None:
        job = self.store.add()
        self.turn()

        def doubt() -> None:
            raise exceptions.OwnershipLost(job.id, 1, 'late')

        self.at['run'] = doubt
        self.pool.run_all()
        self.assertEqual([states.CLAIMED], self.states())
        self.at.clear()
        self.turn()
        self.pool.run_all()
        self.turn()
        self.pool.run_all()
        self.assertEqual([states.COMPLETE], self.states())


class BadJobTest(_ConductorTestCase):

    def test_an_unknown_flow_is_parked_after_a_few_pauses(self) -> None:
        self.factories.broken['bad'] = exceptions.UnknownFlow('bad', [])
        bad = self.store.add(flow='bad')
        claims = []
        for _ in range(600):
            self.turn()
            self.pool.run_all()
            claims.append(self.store.jobs[bad.id].claims)
            self.clock.advance(0.1)
        parked = self.store.jobs[bad.id]
        self.assertEqual((states.PARKED, 4), (parked.state, parked.claims))
        self.assertIn('UnknownFlow', parked.reason)
        self.assertEqual(1, claims[10])

    def test_a_crowd_of_them_hides_no_good_job(self) -> None:
        self.factories.broken['bad'] = exceptions.UnknownFlow('bad', [])
        for _ in range(40):
            self.store.add(flow='bad', priority=2)
        good = self.store.add()
        for _ in range(60):
            self.turn()
            self.pool.run_all()
            self.clock.advance(0.05)
        self.assertEqual(states.COMPLETE, self.store.jobs[good.id].state)

    def test_a_row_that_cannot_be_read_is_parked_and_others_run(self) -> None:
        bad, good = self.store.add(), self.store.add()
        self.store.unreadable.add(bad.id)
        self.turn()
        self.pool.run_all()
        self.assertEqual(states.PARKED, self.store.jobs[bad.id].state)
        self.assertEqual(states.COMPLETE, self.store.jobs[good.id].state)

    def test_an_unexpected_error_is_survived_with_a_pause(self) -> None:
        self.store.before = lambda name: {}[name]  # type: ignore[misc]
        self.assertGreater(self.turn(), 0.0)
        self.store.before = lambda name: None
        self.store.add()
        self.turn()
        self.assertEqual([states.CLAIMED], self.states())


class OutageTest(_ConductorTestCase):

    def test_a_coordinator_that_is_away_is_said_once_a_minute(self) -> None:
        self.store.add()
        self.turn()
        self.pool.run_all()
        self.member.cut()
        self.clock.advance(11.0)
        for _ in range(130):
            self.assertGreater(self.turn(), 0.0)
            self.clock.advance(1.0)
        self.assertEqual(3, self.log.output.count('coordinator is away'))
        self.member.heal()
        self.turn()
        self.assertEqual(1, self.log.output.count('coordinator is back'))

    def test_pauses_grow_while_it_is_away(self) -> None:
        self.member.stop()
        pauses = [self.turn() for _ in range(10)]
        self.assertLess(pauses[0], 0.21)
        self.assertGreater(pauses[-1], 2.4)
        self.assertLessEqual(max(pauses), 5.0)

    def test_a_claim_whose_answer_was_lost_is_given_back_and_run(self) -> None:
        self.store.add()
        self.store.lost.add('claim')
        self.conductor._stopping.wait = lambda timeout: False  # type: ignore[assignment]
        self.turn()
        self.assertEqual([states.CLAIMED], self.states())
        self.turn()
        self.clock.advance(10.0)
        self.turn()
        self.pool.run_all()
        self.assertEqual([states.COMPLETE], self.states())

    def test_a_job_that_was_left_is_given_back_and_run(self) -> None:
        self.store.add()
        self.turn()

        def away() -> None:
            self.store.away = True

        self.at['run'] = away
        self.pool.run_all()
        self.assertEqual([states.CLAIMED], self.states())
        self.store.away = False
        self.at.clear()
        self.turn()
        self.pool.run_all()
        self.turn()
        self.pool.run_all()
        self.assertEqual([states.COMPLETE], self.states())

    def test_nothing_is_asked_of_the_database_without_a_session(self) -> None:
        self.member.stop()
        self.store.calls.clear()
        self.turn()
        self.assertEqual([], self.store.calls)


class RunTest(_ConductorTestCase):

    def _run(self) -> threading.Thread:
        thread = threading.Thread(target=self.conductor.run)
        thread.start()
        self.addCleanup(thread.join, 10.0)
        self.addCleanup(self.conductor.stop)
        return thread

    def test_stop_hands_over_what_runs(self) -> None:
        engines: list[FakeEngine] = []
        running = threading.Event()

        def run() -> None:
            running.set()
            self.assertTrue(engines[0].suspended.wait(10.0))

        make = self.engine

        def engine(flow: object, claimed: ClaimedJob) -> FakeEngine:
            engines.append(make(flow, claimed))
            return engines[-1]

        self.engine = engine  # type: ignore[method-assign]
        self.at['run'] = run
        self.conductor = self.conduct(self.member)
        job = self.store.add()
        self._run()
        self.assertTrue(running.wait(10.0))
        self.conductor.stop()
        self.assertTrue(self.conductor.wait(10.0))
        stored = self.store.jobs[job.id]
        self.assertEqual((states.UNCLAIMED, 0), (stored.state, stored.attempts))
        self.assertIsNone(self.member.holder(job.id))

    def test_stop_before_the_first_job(self) -> None:
        thread = self._run()
        self.conductor.stop()
        thread.join(10.0)
        self.assertFalse(thread.is_alive())

    def test_a_posted_job_is_run(self) -> None:
        self._run()
        done = threading.Event()
        self.at['settled'] = done.set
        self.board.post([record.NewJob('0' * 8 + '-0000-4000-8000-000000000000', 't', 'n', 'f')])
        self.assertTrue(done.wait(10.0))


class StatusTest(_ConductorTestCase):

    def test_counts_the_jobs_that_run(self) -> None:
        self.store.add()
        self.turn()
        self.assertEqual(Status(1, {}, False), self.conductor.status())

    def test_names_who_is_away_until_it_is_back(self) -> None:
        self.store.away = True
        self.conductor._stopping.wait = lambda timeout=None: False  # type: ignore[method-assign]
        self.turn()
        self.assertEqual(['database'], list(self.conductor.status().away))
        self.store.away = False
        self.clock.advance(10.0)
        self.turn()
        self.assertEqual({}, self.conductor.status().away)

    def test_tells_that_it_stops(self) -> None:
        self.conductor.stop()
        self.assertTrue(self.conductor.status().draining)

    def test_is_heard_while_it_waits(self) -> None:
        heard: list[Status] = []
        conductor = Conductor(self.board, self.store, self.member, _never, heard=heard.append)

        def tick(timeout: float) -> bool:
            self.assertLessEqual(timeout, BEAT)
            return False

        conductor._wake.wait = tick  # type: ignore[method-assign,assignment]
        conductor._wait(10.0)
        self.assertEqual(11, len(heard))


def _never(claimed: ClaimedJob) -> JobRun:
    raise AssertionError('a job was claimed')


class RunsTest(_ConductorTestCase):

    def test_tells_what_each_job_is_at(self) -> None:
        job = self.store.add()
        seen: list[Running] = []
        self.at['run'] = lambda: seen.extend(self.conductor.runs())
        self.turn()
        self.assertEqual([], list(self.conductor.runs()[0].atoms))
        self.pool.run_all()
        [run] = seen
        self.assertEqual((job.id, 'flow', 1, ['atom']), (run.job, run.flow, run.epoch, run.atoms))
        self.assertEqual([], self.conductor.runs())
