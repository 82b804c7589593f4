# SPDX-License-Identifier: Apache-2.0
"""Rows of ours that nobody runs."""

from __future__ import annotations

from tests.unit.jobs.boards import BoardTestCase
from tfd import exceptions, states
from tfd.jobs.reconciler import Reconciler


class ReconcilerTest(BoardTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.reconciler = Reconciler(self.store, self.member)

    def test_gives_back_a_claim_whose_answer_was_lost(self) -> None:
        job = self.store.add()
        self.store.lost.add('claim')
        self.assertRaises(exceptions.StorageUnavailable, self.board.claim,
                          self.store.candidate(job.id))
        self.assertEqual([job.id], self.reconciler.reconcile(list))
        self.assertEqual(states.UNCLAIMED, self.store.jobs[job.id].state)

    def test_an_outage_is_no_attempt_of_the_job(self) -> None:
        job = self.store.add()
        for _ in range(5):
            self.board.claim(self.store.candidate(job.id))
            self.assertEqual([job.id], self.reconciler.reconcile(list))
        self.assertEqual((0, 5), (self.store.jobs[job.id].attempts, self.store.jobs[job.id].claims))

    def test_releases_the_lock_of_what_it_gives_back(self) -> None:
        claimed = self.board.claim(self.store.candidate(self.store.add().id))
        self.reconciler.reconcile(list)
        self.assertIsNone(self.member.holder(claimed.job.id))

    def test_leaves_what_runs(self) -> None:
        claimed = self.board.claim(self.store.candidate(self.store.add().id))
        self.assertEqual([], self.reconciler.reconcile(lambda: [claimed.job.id]))
        self.assertEqual(states.CLAIMED, self.store.jobs[claimed.job.id].state)

    def test_leaves_what_a_peer_owns(self) -> None:
        peer = self.join('two')
        job = self.store.add(state=states.CLAIMED, owner=self.me(peer))
        self.assertEqual([], self.reconciler.reconcile(list))
        self.assertEqual(states.CLAIMED, self.store.jobs[job.id].state)

    def test_leaves_what_ended_while_it_looked(self) -> None:
        claimed = self.board.claim(self.store.candidate(self.store.add().id))

        def running() -> list[str]:
            given = claimed.settlement(states.SUCCESS, [])
            assert given is not None
            self.store.settle(claimed.fence, given)
            return []

        self.assertEqual([], self.reconciler.reconcile(running))
        self.assertEqual(states.COMPLETE, self.store.jobs[claimed.job.id].state)

    def test_does_nothing_without_a_session(self) -> None:
        self.member.stop()
        self.assertEqual([], self.reconciler.reconcile(list))
        self.assertEqual([], self.store.calls)
