# SPDX-License-Identifier: Apache-2.0
"""The directory backend keeps the contract of a persistence backend, but for what is about jobs."""

from __future__ import annotations

import unittest

import fixtures
import testtools

from tfd.persistence import backends
from tfd.persistence.base import Backend
from tfd.testing.logbooks import ConnectionContract
from tfd.testing.persistence import JournalContract


class _Directory:
    """Each test has a directory of its own."""

    fences = False

    def make_backend(self) -> Backend:
        if not hasattr(self, '_path'):
            self._path = self.useFixture(fixtures.TempDir()).path
        return backends.fetch({'connection': 'directory', 'path': self._path})


class DirectoryJournalTest(_Directory, JournalContract, testtools.TestCase):
    pass


class DirectoryConnectionTest(_Directory, ConnectionContract, testtools.TestCase):
    pass


class SkippedTest(testtools.TestCase):

    def test_only_what_is_about_jobs_is_skipped(self) -> None:
        result = unittest.TestResult()
        for case in (DirectoryJournalTest, DirectoryConnectionTest):
            unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
        self.assertEqual([], result.failures + result.errors)
        self.assertEqual(_ABOUT_JOBS, sorted(case.id().rpartition('.')[2] for case, _ in result.skipped))


_ABOUT_JOBS = sorted((
    'test_a_step_under_a_fence_counts', 'test_a_zombie_records_nothing', 'test_a_refused_step_does_not_count',
    'test_progress_is_what_a_later_claim_need_not_do_again', 'test_creating_under_a_fence_is_no_progress',
    'test_the_last_step_gives_the_job_back', 'test_the_last_step_again_after_a_lost_answer_is_done',
    'test_no_step_comes_after_the_last', 'test_a_graceful_hand_over_does_not_count',
    'test_a_flow_whose_job_is_claimed_is_its_owners',
    'test_a_book_is_not_saved_with_changes_of_such_a_flow', 'test_the_metadata_of_its_book_is_free',
    'test_saving_it_as_it_is_does_nothing', 'test_a_flow_that_its_owner_has_not_recorded_yet_is_the_owners_too',
    'test_a_history_has_each_step_once_and_in_order', 'test_it_can_be_changed_when_the_job_is_given_back',
))
