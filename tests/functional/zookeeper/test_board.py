# SPDX-License-Identifier: Apache-2.0
"""What the board of nodes promises beyond the contract: layout, cost, lost replies, and what others put there."""

from __future__ import annotations

import json
import logging
import threading
import uuid
from typing import Any
from unittest import mock

import fixtures
import testtools
from kazoo.protocol import serialization

from tests.functional.zookeeper.cases import ServerTestCase
from tests.functional.zookeeper.proxy import Wire
from tfd import exceptions, states
from tfd.jobs import backends
from tfd.types.entity import Entity
from tfd_drivers.zookeeper.board import layout, view

_SESSION = 4.0


class BoardTestCase(ServerTestCase):
    """Each test has a path of its own."""

    tick_time = 0.2

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(fixtures.FakeLogger('tfd.types.notifier'))
        self.path = f'/{uuid.uuid4().hex}/jobs'
        self.log = self.useFixture(fixtures.FakeLogger('tfd_drivers.zookeeper.board', level=logging.WARNING))

    def board(self, persistence: Any = None, **options: Any) -> Any:
        conf = {
            'board': 'zookeeper', 'hosts': self.server.hosts, 'path': self.path, 'timeout': _SESSION, **options}
        made = backends.fetch('board', conf, persistence=persistence)
        self.addCleanup(made.close)
        made.connect()
        return made

    def names(self, board: Any, **options: Any) -> list[str]:
        return [job.name for job in board.iterjobs(ensure_fresh=True, **options)]

    def record(self, board: Any) -> list[Any]:
        """Return a list that grows with every request of a board's, but for its heartbeats."""
        client = board._connection.joined().client
        member = board._connection.joined().member
        connection, sent = client._connection, []
        send = connection._submit

        def submit(request: Any, timeout: float, xid: int | None = None) -> None:
            if not isinstance(request, serialization.Ping) and getattr(request, 'path', None) != member:
                sent.append(request)
            send(request, timeout, xid)

        connection._submit = submit
        return sent


class LayoutTest(BoardTestCase):
    """Pages, and what TaskFlow leaves beside them."""

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(layout, 'PAGE_SIZE', 4))
        self.client = self.kazoo()

    def test_no_page_grows_with_the_board(self) -> None:
        board, other = self.board(), self.board()
        for number in range(20):
            (board, other)[number % 2].post(f'job-{number}')
        pages = self.client.get_children(f'{self.path}/.tfd/pages')
        sizes = [len(self.client.get_children(f'{self.path}/.tfd/pages/{page}')) for page in pages]
        self.assertEqual(20, sum(sizes))
        # Each of the two posters may find out by posting that a page is full.
        self.assertLessEqual(max(sizes), 4 + 2)
        for one in (board, other, self.board()):
            self.assertEqual({f'job-{number}' for number in range(20)}, set(self.names(one)))

    def test_jobs_of_one_poster_are_in_order(self) -> None:
        board = self.board()
        for number in range(20):
            board.post(f'job-{number}')
        self.assertEqual([f'job-{number}' for number in range(20)], self.names(self.board()))

    def test_pages_go_with_their_jobs(self) -> None:
        board = self.board()
        for number in range(20):
            board.post(f'job-{number}')
        for job in board.iterjobs():
            board.claim(job, 'me')
            board.consume(job, 'me')
        self.assertEqual([], self.names(board))
        self.eventually(
            lambda: len(self.client.get_children(f'{self.path}/.tfd/pages')) == 1, 'one page is left')
        board.post('another')
        self.assertEqual(['another'], self.names(board))

    def test_poster_finds_another_page_than_one_that_is_gone(self) -> None:
        board = self.board()
        board.post('job')
        (page,) = self.client.get_children(f'{self.path}/.tfd/pages')
        self.client.delete(f'{self.path}/.tfd/pages/{page}', recursive=True)
        board.post('next')
        self.assertEqual(['next'], self.names(board))

    def test_jobs_that_taskflow_left_are_on_the_board(self) -> None:
        board = self.board()
        board.post('own')
        for name, priority in (('low', 'LOW'), ('high', 'HIGH')):
            self._leave(name, priority=priority)
        book = {'name': 'book', 'uuid': str(uuid.uuid4())}
        plain = self._leave('plain', book=book)
        self.assertEqual(['high', 'plain', 'own', 'low'], self.names(board))
        job = next(job for job in board.iterjobs() if job.name == 'plain')
        self.assertEqual((book['uuid'], 'book', {'a': 1}), (job.book_uuid, job.book_name, job.details))
        board.claim(job, 'me')
        self.assertEqual({'owner': 'me'}, json.loads(self.client.get(plain + '.lock')[0]))
        board.consume(job, 'me')
        self.assertIsNone(self.client.exists(plain))
        self.assertIsNone(self.client.exists(plain + '.lock'))

    def test_claims_of_taskflow_are_respected(self) -> None:
        board = self.board()
        path = self._leave('theirs')
        self.client.create(path + '.lock', b'{"owner": "them"}', ephemeral=True)
        (job,) = board.iterjobs(ensure_fresh=True)
        self.assertEqual((states.CLAIMED, 'them'), (job.state, board.find_owner(job)))
        self.assertEqual([], self.names(board, only_unclaimed=True))
        self.assertRaises(exceptions.UnclaimableJob, board.claim, job, 'me')

    def test_trashed_job_is_kept_aside(self) -> None:
        board = self.board()
        job = board.post('job', details={'a': 1})
        board.claim(job, 'me')
        board.trash(job, 'me')
        (name,) = self.client.get_children(board.trash_path)
        data = json.loads(self.client.get(f'{board.trash_path}/{name}')[0])
        self.assertEqual((job.uuid, {'a': 1}), (data['uuid'], data['details']))

    def test_entity_is_known_for_as_long_as_its_board_is_connected(self) -> None:
        board = self.board()
        board.register_entity(Entity('conductor', 'c@host:1', {'pid': 1}))
        path = f'{board.entity_path}/conductor/c@host:1'
        self.assertEqual({'pid': 1}, json.loads(self.client.get(path)[0])['metadata'])
        board.close()
        self.assertIsNone(self.client.exists(path))

    def _leave(self, name: str, **fields: Any) -> str:
        data = {'uuid': str(uuid.uuid4()), 'name': name, 'details': {'a': 1}, **fields}
        return str(self.client.create(f'{self.path}/job', json.dumps(data).encode(), sequence=True))


class StrangersTest(BoardTestCase):
    """What a broken or hostile writer puts on a board."""

    def test_what_is_no_job_is_passed_over_and_said_once(self) -> None:
        board, client = self.board(), self.kazoo()
        good = {'uuid': str(uuid.uuid4()), 'name': 'good', 'details': {}}
        bad: list[bytes] = [
            b'', b'{', b'\xff\xfe\x00', b'null', b'[]', b'"text"', b'{}', b'[' * 100_000, b'x' * 900_000,
            *(json.dumps({**good, **odd}).encode() for odd in (
                {'uuid': None}, {'uuid': 'no uuid'}, {'uuid': 5}, {'name': None}, {'name': ''}, {'name': ['x']},
                {'details': 'text'}, {'details': [1]}, {'priority': 'ODD'}, {'priority': 7}, {'priority': []},
                {'book': 'text'}, {'book': {'name': 'x'}}, {'book': {'name': 1, 'uuid': 2}}, {'name': 'x' * 10_000}))]
        for data in bad:
            client.create(f'{self.path}/job', data, sequence=True)
        client.create(f'{self.path}/job', json.dumps(good).encode(), sequence=True)
        board.post('own')
        page = f'{self.path}/.tfd/pages/0000000000'
        client.create(f'{page}/job-2-{uuid.uuid4().hex}-', json.dumps(good).encode(), sequence=True)
        client.create(f'{page}/garbage')
        client.create(f'{self.path}/.tfd/pages/garbage')
        for _ in range(3):
            self.assertEqual(['good', 'own'], self.names(board))
            self.assertEqual(2, board.job_count)
        self.assertEqual(len(bad) + 2, board.quarantined)
        self.assertEqual(len(bad) + 2, self.log.output.count('is no job'))
        self.assertNotIn('no uuid\'', self.log.output)

    def test_node_that_is_no_lock_blocks_no_job(self) -> None:
        board, client = self.board(), self.kazoo()
        job = board.post('job')
        client.create(job.lock_path, b'\xff')
        self.assertIsNone(board.find_owner(job))
        board.claim(job, 'me')
        self.assertEqual('me', board.find_owner(job))

    def test_jobs_whose_nodes_somebody_removed_are_not_there(self) -> None:
        board, client = self.board(), self.kazoo()
        job = board.post('job')
        board.claim(job, 'me')
        client.delete(job.path)
        self.assertRaises(exceptions.JobFailure, board.consume, job, 'me')
        self.assertEqual((states.COMPLETE, []), (job.state, self.names(board)))


class CostTest(BoardTestCase):
    """How many requests are sent."""

    def test_post_claim_and_consume_are_one_write_each(self) -> None:
        board = self.board()
        board.post('job')
        self.assertEqual(1, len(list(board.iterjobs())))
        sent = self.record(board)
        for number in range(3):
            job = board.post('job')
            self.assertEqual([serialization.Create], [type(request) for request in sent], number)
            board.claim(job, 'me')
            board.consume(job, 'me')
            self.assertEqual([serialization.Transaction] * 2, [type(request) for request in sent[1:]])
            sent.clear()

    def test_board_that_does_not_change_is_looked_at_for_nothing(self) -> None:
        board, other = self.board(), self.board()
        for number in range(40):
            other.claim(other.post(f'job-{number}'), 'them')
        self.assertEqual([], self.names(board, only_unclaimed=True))
        self.eventually(lambda: not board._view.is_dirty, 'all is read')
        sent = self.record(board)
        for _ in range(5):
            self.assertRaises(exceptions.NotFound, board.wait, timeout=0.1)
        self.assertEqual([], [type(request) for request in sent])
        self.assertEqual(40, len(list(board.iterjobs())))
        # What the jobs hold is read once, and no state of any.
        self.assertEqual({serialization.GetData}, {type(request) for request in sent})
        sent.clear()
        self.assertEqual(40, len(list(board.iterjobs())))
        self.assertEqual([], sent)

    def test_look_costs_the_pages_that_changed(self) -> None:
        self.useFixture(fixtures.MockPatchObject(layout, 'PAGE_SIZE', 4))
        board, other = self.board(), self.board()
        # Not so many that a page is opened behind them.
        for number in range(38):
            other.post(f'job-{number}')
        self.assertEqual(38, len(self.names(board)))
        sent = self.record(board)
        job = next(iter(other.iterjobs()))
        other.claim(job, 'them')
        self.assertEqual(37, len(self.names(board, only_unclaimed=True)))
        read = [request.path for request in sent if isinstance(request, serialization.GetChildren)]
        self.assertEqual([job.path.rpartition('/')[0]], read)

    def test_first_of_many_jobs_is_found_by_reading_few(self) -> None:
        board, other = self.board(), self.board()
        for number in range(200):
            other.post(f'job-{number}')
        sent = self.record(board)
        next(iter(board.iterjobs(only_unclaimed=True)))
        self.assertLess(len([request for request in sent if isinstance(request, serialization.GetData)]), 10)

    def test_what_is_kept_of_jobs_is_bounded(self) -> None:
        board = self.board()
        for number in range(20):
            board.post(f'job-{number}', details={'large': 'x' * (9000 if number % 2 else 1)})
        self.assertEqual(20, len(list(board.iterjobs())))
        self.assertEqual(10, len(board._connection.contents._kept))


def _is_multi(data: bytes) -> bool:
    """Whether there is the answer to a multi, which ends with a header of its own, among these bytes."""
    return serialization.multiheader_struct.pack(-1, True, -1) in data


class LostReplyTest(BoardTestCase):
    """A request that was performed, and whose answer never came."""

    def setUp(self) -> None:
        super().setUp()
        self.wire = self.useFixture(Wire(self.server.hosts))
        self.one = self.board(hosts=self.wire.hosts)
        self.other = self.board()

    def test_posted_job_is_found(self) -> None:
        self.wire.lose_reply(lambda data: b'/job-2-' in data)
        job = self.one.post('job')
        self.assertTrue(self.wire.lost.is_set())
        self.assertEqual(['job'], self.names(self.other))
        self.assertEqual([job.uuid], [found.uuid for found in self.one.iterjobs()])

    def test_claim_is_found(self) -> None:
        job = self.one.post('job')
        self.wire.lose_reply(_is_multi)
        self.one.claim(job, 'me')
        self.assertTrue(self.wire.lost.is_set())
        self.assertEqual('me', self.other.find_owner(job))
        self.one.consume(job, 'me')
        self.assertEqual([], self.names(self.other))

    def test_end_of_a_claim_is_found(self) -> None:
        for what in ('consume', 'abandon', 'trash'):
            job = self.one.post(what)
            self.one.claim(job, 'me')
            self.wire.lose_reply(_is_multi)
            getattr(self.one, what)(job, 'me')
            self.assertTrue(self.wire.lost.is_set())
            self.assertIsNone(self.other.find_owner(job))
        self.assertEqual(['abandon'], self.names(self.other, only_unclaimed=True))

    def test_what_is_not_answered_in_time_is_done_later(self) -> None:
        one = self.board(hosts=self.wire.hosts, request_timeout=0.3)
        job = one.post('job')
        one.claim(job, 'me')
        self.wire.cut()
        self.assertRaises(exceptions.JobFailure, one.consume, job, 'me')
        self.assertEqual('me', self.other.find_owner(job))
        self.wire.heal()
        self.eventually(lambda: self.names(self.other) == [], 'it is consumed')

    def test_claim_that_was_not_answered_in_time_strands_nothing(self) -> None:
        one = self.board(hosts=self.wire.hosts, request_timeout=0.3)
        job = one.post('job')
        self.wire.hold_reply(_is_multi)
        self.assertRaises(exceptions.JobFailure, one.claim, job, 'me')
        self.wire.heal()
        self.eventually(lambda: self.names(self.other, only_unclaimed=True) == ['job'], 'it can be claimed')
        (theirs,) = self.other.iterjobs()
        self.other.claim(theirs, 'you')

    def test_job_that_was_given_back_is_not_run_late(self) -> None:
        job = self.one.post('job')
        self.one.claim(job, 'me')
        self.one.ownership(job, 'me').check()
        self.one.abandon(job, 'me')
        self.assertRaises(exceptions.OwnershipLost, self.one.ownership, job, 'me')

    def test_owner_that_is_cut_off_stops_before_another_owns_its_job(self) -> None:
        job = self.one.post('job')
        self.one.claim(job, 'me')
        owned = self.one.ownership(job, 'me')
        owned.check()
        self.wire.cut()
        believed: list[bool] = []

        def claimed() -> bool:
            if not self.names(self.other, only_unclaimed=True):
                return False
            (theirs,) = self.other.iterjobs()
            self.other.claim(theirs, 'you')
            try:
                owned.check()
            except exceptions.OwnershipLost:
                believed.append(False)
            else:
                believed.append(True)
            return True

        self.eventually(claimed, 'another has it')
        self.assertEqual([False], believed)
        self.wire.heal()
        self.eventually(lambda: self.one.connected, 'a new session')
        self.assertRaises(exceptions.JobFailure, self.one.consume, job, 'me')
        self.assertEqual('you', self.other.find_owner(job))


class ListenersTest(BoardTestCase):
    """Who listens hears everything, and costs nothing when it does not any more."""

    def test_nothing_is_read_when_nobody_listens(self) -> None:
        board, other = self.board(), self.board()
        heard = threading.Event()
        board.notifier.register('POSTED', lambda event, details: heard.set())
        other.post('job')
        self.assertTrue(heard.wait(20))
        board.notifier.reset()
        other.post('wakes it once more')
        self.eventually(lambda: board._view.is_dirty, 'it is told by a watch')
        sent = self.record(board)
        for _ in range(5):
            other.post('job')
        # Whatever the watches said has arrived, and been heard.
        board._view._flush(board._connection.joined().client, board._connection.budget())
        self.assertEqual([], sent)

    def test_listener_that_fails_harms_nothing(self) -> None:
        board = self.board()
        heard: list[str] = []

        def fail(event: str, details: dict[str, Any]) -> None:
            raise ValueError(event)

        board.notifier.register('POSTED', fail)
        board.notifier.register('*', lambda event, details: heard.append(details['job'].name))
        for number in range(3):
            board.post(f'job-{number}')
        self.eventually(lambda: heard == ['job-0', 'job-1', 'job-2'], 'all are told')


class OptionsTest(testtools.TestCase):
    def test_paths_are_checked(self) -> None:
        for path in ('', '/', 'relative'):
            self.assertRaises(ValueError, backends.fetch, 'b', {'board': 'zookeeper', 'path': path})

    def test_taskflows_options_are_taken(self) -> None:
        board = backends.fetch('b', {
            'board': 'zookeeper', 'hosts': ['a:1', 'b:2'], 'timeout': '7', 'use_ssl': 'false', 'keyfile': None})
        options = board._connection.options
        self.assertEqual(('a:1,b:2', 7.0, False), (
            options.client['hosts'], options.session_timeout, options.client['use_ssl']))
        self.assertEqual('/taskflow/jobs', board.path)

    def test_text_says_the_kind_and_more(self) -> None:
        board = backends.fetch('b', 'zookeeper://a:1/?path=/p&timeout=3')
        self.assertEqual(('b', '/p', 'a:1'), (board.name, board.path, board._connection.options.client['hosts']))
        self.assertRaises(exceptions.UnknownPlugin, backends.fetch, 'b', 'odd')

    def test_news_of_a_watch_are_not_waited_for_in_its_own_thread(self) -> None:
        client = mock.Mock()
        client.handler._workers = [threading.current_thread()]
        view.View(layout.Layout('/x'), mock.Mock(), mock.Mock())._flush(client, mock.Mock())
        client.handler.dispatch_callback.assert_not_called()
