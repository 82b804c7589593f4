# SPDX-License-Identifier: Apache-2.0
"""What every job store must keep. A driver's test mixes this in and says how to make a store."""

from __future__ import annotations

import threading
import unittest
import uuid
from typing import TYPE_CHECKING, Any

from tfd import exceptions, states
from tfd.jobs import ports, record
from tfd.persistence.record import Fence, Settlement
from tfd.testing.clock import FakeClock

__all__ = ['JobStoreContract']

_ALL = range(record.SHARDS)

if TYPE_CHECKING:
    _Base = unittest.TestCase
else:
    _Base = object


class JobStoreContract(_Base):
    """Tests of :class:`tfd.jobs.ports.JobStore`, for a :class:`testtools.TestCase` to mix in.

    A subclass gives :meth:`make_store`, and says what its driver can do:

    :cvar shared: several stores can be made of one place, which outlives each of them.
    :cvar encodes: stores go through a codec that refuses some values.
    """

    shared = True
    encodes = True

    def make_store(self, clock: FakeClock) -> ports.JobStore:
        """Return a store; called again in the same test, another one of the same place."""
        raise NotImplementedError

    def setUp(self) -> None:
        """Make an empty store, ``self.store``, whose time is ``self.clock``."""
        super().setUp()
        self.clock = FakeClock()
        self.store = self.make_store(self.clock)

    # -- what tests are made of ------------------------------------------------------------------

    def new(self, token: str | None = None, shard: int | None = None, **values: Any) -> record.NewJob:
        """Return a job to post, on this shard where one is given."""
        job_id = str(uuid.uuid4())
        if shard is not None:
            job_id = f'{shard:08x}{job_id[8:]}'
        return record.NewJob(id=job_id, token=token or job_id, name='a job', flow='a-flow', **values)

    def post(self, **values: Any) -> record.Job:
        """Post one job and let a moment pass, so that no two are of the same age."""
        (job,) = self.store.post([self.new(**values)])
        self.clock.advance(0.001)
        return job

    def candidate(self, job: record.Job) -> record.Candidate:
        """Return what is to be known of this job to claim it."""
        now = self.store.get(job.id)
        return record.Candidate(now.id, now.epoch, now.state, now.owner, now.flow, now.version, now.attempts)

    def claim(self, job: record.Job, owner: str = 'c/1/a') -> record.Job:
        """Claim a job under a new claim id."""
        return self.store.claim(self.candidate(job), owner, str(uuid.uuid4())).job

    def settle(self, job: record.Job, state: str = states.COMPLETE, **values: Any) -> None:
        """Give a claimed job back."""
        self.store.settle(Fence(job.id, job.epoch), Settlement(job.claim_id, state, **values))

    # -- posting ---------------------------------------------------------------------------------

    def test_a_posted_job_is_read_back(self) -> None:
        new = self.new(token='t', version='2', store={'size': 3}, priority=1, not_before=5.0)
        (posted,) = self.store.post([new])
        self.assertEqual(posted, self.store.get(new.id))
        self.assertEqual(
            (new.id, 't', 'a job', 'a-flow', '2', {'size': 3}, 1, 5.0),
            (posted.id, posted.token, posted.name, posted.flow, posted.version, posted.store, posted.priority,
             posted.not_before))

    def test_a_posted_job_belongs_to_nobody(self) -> None:
        job = self.post()
        self.assertEqual(
            (states.UNCLAIMED, '', '', '', 0, 0, 0, 0, record.shard_of(job.id)),
            (job.state, job.outcome, job.owner, job.claim_id, job.epoch, job.seq, job.attempts, job.claims, job.shard))
        self.assertEqual(self.clock.wall(), job.created_at + 0.001)

    def test_a_posted_job_has_a_book_and_a_flow_of_its_own(self) -> None:
        one, other = self.post(), self.post()
        self.assertEqual(4, len({one.book_uuid, one.flow_uuid, other.book_uuid, other.flow_uuid}))

    def test_a_known_token_gives_the_first_job(self) -> None:
        first = self.post(token='same', store={'a': 1})
        again = self.post(token='same', store={'a': 2})
        self.assertEqual(first, again)
        self.assertEqual(1, len(self.store.list(record.JobQuery())))

    def test_a_token_twice_in_one_post_is_one_job(self) -> None:
        jobs = self.store.post([self.new(token='same'), self.new(token='other'), self.new(token='same')])
        self.assertEqual(jobs[0], jobs[2])
        self.assertEqual(2, len(self.store.list(record.JobQuery())))

    def test_tokens_differ_by_case_accents_and_blanks(self) -> None:
        tokens = ['token', 'Token', 'tokèn', 'token ', ' token', 'tok\u0065\u0300n', '😀']
        jobs = self.store.post([self.new(token=token) for token in tokens])
        self.assertEqual(tokens, [job.token for job in jobs])
        self.assertEqual(len(tokens), len({job.id for job in jobs}))

    def test_a_known_id_under_another_token_is_refused(self) -> None:
        job = self.post(token='one')
        other = record.NewJob(id=job.id, token='two', name='n', flow='f')
        self.assertRaises(exceptions.Duplicate, self.store.post, [self.new(token='x'), other])
        self.assertEqual([job], self.store.list(record.JobQuery()))

    def test_a_value_that_cannot_be_stored_posts_nothing(self) -> None:
        if not self.encodes:
            self.skipTest('everything can be stored here')
        bad = self.new(store={'a': [object()]})
        with self.assertRaises(exceptions.NotStorable) as caught:
            self.store.post([self.new(), bad])
        self.assertEqual("$['a'][0]", caught.exception.path)
        self.assertEqual([], self.store.list(record.JobQuery()))

    def test_posting_nothing_does_nothing(self) -> None:
        self.assertEqual([], self.store.post([]))

    def test_many_threads_post_one_token(self) -> None:
        found: list[record.Job] = []
        threads = [
            threading.Thread(target=lambda: found.extend(self.store.post([self.new(token='same')]))) for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual([found[0].id] * 6, [job.id for job in found])

    def test_no_such_job(self) -> None:
        self.assertRaises(exceptions.NotFound, self.store.get, str(uuid.uuid4()))

    def test_a_job_is_found_by_its_token(self) -> None:
        jobs = self.store.post([self.new(token='one', store={'a': 1}), self.new(token='One')])
        self.assertEqual(jobs, [self.store.find('one'), self.store.find('One')])
        for token in ('two', 'one ', '', jobs[0].id):
            self.assertRaises(exceptions.NotFound, self.store.find, token)

    def test_another_store_of_the_place_sees_the_job(self) -> None:
        if not self.shared:
            self.skipTest('this store is alone')
        job = self.post()
        self.assertEqual(job, self.make_store(self.clock).get(job.id))

    # -- lists -----------------------------------------------------------------------------------

    def test_a_list_is_newest_first_page_by_page(self) -> None:
        jobs = [self.post() for _ in range(5)][::-1]
        first = self.store.list(record.JobQuery(limit=2))
        second = self.store.list(record.JobQuery(limit=9, before=first[-1].id))
        self.assertEqual(jobs, first + second)

    def test_pages_of_jobs_of_one_moment_miss_none(self) -> None:
        posted = self.store.post([self.new() for _ in range(5)])
        found = self.store.list(record.JobQuery(limit=2))
        while page := self.store.list(record.JobQuery(limit=2, before=found[-1].id)):
            found += page
        self.assertEqual(sorted(job.id for job in posted), sorted(job.id for job in found))
        self.assertEqual(5, len(found))

    def test_a_list_of_states(self) -> None:
        jobs = [self.post() for _ in range(4)]
        claimed = self.claim(jobs[1])
        self.settle(self.claim(jobs[2]), states.PARKED)
        wanted = record.JobQuery(states=(states.CLAIMED, states.PARKED))
        self.assertEqual([jobs[2].id, jobs[1].id], [job.id for job in self.store.list(wanted)])
        older = record.JobQuery(states=(states.CLAIMED, states.PARKED), before=jobs[2].id)
        self.assertEqual([claimed], self.store.list(older))

    def test_a_list_of_an_owner(self) -> None:
        jobs = [self.post() for _ in range(3)]
        mine = self.claim(jobs[0], owner='me')
        self.claim(jobs[1], owner='you')
        self.assertEqual([mine], self.store.list(record.JobQuery(owner='me')))

    def test_a_page_after_no_such_job(self) -> None:
        self.assertRaises(exceptions.NotFound, self.store.list, record.JobQuery(before=str(uuid.uuid4())))

    # -- looking for work ------------------------------------------------------------------------

    def test_pending_jobs_are_most_urgent_then_oldest_first(self) -> None:
        jobs = [self.post(priority=priority) for priority in (0, 1, -1, 1, 0)]
        found = self.store.pending(_ALL, self.clock.wall(), 10)
        self.assertEqual([jobs[i].id for i in (1, 3, 0, 4, 2)], [candidate.id for candidate in found])
        self.assertEqual(self.candidate(jobs[1]), found[0])
        self.assertEqual(found[:2], self.store.pending(_ALL, self.clock.wall(), 2))

    def test_pending_jobs_of_some_shards(self) -> None:
        jobs = {shard: self.post(shard=shard) for shard in (0, 1, 2, 63)}
        found = self.store.pending((1, 63), self.clock.wall(), 10)
        self.assertEqual([jobs[1].id, jobs[63].id], [candidate.id for candidate in found])
        self.assertEqual([], self.store.pending((), self.clock.wall(), 10))
        self.assertEqual([], self.store.pending((5,), self.clock.wall(), 10))

    def test_a_job_is_not_pending_before_its_time(self) -> None:
        job = self.post(not_before=self.clock.wall() + 10)
        self.assertEqual([], self.store.pending(_ALL, job.not_before - 0.001, 10))
        self.assertEqual(1, len(self.store.pending(_ALL, job.not_before, 10)))

    def test_a_job_whose_time_has_come_is_one_of_all(self) -> None:
        now = self.clock.wall()
        jobs = [self.post(priority=priority, not_before=when) for priority, when in (
            (0, 0.0), (1, now + 1), (0, now - 1), (2, now + 99), (1, 0.0), (0, -5.0), (-1, now + 1))]
        found = [candidate.id for candidate in self.store.pending(_ALL, now + 1, 10)]
        self.assertEqual([jobs[i].id for i in (1, 4, 0, 2, 5, 6)], found)
        self.assertEqual(found[:3], [candidate.id for candidate in self.store.pending(_ALL, now + 1, 3)])

    def test_a_claimed_or_settled_job_is_not_pending(self) -> None:
        self.claim(self.post())
        self.settle(self.claim(self.post()))
        self.assertEqual([], self.store.pending(_ALL, self.clock.wall(), 10))

    def test_orphans_are_claimed_by_none_of_the_living(self) -> None:
        owners = ['a/1/x', 'b/1/x', 'b/2/x', 'c', 'z']
        jobs = {owner: self.claim(self.post(), owner) for owner in owners}
        self.post()
        found = self.store.orphans({'b/1/x', 'c', 'q'}, 10)
        self.assertEqual({jobs[owner].id for owner in ('a/1/x', 'b/2/x', 'z')}, {orphan.id for orphan in found})
        self.assertIn(self.candidate(jobs['z']), found)
        self.assertEqual(2, len(self.store.orphans({'c'}, 2)))
        self.assertEqual([], self.store.orphans(set(owners), 10))
        self.assertEqual(5, len(self.store.orphans((), 10)))

    def test_a_settled_job_is_no_orphan(self) -> None:
        self.settle(self.claim(self.post()))
        self.assertEqual([], self.store.orphans((), 10))

    def test_owned_jobs(self) -> None:
        mine = self.claim(self.post(), 'me')
        self.claim(self.post(), 'you')
        self.settle(self.claim(self.post(), 'me'))
        self.assertEqual([mine], self.store.owned('me'))

    # -- claiming --------------------------------------------------------------------------------

    def test_a_claim_makes_an_owner_under_a_new_epoch(self) -> None:
        job = self.post()
        self.clock.advance(5)
        claimed = self.store.claim(self.candidate(job), 'c/1/a', 'claim').job
        self.assertEqual(
            (states.CLAIMED, 'c/1/a', 'claim', 1, 1, 1, self.clock.wall()),
            (claimed.state, claimed.owner, claimed.claim_id, claimed.epoch, claimed.attempts, claimed.claims,
             claimed.updated_at))
        self.assertEqual(claimed, self.store.get(job.id))

    def test_one_of_two_claims_of_one_candidate_wins(self) -> None:
        candidate = self.candidate(self.post())
        winner = self.store.claim(candidate, 'a', 'one').job
        self.assertRaises(exceptions.UnclaimableJob, self.store.claim, candidate, 'b', 'two')
        self.assertEqual(winner, self.store.get(winner.id))

    def test_a_claim_whose_answer_was_lost_is_made_again(self) -> None:
        candidate = self.candidate(self.post())
        first = self.store.claim(candidate, 'a', 'one')
        self.assertEqual(first, self.store.claim(candidate, 'a', 'one'))

    def test_a_claimed_job_is_taken_over(self) -> None:
        job = self.post()
        self.claim(job, 'dead')
        taken = self.claim(job, 'alive')
        self.assertEqual(('alive', 2, 2), (taken.owner, taken.epoch, taken.claims))

    def test_a_job_that_was_settled_since_it_was_read_is_not_claimed(self) -> None:
        for state in (states.COMPLETE, states.PARKED, states.UNCLAIMED):
            job = self.claim(self.post())
            candidate = self.candidate(job)
            self.settle(job, state)
            self.assertRaises(exceptions.UnclaimableJob, self.store.claim, candidate, 'b', 'two')
            self.assertEqual(state, self.store.get(job.id).state)

    def test_a_done_job_is_not_claimed_even_as_it_is(self) -> None:
        for state in (states.COMPLETE, states.PARKED):
            job = self.claim(self.post())
            self.settle(job, state)
            self.assertRaises(exceptions.UnclaimableJob, self.claim, job)

    def test_a_job_that_is_gone_is_not_claimed(self) -> None:
        candidate = record.Candidate(str(uuid.uuid4()), 0, states.UNCLAIMED, '', 'f', '', 0)
        self.assertRaises(exceptions.UnclaimableJob, self.store.claim, candidate, 'a', 'one')

    def test_many_threads_claim_one_job(self) -> None:
        candidate = self.candidate(self.post())
        won: list[str] = []
        lost: list[str] = []

        def claim(name: str) -> None:
            try:
                won.append(self.store.claim(candidate, name, name).job.owner)
            except exceptions.UnclaimableJob:
                lost.append(name)

        threads = [threading.Thread(target=claim, args=(f'c{number}',)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual((1, 5), (len(won), len(lost)))
        self.assertEqual(won[0], self.store.get(candidate.id).owner)

    def test_claims_without_progress_are_counted(self) -> None:
        job = self.post()
        self.assertEqual([1, 2, 3], [self.claim(job).attempts for _ in range(3)])

    # -- settling --------------------------------------------------------------------------------

    def test_settling_ends_the_epoch(self) -> None:
        job = self.claim(self.post())
        self.settle(job, states.COMPLETE, outcome='REVERTED', reason='as it was told')
        found = self.store.get(job.id)
        self.assertEqual(
            (states.COMPLETE, 'REVERTED', 'as it was told', '', job.claim_id, job.epoch + 1),
            (found.state, found.outcome, found.reason, found.owner, found.claim_id, found.epoch))

    def test_an_abandoned_job_is_pending_again(self) -> None:
        job = self.claim(self.post())
        self.settle(job, states.UNCLAIMED)
        self.assertEqual([job.id], [found.id for found in self.store.pending(_ALL, self.clock.wall(), 10)])

    def test_abandoning_is_no_progress(self) -> None:
        job = self.post()
        self.settle(self.claim(job), states.UNCLAIMED)
        self.assertEqual(2, self.claim(job).attempts)

    def test_a_claim_that_does_not_count(self) -> None:
        job = self.post()
        self.claim(job)
        self.settle(self.claim(job), states.UNCLAIMED, counts=False)
        self.assertEqual(2, self.claim(job).attempts)

    def test_settling_again_after_a_lost_answer_is_done(self) -> None:
        job = self.claim(self.post())
        self.settle(job, outcome='SUCCESS')
        settled = self.store.get(job.id)
        self.settle(job, outcome='SUCCESS')
        self.assertEqual(settled, self.store.get(job.id))

    def test_settling_under_a_lost_fence_changes_nothing(self) -> None:
        job = self.claim(self.post(), 'zombie')
        taken = self.claim(job, 'owner')
        self.assertRaises(exceptions.OwnershipLost, self.settle, job)
        self.assertEqual(taken, self.store.get(job.id))

    def test_settling_after_another_one_settled_is_refused(self) -> None:
        job = self.claim(self.post(), 'zombie')
        self.settle(self.claim(job, 'owner'))
        self.assertRaises(exceptions.OwnershipLost, self.settle, job)

    def test_settling_otherwise_than_before_is_refused(self) -> None:
        job = self.claim(self.post())
        self.settle(job, states.UNCLAIMED)
        self.assertRaises(exceptions.OwnershipLost, self.settle, job, states.COMPLETE)

    def test_settling_a_job_that_is_gone(self) -> None:
        self.assertRaises(
            exceptions.OwnershipLost, self.store.settle, Fence(str(uuid.uuid4()), 1), Settlement('c', states.COMPLETE))

    # -- parked jobs, and the board --------------------------------------------------------------

    def test_a_parked_job_is_released(self) -> None:
        job = self.post()
        self.claim(job)
        self.settle(self.claim(job), states.PARKED, outcome='FAILURE', reason='poison')
        self.store.release(job.id, states.UNCLAIMED)
        found = self.store.get(job.id)
        self.assertEqual((states.UNCLAIMED, 0, '', ''), (found.state, found.attempts, found.outcome, found.reason))
        self.assertEqual(1, self.claim(job).attempts)

    def test_only_a_parked_job_is_released(self) -> None:
        job = self.claim(self.post())
        self.assertRaises(exceptions.InvalidState, self.store.release, job.id, states.UNCLAIMED)
        self.assertEqual(job, self.store.get(job.id))

    def test_a_parked_job_is_released_to_the_board_only(self) -> None:
        job = self.claim(self.post())
        self.settle(job, states.PARKED)
        self.assertRaises(exceptions.InvalidState, self.store.release, job.id, states.COMPLETE)

    def test_no_such_job_to_release(self) -> None:
        self.assertRaises(exceptions.NotFound, self.store.release, str(uuid.uuid4()), states.UNCLAIMED)

    def test_there_is_nobody_to_unblock(self) -> None:
        job = self.claim(self.post())
        self.assertEqual(0, self.store.unblock(self.candidate(job)))

    def test_unblocking_by_an_old_candidate_does_nothing(self) -> None:
        job = self.claim(self.post())
        candidate = self.candidate(job)
        self.claim(job, 'other')
        self.assertEqual(0, self.store.unblock(candidate))

    def test_the_first_board_id_stays(self) -> None:
        self.assertIsNone(self.store.board_id())
        self.assertEqual('one', self.store.board_id('one'))
        self.assertEqual('one', self.store.board_id('two'))
        self.assertEqual('one', self.store.board_id())
