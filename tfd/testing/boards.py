# SPDX-License-Identifier: Apache-2.0
"""The contract of :class:`tfd.jobs.base.JobBoard`, as tests that every board passes."""

from __future__ import annotations

import contextlib
import time
import unittest
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tfd import exceptions, states
from tfd.jobs import base
from tfd.jobs.base import JobBoard, JobPriority
from tfd.persistence import backends, models
from tfd.persistence.base import Ownership
from tfd.types.entity import Entity

__all__ = ['JobBoardContract']

if TYPE_CHECKING:
    _Base = unittest.TestCase
else:
    _Base = object


class JobBoardContract(_Base):
    """Mix it into a test case and say, by the methods that raise ``NotImplementedError``, how to reach the board.

    :cvar patience: seconds until what must come has come.
    """

    patience = 20.0

    # What a board's tests say.

    def make(self, **options: Any) -> JobBoard:
        """Return a new object for the one board of this test, not connected; close it in the end."""
        raise NotImplementedError

    def lose_session(self, board: JobBoard) -> None:
        """Have the session of a board end, as if its process had died."""
        raise NotImplementedError

    # Small words of these tests.

    def connected(self, **options: Any) -> JobBoard:
        """Return an object for the board that is connected."""
        board = self.make(**options)
        board.connect()
        return board

    def eventually(self, happened: Callable[[], bool], what: str) -> None:
        """Wait until something has happened."""
        ends = time.monotonic() + self.patience
        while not happened():
            if time.monotonic() > ends:
                self.fail(f'not within {self.patience} s: {what}')
            time.sleep(0.01)

    def names(self, board: JobBoard, only_unclaimed: bool = False) -> list[str]:
        """Return the names of the jobs, as fresh as can be."""
        return [job.name for job in board.iterjobs(only_unclaimed=only_unclaimed, ensure_fresh=True)]

    # Connections.

    def test_board_is_connected_between_connect_and_close(self) -> None:
        board = self.make()
        self.assertFalse(board.connected)
        self.assertEqual([], list(board.iterjobs()))
        self.assertRaises(exceptions.JobFailure, board.post, 'job')
        board.connect()
        self.assertTrue(board.connected)
        board.connect()
        board.close()
        self.assertFalse(board.connected)
        self.assertRaises(exceptions.JobFailure, board.post, 'job')

    def test_board_can_be_connected_again(self) -> None:
        board = self.connected()
        board.post('job')
        board.close()
        board.connect()
        self.assertEqual(['job'], self.names(board))

    # Posting.

    def test_job_says_what_was_posted(self) -> None:
        board = self.connected()
        book = models.LogBook('book')
        job = board.post('name', book=book, details={'flow_uuid': 'x', 'n': [1, {}]}, priority='high')
        self.assertIs(board, job.board)
        self.assertIs(book, job.book)
        (found,) = self.connected().iterjobs()
        for one in (job, found):
            self.assertEqual(
                ('name', job.uuid, {'flow_uuid': 'x', 'n': [1, {}]}, JobPriority.HIGH, book.uuid, 'book'),
                (one.name, one.uuid, one.details, one.priority, one.book_uuid, one.book_name))
            self.assertEqual(states.UNCLAIMED, one.state)
            self.assertIn(job.uuid, str(one))
        self.assertEqual(job.created_on, found.created_on)
        self.assertIsNotNone(found.last_modified)

    def test_book_is_loaded_from_the_backend(self) -> None:
        backend = backends.fetch('memory')
        self.addCleanup(backend.close)
        book = models.LogBook('book')
        with contextlib.closing(backend.get_connection()) as connection:
            connection.save_logbook(book)
        self.connected().post('job', book=book)
        (job,) = self.connected(persistence=backend).iterjobs()
        assert job.book is not None
        self.assertEqual((book.uuid, 'book'), (job.book.uuid, job.book.name))
        (without,) = self.connected().iterjobs()
        self.assertIsNone(without.book)
        self.assertEqual(book.uuid, without.book_uuid)

    def test_what_cannot_be_posted_is_refused(self) -> None:
        board = self.connected()
        self.assertRaises(ValueError, board.post, 'job', priority='odd')
        self.assertRaises(ValueError, board.post, 'job', details={'o': object()})
        self.assertRaises(exceptions.TooLarge, board.post, 'job', details={'o': 'x' * 2_000_000})
        self.assertEqual([], self.names(board))

    # Looking.

    def test_most_urgent_comes_first_and_then_the_oldest(self) -> None:
        board = self.connected()
        for name, priority in (('a', 'LOW'), ('b', 'NORMAL'), ('c', 'VERY_HIGH'), ('d', 'NORMAL'), ('e', 'VERY_LOW')):
            board.post(name, priority=priority)
        for one in (board, self.connected()):
            self.assertEqual(['c', 'b', 'd', 'a', 'e'], self.names(one))
            self.assertEqual(5, one.job_count)

    def test_fresh_look_sees_what_was_posted_elsewhere(self) -> None:
        board, other = self.connected(), self.connected()
        self.assertEqual([], self.names(board))
        for number in range(5):
            other.post(f'job-{number}')
            self.assertEqual(number + 1, len(self.names(board)))

    def test_jobs_are_the_same_object_while_somebody_has_them(self) -> None:
        board = self.connected()
        job = board.post('job')
        self.assertIs(job, next(iter(board.iterjobs())))

    def test_wait_returns_when_there_is_a_job(self) -> None:
        board, other = self.connected(), self.connected()
        self.assertRaises(exceptions.NotFound, board.wait, timeout=0.05)
        job = other.post('job')
        self.assertEqual([job.uuid], [one.uuid for one in board.wait(timeout=self.patience)])

    def test_wait_is_for_jobs_that_can_be_claimed(self) -> None:
        board, other = self.connected(), self.connected()
        job = other.post('job')
        other.claim(job, 'me')
        self.eventually(lambda: self.names(board, True) == [], 'it is seen to be claimed')
        self.assertRaises(exceptions.NotFound, board.wait, timeout=0.1)
        other.abandon(job, 'me')
        self.assertEqual(['job'], [one.name for one in board.wait(timeout=self.patience)])

    def test_what_happens_is_told(self) -> None:
        board, other = self.make(), self.connected()
        told: list[tuple[str, str]] = []
        board.notifier.register(  # type: ignore[attr-defined]  # boards of this contract notify
            '*', lambda event, details: told.append((event, details['job'].name)))
        board.connect()
        job = other.post('job')
        self.eventually(lambda: told == [(base.POSTED, 'job')], 'that it was posted')
        other.claim(job, 'me')
        other.consume(job, 'me')
        self.eventually(lambda: told[1:] == [(base.REMOVAL, 'job')], 'that it was removed')

    # Claims and their ends.

    def test_job_is_claimed_by_one(self) -> None:
        board, other = self.connected(), self.connected()
        job = board.post('job')
        self.assertIsNone(board.find_owner(job))
        board.claim(job, 'me')
        self.assertEqual((states.CLAIMED, 'me'), (job.state, other.find_owner(job)))
        (theirs,) = other.iterjobs(ensure_fresh=True)
        for who in ('me', 'you'):
            self.assertRaises(exceptions.UnclaimableJob, board.claim, job, who)
            self.assertRaises(exceptions.UnclaimableJob, other.claim, theirs, who)
        self.assertEqual([], self.names(other, only_unclaimed=True))
        self.assertEqual(['job'], self.names(other))

    def test_owner_is_named_by_a_text(self) -> None:
        board = self.connected()
        job = board.post('job')
        for call in (board.claim, board.consume, board.abandon, board.trash):
            self.assertRaises(TypeError, call, job, None)
            self.assertRaises(ValueError, call, job, '')
        self.assertEqual(states.UNCLAIMED, job.state)

    def test_consumed_job_has_left_the_board(self) -> None:
        board, other = self.connected(), self.connected()
        job = board.post('job')
        board.claim(job, 'me')
        board.consume(job, 'me')
        self.assertEqual((states.COMPLETE, None), (job.state, board.find_owner(job)))
        self.assertTrue(job.wait(timeout=1))
        self.assertIsNone(job.last_modified)
        for one in (board, other):
            self.assertEqual(([], 0), (self.names(one), one.job_count))
        for call in (board.claim, board.consume, board.abandon, board.trash):
            self.assertRaises(exceptions.NotFound, call, job, 'me')

    def test_abandoned_job_can_be_claimed_by_others(self) -> None:
        board, other = self.connected(), self.connected()
        job = board.post('job')
        board.claim(job, 'me')
        board.abandon(job, 'me')
        self.assertEqual(states.UNCLAIMED, job.state)
        self.assertFalse(job.wait(timeout=0.01))
        (theirs,) = other.iterjobs(only_unclaimed=True, ensure_fresh=True)
        other.claim(theirs, 'you')
        self.assertEqual('you', board.find_owner(job))
        self.assertRaises(exceptions.JobFailure, board.consume, job, 'me')

    def test_trashed_job_has_left_the_board(self) -> None:
        board = self.connected()
        job = board.post('job')
        board.claim(job, 'me')
        board.trash(job, 'me')
        self.assertEqual((states.COMPLETE, []), (job.state, self.names(board)))

    def test_who_does_not_own_a_job_settles_nothing(self) -> None:
        board, other = self.connected(), self.connected()
        job = board.post('job')
        (theirs,) = other.iterjobs(ensure_fresh=True)
        for call in (board.consume, board.abandon, board.trash):
            self.assertRaises(exceptions.NotFound, call, job, 'me')
        board.claim(job, 'me')
        for call in (board.consume, board.abandon, board.trash):
            self.assertRaises(exceptions.JobFailure, call, job, 'you')
        for call in (other.consume, other.abandon, other.trash):
            # By the same name, and all the same somebody else.
            self.assertRaises(exceptions.JobFailure, call, theirs, 'me')
        self.assertEqual(('me', states.CLAIMED), (board.find_owner(job), job.state))

    def test_claims_end_with_their_board(self) -> None:
        board, other = self.connected(), self.connected()
        board.claim(board.post('job'), 'me')
        board.close()
        self.eventually(lambda: self.names(other, only_unclaimed=True) == ['job'], 'it can be claimed')

    def test_claims_end_with_their_session(self) -> None:
        board, other = self.connected(), self.connected()
        job = board.post('job')
        board.claim(job, 'me')
        owned = board.ownership(job, 'me')
        if owned is not None:
            owned.check()
        self.lose_session(board)
        self.eventually(lambda: self.names(other, only_unclaimed=True) == ['job'], 'it can be claimed')
        if owned is not None:
            self.eventually(lambda: not self._is_owned(owned), 'its owner knows')
        (theirs,) = other.iterjobs()
        other.claim(theirs, 'you')
        self.eventually(lambda: board.connected, 'a new session')
        self.assertRaises((exceptions.JobFailure, exceptions.NotFound), board.consume, job, 'me')
        self.assertEqual('you', board.find_owner(job))

    def _is_owned(self, owned: Ownership) -> bool:
        try:
            owned.check()
        except exceptions.OwnershipLost:
            return False
        return True

    # Entities.

    def test_conductors_can_make_themselves_known(self) -> None:
        board = self.connected()
        for metadata in ({'a': 1}, {'a': 2}):
            board.register_entity(Entity('conductor', 'name@host:1', metadata))
        self.assertRaises(exceptions.NotImplementedError, board.register_entity, Entity('thing', 'name', {}))
