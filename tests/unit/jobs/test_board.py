# SPDX-License-Identifier: Apache-2.0
"""Claims, takeovers and settlements, with everything that can go wrong on the way."""

from __future__ import annotations

from testtools.matchers import StartsWith

from tests.unit.jobs.boards import BoardTestCase
from tfd import exceptions, states
from tfd.jobs import record
from tfd.types.failure import Failure


class PostTest(BoardTestCase):

    def test_rings_once_for_each_shard_after_the_jobs_are_stored(self) -> None:
        rung = []
        self.member.listen(lambda ring: rung.append((ring.name, len(self.store.jobs))))
        ids = [f'{shard:08x}-0000-4000-8000-{n:012x}' for n, shard in enumerate((1, 1, 2))]
        self.board.post([record.NewJob(i, i, 'name', 'flow') for i in ids])
        self.assertEqual([('DOORBELL', 3)] * 2, rung)

    def test_does_not_ring_for_a_job_of_later(self) -> None:
        rung: list[object] = []
        self.member.listen(rung.append)
        self.board.post([record.NewJob('0' * 32, 't', 'n', 'f', not_before=self.clock.wall() + 9)])
        self.assertEqual([], rung)

    def test_a_ring_that_cannot_be_sent_does_not_fail_the_post(self) -> None:
        self.member.cut()
        self.assertEqual(1, len(self.board.post([record.NewJob('0' * 32, 't', 'n', 'f')])))


class ClaimTest(BoardTestCase):

    def test_gives_the_job_under_a_new_epoch_with_its_lock(self) -> None:
        job = self.store.add()
        claimed = self.board.claim(self.store.candidate(job.id))
        self.assertEqual((1, self.me()), (claimed.fence.epoch, claimed.job.owner))
        self.assertEqual(self.me(), self.member.holder(job.id))
        claimed.check()

    def test_takes_the_lock_before_the_row(self) -> None:
        job = self.store.add()
        held = []
        self.store.before = lambda name: held.append((name, self.member.holder(job.id)))
        self.board.claim(self.store.candidate(job.id))
        self.assertEqual([('claim', self.me())], held)

    def test_leaves_a_locked_job_alone(self) -> None:
        job = self.store.add()
        peer = self.join('two')
        session = peer.session()
        assert session is not None
        peer.acquire(session, job.id)
        self.assertRaises(exceptions.LockHeld, self.board.claim, self.store.candidate(job.id))
        self.assertEqual(states.UNCLAIMED, self.store.jobs[job.id].state)

    def test_lets_go_of_the_lock_where_a_peer_was_faster(self) -> None:
        candidate = self.store.candidate(self.store.add().id)
        self.store.change(candidate.id, epoch=1)
        self.assertRaises(exceptions.UnclaimableJob, self.board.claim, candidate)
        self.assertIsNone(self.member.holder(candidate.id))

    def test_a_job_that_was_settled_meanwhile_is_not_run_again(self) -> None:
        candidate = self.store.candidate(self.store.add().id)
        self.store.change(candidate.id, state=states.COMPLETE)
        self.assertRaises(exceptions.UnclaimableJob, self.board.claim, candidate)

    def test_refuses_without_a_session(self) -> None:
        candidate = self.store.candidate(self.store.add().id)
        self.member.stop()
        self.assertRaises(exceptions.SessionLost, self.board.claim, candidate)
        self.assertEqual(states.UNCLAIMED, self.store.jobs[candidate.id].state)

    def test_refuses_within_the_margin_of_the_deadline(self) -> None:
        candidate = self.store.candidate(self.store.add().id)
        self.member.cut()
        self.clock.advance(9.5)
        self.assertRaises(exceptions.SessionLost, self.board.claim, candidate)

    def test_is_given_up_where_the_session_ends_before_the_row_is_answered(self) -> None:
        job = self.store.add()

        def stopped(name: str) -> None:
            self.member.cut()
            self.clock.advance(30.0)

        self.store.before = stopped
        self.assertRaises(exceptions.OwnershipLost, self.board.claim,
                          self.store.candidate(job.id))

    def test_lets_go_of_the_lock_where_the_answer_of_the_row_is_lost(self) -> None:
        job = self.store.add()
        self.store.lost.add('claim')
        self.assertRaises(exceptions.StorageUnavailable, self.board.claim,
                          self.store.candidate(job.id))
        self.assertIsNone(self.member.holder(job.id))
        self.assertEqual(self.me(), self.store.jobs[job.id].owner)

    def test_ends_the_connections_of_a_dead_owner_that_block_a_takeover(self) -> None:
        job = self.store.add(state=states.CLAIMED, owner='dead/1/1', epoch=4)
        self.store.blocked.add(job.id)
        claimed = self.board.claim(self.store.candidate(job.id))
        self.assertEqual(5, claimed.job.epoch)
        self.assertEqual(['claim', 'unblock', 'claim'], self.store.calls[-3:])

    def test_ends_no_connections_for_a_job_that_nobody_owns(self) -> None:
        job = self.store.add()
        self.store.blocked.add(job.id)
        self.assertRaises(exceptions.StorageUnavailable, self.board.claim,
                          self.store.candidate(job.id))
        self.assertNotIn('unblock', self.store.calls)

    def test_parks_a_job_that_cannot_be_read(self) -> None:
        job = self.store.add()
        self.store.unreadable.add(job.id)
        self.assertRaises(exceptions.UnclaimableJob, self.board.claim,
                          self.store.candidate(job.id))
        parked = self.store.jobs[job.id]
        self.assertEqual(states.PARKED, parked.state)
        self.assertThat(parked.reason, StartsWith('InvalidFormat: '))
        self.assertIsNone(self.member.holder(job.id))

    def test_leaves_a_job_to_a_host_that_has_its_key(self) -> None:
        job = self.store.add()
        self.store.locked.add(job.id)
        self.assertRaises(exceptions.UnclaimableJob, self.board.claim,
                          self.store.candidate(job.id))
        left = self.store.jobs[job.id]
        self.assertEqual(states.UNCLAIMED, left.state)
        self.assertThat(left.reason, StartsWith('UnknownKey: '))
        self.assertIsNone(self.member.holder(job.id))


class OwnershipTest(BoardTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.claimed = self.board.claim(self.store.candidate(self.store.add().id))

    def test_holds_as_long_as_heartbeats_are_answered(self) -> None:
        self.clock.advance(86400.0)
        self.claimed.check()

    def test_ends_within_the_margin_before_the_deadline(self) -> None:
        self.member.cut()
        self.clock.advance(8.9)
        self.claimed.check()
        self.clock.advance(0.2)
        err = self.assertRaises(exceptions.OwnershipLost, self.claimed.check)
        self.assertEqual((self.claimed.job.id, 1), (err.job, err.epoch))

    def test_is_not_revived_by_a_new_session(self) -> None:
        self.member.cut()
        self.clock.advance(86400.0)
        self.member.heal()
        self.assertIsNotNone(self.member.session())
        self.assertRaises(exceptions.OwnershipLost, self.claimed.check)

    def test_completes_after_success(self) -> None:
        given = self.claimed.settlement(states.SUCCESS, [])
        assert given is not None
        self.assertEqual((states.COMPLETE, states.SUCCESS, self.claimed.job.claim_id),
                         (given.state, given.outcome, given.claim_id))

    def test_completes_after_a_revert(self) -> None:
        given = self.claimed.settlement(states.REVERTED, [])
        assert given is not None
        self.assertEqual((states.COMPLETE, states.REVERTED), (given.state, given.outcome))

    def test_parks_after_a_revert_that_failed(self) -> None:
        failure = Failure.from_exception(ValueError('why'))
        given = self.claimed.settlement(states.FAILURE, [failure])
        assert given is not None
        self.assertEqual((states.PARKED, states.FAILURE), (given.state, given.outcome))
        self.assertEqual('the flow ended in FAILURE: ValueError: why', given.reason)

    def test_a_handed_over_claim_does_not_count(self) -> None:
        self.claimed.handing_over = True
        given = self.claimed.settlement(states.SUSPENDED, [])
        assert given is not None
        self.assertEqual((states.UNCLAIMED, False), (given.state, given.counts))

    def test_a_claim_whose_flow_suspended_itself_counts(self) -> None:
        given = self.claimed.settlement(states.SUSPENDED, [])
        assert given is not None
        self.assertEqual((states.UNCLAIMED, True), (given.state, given.counts))


class SettleTest(BoardTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.claimed = self.board.claim(self.store.candidate(self.store.add().id))

    def _state(self) -> tuple[str, str, str]:
        job = self.store.jobs[self.claimed.job.id]
        return job.state, job.outcome, job.reason

    def test_abandon(self) -> None:
        self.board.abandon(self.claimed, 'why')
        self.assertEqual((states.UNCLAIMED, '', 'why'), self._state())

    def test_park(self) -> None:
        self.board.park(self.claimed, 'why')
        self.assertEqual((states.PARKED, '', 'why'), self._state())

    def test_raises_where_a_peer_has_it(self) -> None:
        self.store.change(self.claimed.job.id, epoch=7)
        self.assertRaises(exceptions.OwnershipLost, self.board.park, self.claimed, 'why')

    def test_confirm_finds_what_the_engine_recorded(self) -> None:
        given = self.claimed.settlement(states.SUCCESS, [])
        assert given is not None
        self.store.settle(self.claimed.fence, given)
        before = self.store.jobs[self.claimed.job.id]
        self.assertTrue(self.board.confirm(self.claimed))
        self.assertEqual(before, self.store.jobs[self.claimed.job.id])

    def test_confirm_does_not_record_what_was_not(self) -> None:
        """The flow's last step would be missing, which travels with it."""
        self.claimed.settlement(states.SUCCESS, [])
        self.assertFalse(self.board.confirm(self.claimed))
        self.assertEqual(states.CLAIMED, self._state()[0])

    def test_confirm_raises_where_a_peer_has_it(self) -> None:
        self.claimed.settlement(states.SUCCESS, [])
        self.store.change(self.claimed.job.id, epoch=7)
        self.assertRaises(exceptions.OwnershipLost, self.board.confirm, self.claimed)

    def test_let_go_releases_the_lock_and_rings_for_an_abandoned_job(self) -> None:
        rung = []
        self.member.listen(lambda ring: rung.append(ring.name))
        self.board.abandon(self.claimed, 'why')
        self.board.let_go(self.claimed)
        self.assertIsNone(self.member.holder(self.claimed.job.id))
        self.assertEqual(['DOORBELL'], rung)

    def test_let_go_rings_nobody_for_a_job_that_is_done(self) -> None:
        rung: list[object] = []
        self.member.listen(rung.append)
        given = self.claimed.settlement(states.SUCCESS, [])
        assert given is not None
        self.store.settle(self.claimed.fence, given)
        self.board.let_go(self.claimed)
        self.assertEqual([], rung)


class OrphansTest(BoardTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.board.orphans(1)

    def test_are_the_jobs_of_owners_that_are_no_members(self) -> None:
        peer = self.join('two')
        living = self.store.add(state=states.CLAIMED, owner=self.me(peer))
        dead = self.store.add(state=states.CLAIMED, owner='two/1/old')
        found = [candidate.id for candidate in self.board.orphans(10)]
        self.assertEqual([dead.id], found)
        self.assertNotIn(living.id, found)

    def test_nobody_is_dead_where_the_members_cannot_be_listed(self) -> None:
        self.member.cut()
        self.assertRaises(exceptions.CoordinatorUnavailable, self.board.orphans, 10)

    def test_nobody_is_dead_after_the_coordinator_lost_its_data(self) -> None:
        peer = self.join('two')
        job = self.store.add()
        claimed = self.board_of(peer).claim(self.store.candidate(job.id))
        peer.cut()
        self.ensemble.wipe()
        self.assertEqual([], self.board.orphans(10))
        claimed.check()
        self.clock.advance(39.0)
        self.assertEqual([], self.board.orphans(10))
        self.clock.advance(1.0)
        self.assertRaises(exceptions.OwnershipLost, claimed.check)
        self.assertEqual([job.id], [candidate.id for candidate in self.board.orphans(10)])

    def test_nothing_is_taken_over_on_what_was_read_before_the_loss(self) -> None:
        peer = self.join('two')
        job = self.store.add()
        claimed = self.board_of(peer).claim(self.store.candidate(job.id))
        peer.cut()
        self.ensemble.wipe()
        # Whoever was stopped in between has the job for an orphan, and the lock is free.
        self.assertRaises(exceptions.UnclaimableJob, self.board.claim, self.store.candidate(job.id))
        self.assertIsNone(self.member.holder(job.id))
        self.assertEqual(claimed.job.owner, self.store.jobs[job.id].owner)
        claimed.check()

    def test_the_board_id_is_put_back_only_after_that_time(self) -> None:
        mine = self.member.board_id()
        self.ensemble.wipe()
        self.board.orphans(1)
        self.assertIsNone(self.member.board_id())
        self.clock.advance(40.0)
        self.board.orphans(1)
        self.assertEqual(mine, self.member.board_id())

    def test_a_conductor_that_starts_after_the_loss_waits_too(self) -> None:
        self.store.add(state=states.CLAIMED, owner='two/1/old')
        self.ensemble.wipe()
        late = self.board_of(self.member)
        self.assertEqual([], late.orphans(10))
        self.clock.advance(40.0)
        self.assertEqual(1, len(late.orphans(10)))

    def test_the_board_of_another_deployment_is_waited_for_once(self) -> None:
        self.store.add(state=states.CLAIMED, owner='two/1/old')
        self.ensemble.wipe()
        self.member.board_id(propose='of another deployment')
        self.assertEqual([], self.board.orphans(10))
        self.clock.advance(40.0)
        self.assertEqual(1, len(self.board.orphans(10)))
        self.assertEqual(1, len(self.board.orphans(10)))

    def test_a_second_loss_is_waited_for_again(self) -> None:
        self.store.add(state=states.CLAIMED, owner='two/1/old')
        for _ in range(2):
            self.ensemble.wipe()
            self.assertEqual([], self.board.orphans(10))
            self.clock.advance(40.0)
            self.assertEqual(1, len(self.board.orphans(10)))

    def test_a_new_board_is_not_waited_for(self) -> None:
        self.store.board = None
        self.ensemble.wipe()
        self.store.add(state=states.CLAIMED, owner='two/1/old')
        self.assertEqual(1, len(self.board_of(self.member).orphans(10)))


class FindOwnerTest(BoardTestCase):

    def test_is_the_living_owner(self) -> None:
        job = self.store.add()
        self.board.claim(self.store.candidate(job.id))
        self.assertEqual(self.me(), self.board.find_owner(job.id))

    def test_a_dead_owner_is_none(self) -> None:
        job = self.store.add(state=states.CLAIMED, owner='two/1/old')
        self.assertIsNone(self.board.find_owner(job.id))

    def test_a_job_that_waits_has_none(self) -> None:
        self.assertIsNone(self.board.find_owner(self.store.add().id))


class WaitTest(BoardTestCase):

    def test_returns_a_parked_job(self) -> None:
        job = self.store.add(state=states.PARKED)
        self.assertEqual(job, self.board.wait(job.id, 1.0))

    def test_returns_when_the_job_is_complete(self) -> None:
        job = self.store.add()
        start = self.clock.now()

        def complete(name: str) -> None:
            if self.clock.now() - start >= 3.0:
                self.store.change(job.id, state=states.COMPLETE)

        self.store.before = complete
        self.assertEqual(states.COMPLETE, self.board.wait(job.id, 10.0).state)
        self.assertLess(self.clock.now() - start, 4.0)

    def test_looks_less_and_less_often(self) -> None:
        job = self.store.add()
        self.assertRaises(exceptions.RequestTimeout, self.board.wait, job.id, 10.0)
        self.assertLess(self.store.calls.count('get'), 32)

    def test_waits_while_the_database_is_away(self) -> None:
        job = self.store.add()
        self.store.away = True
        err = self.assertRaises(exceptions.RequestTimeout, self.board.wait, job.id, 5.0)
        self.assertIsInstance(err.cause, exceptions.StorageUnavailable)

    def test_an_unknown_job_is_not_waited_for(self) -> None:
        self.assertRaises(exceptions.NotFound, self.board.wait, 'unknown', 5.0)
