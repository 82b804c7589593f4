# SPDX-License-Identifier: Apache-2.0
"""One commit per task in a serial flow, and fewer where tasks run at the same time."""

from __future__ import annotations

from typing import Any

import testtools

from tests.budgets import flows
from tests.functional.sql.databases import MigratedDatabase
from tfd import engines
from tfd.persistence import models
from tfd.testing.sql import StatementCounter
from tfd_drivers.sql.backend import SqlBackend


class CommitsTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.backend = SqlBackend(self.useFixture(MigratedDatabase('sqlite')).url)
        self.addCleanup(self.backend.close)

    def _count(self, flow: Any, error: Any = None, **options: Any) -> StatementCounter:
        """Run a flow whose book is stored; count from then on."""
        book = models.LogBook('book')
        detail = models.FlowDetail(flow.name)
        book.add(detail)
        self.backend.get_connection().save_logbook(book)
        engine = engines.load(flow, flow_detail=detail, book=book, backend=self.backend, **options)
        with StatementCounter(self.backend.database.engine) as counter:
            if error is None:
                engine.run()
            else:
                self.assertRaises(error, engine.run)
        self.assertEqual(0, counter.rollbacks)
        return counter

    def test_one_commit_per_task_of_a_linear_flow(self):
        for count in (1, 2, 50):
            # One to prepare, one for the first start; the last result goes with the flow's state.
            self.assertEqual(count + 2, self._count(flows.linear(count)).commits)

    def test_one_commit_per_task_of_an_unordered_flow(self):
        self.assertEqual(22, self._count(flows.unordered(20)).commits)

    def test_one_commit_per_task_of_a_graph(self):
        self.assertEqual(52, self._count(flows.wide_graph(50)).commits)

    def test_one_commit_per_call_where_all_is_reverted(self):
        # Twenty executed, one failed, all reverted, none asked.
        self.assertEqual(21 + 21 + 2, self._count(flows.reverted(20), ValueError).commits)

    def test_one_commit_per_call_and_question_of_a_retried_flow(self):
        counter = self._count(flows.retried(5))
        retries, executes, reverts, questions = 3, 3 * 6, 2 * 6, 2
        self.assertEqual(retries + executes + reverts + questions + 2, counter.commits)

    def test_a_resume_reads_once(self):
        self.assertEqual(1, self._count(flows.linear(3)).reads)

    def test_atoms_that_run_at_once_share_commits(self):
        counter = self._count(flows.unordered(200), engine='parallel', max_workers=4)
        # All start in one; ends that come together share one.
        self.assertLess(counter.commits, 203)

    def test_two_statements_per_commit_at_most(self):
        counter = self._count(flows.linear(50))
        updates = [text for text in counter.statements if not text.upper().startswith(('SELECT', 'INSERT'))]
        self.assertLessEqual(len(updates), 2 * 50 + 4)
