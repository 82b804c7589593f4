# SPDX-License-Identifier: Apache-2.0
"""A value that the database would not take is refused before it is sent, and fails the task whose it is."""

from __future__ import annotations

import uuid
from typing import Any

from tests.functional.sql.cases import SqlTestCase, post
from tfd import engines, exceptions, retry, states, task
from tfd.jobs import record
from tfd.patterns import linear_flow
from tfd.persistence import models
from tfd.persistence.record import Change, Entry

_MB = 2 ** 20


class _Returns(task.Task):

    def __init__(self, name: str, value: Any = None) -> None:
        super().__init__(name)
        self.value = value
        self.reverted = False

    def execute(self) -> Any:
        return self.value

    def revert(self, **kwargs: Any) -> None:
        self.reverted = True


class _Fails(_Returns):

    def execute(self) -> Any:
        raise ValueError(self.value)


class _Takes(task.Task):

    def execute(self, x: str) -> None:
        """Need an input."""


class _SizesTest(SqlTestCase):

    #: Bytes that the test allows, and that are too many; None where the server's limit is tried.
    LIMIT: int | None = 10_000
    LARGE = 20_000

    def setUp(self) -> None:
        super().setUp()
        self.backend = self.make(max_value_bytes=self.LIMIT or 64 * _MB)

    def test_a_result_fails_its_task(self) -> None:
        before, large = _Returns('before'), _Returns('large', 'x' * self.LARGE)
        engine = engines.load(linear_flow.Flow('f').add(before, large), backend=self.backend, patience=0.0)
        error = self.assertRaises(exceptions.TooLarge, engine.run)
        self.assertEqual("result of atom 'large'", error.what)
        self.assertTrue(error.size >= self.LARGE > error.limit)
        self.assertEqual(states.REVERTED, engine.storage.get_flow_state())
        self.assertEqual((True, True), (before.reverted, large.reverted))
        recorded = self.backend.journal().load(engine.storage.flow_uuid)
        self.assertEqual(states.REVERTED, recorded.flow.state)

    def test_what_a_revert_returns_is_left_out(self) -> None:
        class Reverts(_Returns):
            def revert(self, **kwargs: Any) -> Any:
                return large

        large = 'x' * self.LARGE
        flow = linear_flow.Flow('f').add(Reverts('one'), _Fails('two', 'no'))
        engine = engines.load(flow, backend=self.backend, patience=0.0)
        self.assertRaises(ValueError, engine.run)
        self.assertEqual(states.REVERTED, engine.storage.get_flow_state())

    def test_inputs_are_refused_before_anything_is_recorded(self) -> None:
        engine = engines.load(
            linear_flow.Flow('f').add(_Takes('t')), store={'x': 'x' * self.LARGE}, backend=self.backend, patience=0.0)
        error = self.assertRaises(exceptions.TooLarge, engine.prepare)
        self.assertEqual("inputs of flow 'f'", error.what)

    def test_a_job_with_such_inputs_is_not_posted(self) -> None:
        jobs = self.backend.jobs()
        small = record.NewJob(str(uuid.uuid4()), 'small', 'small', 'f')
        large = record.NewJob(str(uuid.uuid4()), 'large', 'large', 'f', store={'x': 'x' * self.LARGE})
        for _ in range(2):  # the first call connects
            error = self.assertRaises(exceptions.TooLarge, jobs.post, [small, large])
            self.assertEqual("store of job 'large'", error.what)
        self.assertEqual([], jobs.list(record.JobQuery()))

    def test_a_large_failure_is_cut(self) -> None:
        engine = engines.load(
            linear_flow.Flow('f').add(_Fails('t', 'x' * self.LARGE)), backend=self.backend, patience=0.0)
        self.assertRaises(ValueError, engine.run)
        self.assertEqual(states.REVERTED, engine.storage.get_flow_state())

    def test_so_is_that_of_a_history(self) -> None:
        flow = linear_flow.Flow('f', retry.Times(3, 'r')).add(_Fails('t', 'x' * self.LARGE))
        engine = engines.load(flow, backend=self.backend, patience=0.0)
        self.assertRaises(ValueError, engine.run)
        again = engines.load(flow, backend=self.backend, flow_detail=models.FlowDetail('f', engine.storage.flow_uuid))
        again.prepare()
        self.assertEqual(3, len(again.storage.get_retry_history('r')))

    def test_a_logbook_is_refused_whole(self) -> None:
        book, flow = models.LogBook('b'), models.FlowDetail('f', str(uuid.uuid4()))
        detail = models.TaskDetail('t', str(uuid.uuid4()))
        detail.put(states.SUCCESS, 'x' * self.LARGE)
        flow.add(detail)
        book.add(flow)
        connection = self.backend.get_connection()
        self.assertRaises(exceptions.TooLarge, connection.save_logbook, book)
        self.assertEqual([], list(connection.get_logbooks()))


class SqliteSizesTest(_SizesTest):
    kind = 'sqlite'


class MariaDBSizesTest(_SizesTest):
    kind = 'mariadb'


class PostgreSQLSizesTest(_SizesTest):
    kind = 'postgresql'


class MariaDBServerSizesTest(_SizesTest):
    """The server's own limit, by default 16 MiB for a request."""

    kind = 'mariadb'
    LIMIT = None
    LARGE = 20 * 10 ** 6

    def test_the_largest_values_are_stored_together(self) -> None:
        job, fence = self.owned_flow(1)
        journal = self.backend.journal()
        error = self.assertRaises(exceptions.TooLarge, journal.codec.encode, 'x' * self.LARGE, 'v')
        for text in ('x' * (error.limit - 4), '"' * (error.limit // 4 - 2)):
            value = journal.codec.encode(text, 'v')
            change = Change(0, ('state', 'result', 'meta'), ('SUCCESS', value, value))
            journal.append(Entry(job.flow_uuid, fence, changes=[change]))
            self.assertEqual((value, value), self._values(job))

    def _values(self, job: record.Job) -> tuple[Any, Any]:
        atom = self.backend.journal().load(job.flow_uuid).atoms[0]
        return atom.result, atom.meta

    def test_a_row_that_is_too_large_is_refused_before_it_is_sent(self) -> None:
        job, fence = self.owned_flow(1)
        before = self.backend.jobs().get(job.id)
        value = 'x' * (6 * _MB)
        change = Change(0, ('state', 'result', 'meta', 'failure'), ('SUCCESS', value, value, value))
        entry = Entry(job.flow_uuid, fence, changes=[change])
        error = self.assertRaises(exceptions.TooLarge, self.backend.journal().append, entry)
        self.assertEqual(f'record of atom 0 of flow {job.flow_uuid}', error.what)
        self.assertEqual(before, self.backend.jobs().get(job.id))

    def test_a_poster_of_a_value_that_the_server_takes(self) -> None:
        posted = post(self.make(max_value_bytes=64 * _MB), store={'x': 'x' * 7 * _MB})
        self.assertEqual(7 * _MB, len(self.backend.jobs().get(posted.id).store['x']))


del _SizesTest
