# SPDX-License-Identifier: Apache-2.0
"""Conductors of a board of nodes: what becomes of a job, and who stops when a claim is lost."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import Any

import fixtures

from tests.functional.zookeeper.proxy import Wire
from tests.functional.zookeeper.test_board import BoardTestCase
from tfd import engines, exceptions, states, task
from tfd.conductors import backends as conductors
from tfd.conductors.backends import impl_blocking
from tfd.patterns import linear_flow
from tfd.persistence import backends, models

#: What the tasks of a test did, and what they wait for.
_DONE: list[Any] = []
_STARTED, _GO_ON = threading.Event(), threading.Event()


class Note(task.Task):
    default_provides = 'noted'

    def execute(self, **kwargs: Any) -> str:
        _DONE.append((self.name, kwargs))
        return self.name

    def revert(self, **kwargs: Any) -> None:
        _DONE.append((self.name, 'reverted'))


class Raise(task.Task):
    def __init__(self, name: str, error: type[Exception]) -> None:
        super().__init__(name)
        self._error = error

    def execute(self) -> None:
        raise self._error('told to')


class Wait(task.Task):
    def execute(self) -> None:
        _STARTED.set()
        _GO_ON.wait(60)


def two() -> Any:
    return linear_flow.Flow('two').add(Note('one', requires='given'), Note('two'))


def failing() -> Any:
    return linear_flow.Flow('failing').add(Note('one'), Raise('fail', ValueError))


def unlucky() -> Any:
    return linear_flow.Flow('unlucky').add(Raise('fail', exceptions.StorageFailure))


def broken() -> Any:
    raise OSError('not here')


def waiting() -> Any:
    return linear_flow.Flow('waiting').add(Note('one'), Wait('wait'), Note('two'))


class ConductorsTest(BoardTestCase):
    def setUp(self) -> None:
        super().setUp()
        _DONE.clear()
        _STARTED.clear()
        _GO_ON.clear()
        self.addCleanup(_GO_ON.set)
        self.log = self.useFixture(
            fixtures.FakeLogger('tfd.conductors.backends.impl_executor', level=logging.INFO))
        self.backend = backends.fetch('memory')
        self.addCleanup(self.backend.close)
        self.jobs = self.board(self.backend)

    def post(self, factory: Any, details: Any = None, meta: Any = None) -> Any:
        book, detail = models.LogBook('book'), models.FlowDetail('flow')
        detail.meta = dict(meta or {})
        book.add(detail)
        with contextlib.closing(self.backend.get_connection()) as connection:
            connection.save_logbook(book)
        engines.save_factory_details(detail, factory, (), {}, backend=self.backend)
        return self.jobs.post('job', book=book, details=details)

    def conductor(self, board: Any = None, kind: str = 'blocking', **options: Any) -> Any:
        made = conductors.fetch(
            kind, 'conductor', board or self.jobs, persistence=self.backend, wait_timeout=0.05, **options)
        self.addCleanup(made.stop)
        return made

    def run_one(self, **options: Any) -> list[str]:
        """Run one job; return what the conductor told of."""
        conductor, told = self.conductor(**options), []
        conductor.notifier.register('*', lambda event, details: told.append(event))
        conductor.run(max_dispatches=1)
        self.assertFalse(conductor.dispatching)
        self.assertTrue(conductor.wait(0))
        return told

    def state(self, job: Any) -> Any:
        with contextlib.closing(self.backend.get_connection()) as connection:
            (flow,) = connection.get_flows_for_book(job.book_uuid)
        return flow.state

    def test_job_that_succeeds_is_consumed(self) -> None:
        for kind in ('blocking', 'nonblocking'):
            _DONE.clear()
            job = self.post(two, details={'store': {'given': 'by the job'}}, meta={'store': {'given': 'by the flow'}})
            told = self.run_one(kind=kind)
            self.assertEqual([('one', {'given': 'by the job'}), ('two', {})], _DONE)
            self.assertEqual((states.COMPLETE, states.SUCCESS), (job.state, self.state(job)))
            stages = ('compilation', 'preparation', 'validation', 'running')
            self.assertEqual(
                [*(f'{stage}_{end}' for stage in stages for end in ('start', 'end')), 'job_consumed'], told)
        self.assertIn(f'Job completed successfully: {job}', self.log.output)

    def test_job_that_fails_is_consumed(self) -> None:
        job = self.post(failing)
        self.assertIn('job_consumed', self.run_one())
        self.assertEqual([('one', {}), ('one', 'reverted')], _DONE)
        self.assertEqual((states.COMPLETE, states.REVERTED), (job.state, self.state(job)))
        self.assertIn(f'Job execution failed, it is consumed all the same: {job}', self.log.output)

    def test_job_that_may_do_better_elsewhere_is_given_back(self) -> None:
        job = self.post(unlucky)
        self.assertEqual('job_abandoned', self.run_one()[-1])
        self.assertEqual(states.UNCLAIMED, job.state)
        self.assertIn(f'Job execution failed, it is given back: {job} (StorageFailure)', self.log.output)

    def test_job_that_was_given_back_rests(self) -> None:
        job = self.post(unlucky)
        conductor = self.conductor()
        runner = threading.Thread(target=conductor.run)
        runner.start()
        self.eventually(lambda: 'given back' in self.log.output, 'it was tried')
        other = self.post(two, details={'store': {'given': 1}})
        self.eventually(lambda: other.state == states.COMPLETE, 'another is run')
        conductor.stop()
        runner.join(20)
        self.assertLess(self.log.output.count('given back'), 6)
        self.assertEqual(states.UNCLAIMED, job.state)

    def test_job_that_cannot_be_loaded_is_trashed(self) -> None:
        for job in (self.post(broken), self.post(two, details={'flow_uuid': 'none'}), self.jobs.post('no book')):
            self.assertEqual(['job_trashed'], self.run_one())
            self.assertEqual(states.COMPLETE, job.state)

    def test_job_whose_database_is_away_is_given_back(self) -> None:
        job = self.post(two, details={'store': {'given': 1}})
        away = exceptions.StorageUnavailable('away')
        self.useFixture(fixtures.MockPatchObject(self.backend, 'get_connection', side_effect=away))
        (found,) = self.jobs.iterjobs()
        found._book = None
        self.assertEqual(['job_abandoned'], self.run_one())
        self.assertEqual((states.UNCLAIMED, []), (job.state, _DONE))

    def test_stopped_conductor_suspends_and_gives_back(self) -> None:
        job = self.post(waiting)
        conductor = self.conductor()
        runner = threading.Thread(target=conductor.run)
        runner.start()
        self.assertTrue(_STARTED.wait(20))
        conductor.stop()
        _GO_ON.set()
        runner.join(20)
        self.assertEqual((states.UNCLAIMED, states.SUSPENDED), (job.state, self.state(job)))
        self.assertEqual([('one', {})], _DONE)
        self.run_one()
        self.assertEqual((states.COMPLETE, states.SUCCESS), (job.state, self.state(job)))
        self.assertEqual([('one', {}), ('two', {})], _DONE)

    def test_conductor_that_was_stopped_before_it_began_runs_nothing(self) -> None:
        job = self.post(two, details={'store': {'given': 1}})
        conductor = self.conductor()
        conductor.stop()
        conductor.run()
        self.assertEqual((states.UNCLAIMED, False), (job.state, conductor.dispatching))
        conductor.run(max_dispatches=1)
        self.assertEqual(states.COMPLETE, job.state)

    def test_conductor_that_lost_its_claim_leaves_the_job_alone(self) -> None:
        wire = self.useFixture(Wire(self.server.hosts))
        job = self.post(waiting)
        conductor = self.conductor(self.board(self.backend, hosts=wire.hosts), engine_options={})
        runner = threading.Thread(target=conductor.run, kwargs={'max_dispatches': 1})
        runner.start()
        self.assertTrue(_STARTED.wait(20))
        wire.cut()
        self.eventually(lambda: self.names(self.jobs, only_unclaimed=True) == ['job'], 'another can have it')
        self.jobs.claim(job, 'successor')
        _GO_ON.set()
        runner.join(30)
        self.assertEqual([('one', {})], _DONE)
        # What the task came to was not recorded, nothing was reverted, and the job is its new owner's.
        self.assertEqual('successor', self.jobs.find_owner(job))
        self.assertEqual(states.RUNNING, self.state(job))
        self.assertIn(f'Job was lost, and is left to whoever has it now: {job}', self.log.output)

    def test_conductor_is_known_on_its_board(self) -> None:
        conductor = self.conductor()
        conductor.run(max_dispatches=0)
        name = conductor.conductor.name
        self.assertTrue(name.startswith('conductor@'))
        self.assertIsNotNone(self.kazoo().exists(f'{self.jobs.entity_path}/conductor/{name}'))

    def test_conductor_can_be_subclassed_as_services_do(self) -> None:
        seen = []

        class Mine(impl_blocking.BlockingConductor):
            def _listeners_from_job(self, job: Any, engine: Any) -> list[Any]:
                return super()._listeners_from_job(job, engine)

            def _on_job_done(self, job: Any, fut: Any) -> None:
                super()._on_job_done(job, fut)
                seen.append((self._name, job.state))
                self._persistence.get_connection().destroy_logbook(job.book.uuid)

        job = self.post(two, details={'store': {'given': 1}})
        Mine('mine', self.jobs, persistence=self.backend, engine='serial').run(max_dispatches=1)
        self.assertEqual([('mine', states.COMPLETE)], seen)
        with contextlib.closing(self.backend.get_connection()) as connection:
            self.assertRaises(exceptions.NotFound, connection.get_logbook, job.book_uuid)

    def test_filter_of_a_service_is_given_the_job(self) -> None:
        given = []

        def look(record: logging.LogRecord) -> bool:
            given.append(record.args)
            return True

        logger = logging.getLogger('tfd.conductors.backends.impl_executor')
        logger.addFilter(look)
        self.addCleanup(logger.removeFilter, look)
        job = self.post(two, details={'store': {'given': 1}})
        self.run_one()
        self.assertIn(job.uuid, [args[0].uuid for args in given if args and hasattr(args[0], 'uuid')])
