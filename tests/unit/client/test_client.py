# SPDX-License-Identifier: Apache-2.0
"""The client on a real store (SQLite) and an ensemble in memory."""

from __future__ import annotations

import datetime
import os
import uuid
from typing import Any
from unittest import mock

import fixtures
import testtools

from tests.unit.conf.deployments import Deployment
from tfd import exceptions, plugins, states, task
from tfd.client import Client, Posting
from tfd.conf import deployment
from tfd.jobs import record
from tfd.jobs.factories import BadFactory
from tfd.patterns import linear_flow
from tfd.testing.ensemble import FakeCoordinator, FakeEnsemble


class _NeedsX(task.Task):  # type: ignore[misc]

    def execute(self, x: int) -> None:
        return None


def needs_x() -> linear_flow.Flow:
    return linear_flow.Flow('needs x').add(_NeedsX())


def broken() -> None:
    raise ValueError('no flow today')


class _ClientTestCase(testtools.TestCase):

    options = ''

    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.deployment = self.useFixture(Deployment(self.options))
        self.ensemble = FakeEnsemble(inline=True)
        self.rung: list[str] = []
        conductor = self.ensemble.member()
        conductor.start()
        conductor.listen(lambda ring: self.rung.append(ring.name))
        self.observers: list[FakeCoordinator] = []
        self._patch(deployment, 'make_coordinator', self._observer)
        self.flows: dict[str, Any] = {'needs_x': needs_x, 'broken': broken}
        load = plugins.load
        self._patch(plugins, 'load', lambda group, name: self._load(load, group, name))
        self.client = Client(self.deployment.conf())
        self.addCleanup(self.client.close)

    def _patch(self, where: Any, name: str, what: Any) -> None:
        patch = mock.patch.object(where, name, what)
        patch.start()
        self.addCleanup(patch.stop)

    def _observer(self, conf: object, **options: Any) -> FakeCoordinator:
        self.assertTrue(options['observer'])
        self.observers.append(self.ensemble.member(observer=True))
        return self.observers[-1]

    def _load(self, load: Any, group: str, name: str) -> Any:
        if group != 'tfd.flows':
            return load(group, name)
        if name not in self.flows:
            raise exceptions.UnknownPlugin(group, name, self.flows)
        return self.flows[name]


class PostTest(_ClientTestCase):

    def test_returns_the_job_as_it_is_stored(self) -> None:
        job = self.client.post('flow', {'a': [1]}, token='t', priority=2, name='a name')
        self.assertEqual(job, self.client.get(job.id))
        self.assertEqual(
            ('flow', {'a': [1]}, 't', 2, 'a name', states.UNCLAIMED),
            (job.flow, job.store, job.token, job.priority, job.name, job.state))

    def test_the_same_token_gives_the_same_job(self) -> None:
        first = self.client.post('flow', {'a': 1}, token='t')
        self.assertEqual(first, self.client.post('flow', {'a': 2}, token='t'))

    def test_without_a_token_each_is_a_job_of_its_own(self) -> None:
        self.assertNotEqual(self.client.post('flow').id, self.client.post('flow').id)

    def test_rings_after_the_job_is_stored(self) -> None:
        self.client.post('flow')
        self.assertEqual(['DOORBELL'], self.rung)

    def test_many_are_posted_together_or_not_at_all(self) -> None:
        self.assertRaises(
            exceptions.NotStorable, self.client.post_many,
            [Posting('flow'), Posting('flow', {'a': object()})])
        self.assertEqual([], self.client.list())

    def test_a_value_without_a_stored_form_is_named(self) -> None:
        err = self.assertRaises(
            exceptions.NotStorable, self.client.post, 'flow', {'a': {'b': object()}})
        self.assertIn('object', str(err))

    def test_a_datetime_becomes_seconds(self) -> None:
        when = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
        self.assertEqual(when.timestamp(), self.client.post('f', not_before=when).not_before)

    def test_arguments_that_cannot_be_used_are_refused(self) -> None:
        for arguments in (
            {'flow': ''}, {'flow': 5}, {'token': ''}, {'token': 'x' * 256}, {'name': 'x' * 256},
            {'store': {5: 1}}, {'store': {'tfd_job_id': 1}}, {'priority': 'high'},
            {'priority': True}, {'not_before': datetime.datetime(2030, 1, 1)},
            {'not_before': 'tomorrow'}, {'not_before': float('nan')}, {'not_before': float('inf')},
            {'not_before': 10 ** 400}, {'not_before': 1e300}, {'priority': 2 ** 31},
            {'priority': -10 ** 5000}, {'store': [('a', 1)]}, {'store': 'ab'},
            {'flow': 'a\nb'}, {'name': 'a\0'}, {'token': '\ud800'}, {'name': '\x1b[2J'},
        ):
            self.assertRaises(
                exceptions.InvalidFormat, self.client.post, **{'flow': 'flow', **arguments})
        self.assertEqual([], self.client.list())

    def test_what_is_refused_is_not_repeated_at_length(self) -> None:
        err = self.assertRaises(exceptions.InvalidFormat, self.client.post, 'x' * 100_000)
        self.assertLess(len(str(err)), 200)

    def test_names_may_be_of_any_language(self) -> None:
        name = 'größer \U0001f600 \u0627'
        self.assertEqual(name, self.client.post('flow', name=name).name)

    def test_what_the_flow_requires_is_checked_where_it_is_installed(self) -> None:
        err = self.assertRaises(exceptions.MissingDependencies, self.client.post, 'needs_x')
        self.assertEqual(['x'], err.missing_requirements)
        self.client.post('needs_x', {'x': 1})

    def test_what_every_job_is_given_is_not_missed(self) -> None:
        def asks(tfd_job_id: str, tfd_epoch: int, tfd_idempotency_key: str) -> None:
            pass

        self.flows['asks'] = lambda: linear_flow.Flow('asks').add(task.FunctorTask(asks))
        self.assertEqual('asks', self.client.post('asks').flow)

    def test_an_unknown_flow_is_left_to_conductors(self) -> None:
        self.assertEqual('unknown', self.client.post('unknown').flow)

    def test_a_broken_factory_is_left_to_conductors(self) -> None:
        self.client.post('broken')
        self.assertIn('no flow today', self.log.output)

    def test_can_be_used_after_a_fork(self) -> None:
        self.client.post('flow', token='parent')
        child = os.fork()
        if not child:
            code = 1
            try:
                self.client.post('flow', token='child')
                code = 0
            finally:
                os._exit(code)
        self.assertEqual(0, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        self.assertEqual(['child', 'parent'], [job.token for job in self.client.list()])


class CheckFlowsTest(_ClientTestCase):

    options = '[client]\ncheck_flows = true\n'

    def test_an_unknown_flow_is_refused(self) -> None:
        err = self.assertRaises(exceptions.UnknownFlow, self.client.post, 'unknown')
        self.assertEqual(['broken', 'needs_x'], err.known)
        self.assertEqual([], self.client.list())

    def test_a_broken_factory_is_refused(self) -> None:
        self.assertRaises(BadFactory, self.client.post, 'broken')


class DoorbellTest(_ClientTestCase):

    def test_a_coordinator_that_is_away_does_not_fail_the_post(self) -> None:
        self.ensemble.freeze()
        self.assertEqual(states.UNCLAIMED, self.client.post('flow').state)
        self.assertIn('at their next look', self.log.output)
        self.assertEqual([], self.rung)

    def test_rings_again_when_it_is_back(self) -> None:
        self.ensemble.freeze()
        self.client.post('flow')
        self.ensemble.thaw()
        self.client.post('flow')
        self.assertEqual(['DOORBELL'], self.rung)

    def test_is_connected_once(self) -> None:
        self.client.post('flow')
        self.client.post('flow')
        self.assertEqual(1, len(self.observers))

    def test_a_coordinator_that_breaks_does_not_fail_the_post(self) -> None:
        self._patch(FakeCoordinator, 'ring', mock.Mock(side_effect=KeyError('a bug')))
        self.client.post('flow')
        self.assertIn('did not ring', self.log.output)

    def test_one_that_cannot_be_made_does_not_fail_the_post(self) -> None:
        self._patch(deployment, 'make_coordinator', mock.Mock(side_effect=KeyError('a bug')))
        self.client.post('flow')
        self.client.post('flow')
        self.assertEqual(1, self.log.output.count('no doorbell'))

    def test_is_left_when_the_client_is_closed(self) -> None:
        self.client.post('flow')
        self.client.close()
        self.assertIsNone(self.observers[0].session())


class SilentTest(_ClientTestCase):

    options = '[client]\nring = false\n'

    def test_no_coordinator_is_made(self) -> None:
        self.client.post('flow')
        self.assertEqual([], self.observers)


class ReadTest(_ClientTestCase):

    def test_an_unknown_job(self) -> None:
        self.assertRaises(exceptions.NotFound, self.client.get, '0' * 32)

    def test_what_is_no_id(self) -> None:
        self.assertRaises(exceptions.NotFound, self.client.get, 'nope')

    def test_finds_by_token(self) -> None:
        job = self.client.post('flow', token='mine', store={'a': 1})
        self.assertEqual(job, self.client.find('mine'))
        self.assertRaises(exceptions.NotFound, self.client.find, job.id)

    def test_lists_newest_first_page_by_page(self) -> None:
        jobs = [self.client.post('flow') for _ in range(3)]
        page = self.client.list(limit=2)
        self.assertEqual([jobs[2].id, jobs[1].id], [job.id for job in page])
        rest = self.client.list(limit=2, before=page[-1].id)
        self.assertEqual([jobs[0].id], [job.id for job in rest])

    def test_lists_by_state(self) -> None:
        self.client.post('flow')
        self.assertEqual([], self.client.list(states=[states.COMPLETE]))

    def test_waits_no_longer_than_it_is_told(self) -> None:
        job = self.client.post('flow')
        self.assertRaises(exceptions.RequestTimeout, self.client.wait, job.id, timeout=0.05)

    def test_releases_only_what_is_parked(self) -> None:
        job = self.client.post('flow')
        self.assertRaises(exceptions.InvalidState, self.client.release, job.id)
        self.assertRaises(exceptions.NotFound, self.client.release, str(uuid.uuid4()))

    def test_sees_who_conducts(self) -> None:
        with self.client.coordinator() as coordinator:
            self.assertEqual(1, len(coordinator.members()))
        self.assertIsNone(coordinator.session())


class ConfigurationTest(testtools.TestCase):

    def test_from_files(self) -> None:
        made = self.useFixture(Deployment())
        with Client.from_config(files=[str(made.file)]) as client:
            self.assertIsInstance(client.post('flow'), record.Job)

    def test_an_unmigrated_database_is_named(self) -> None:
        made = self.useFixture(Deployment(migrated=False))
        with Client.from_config(files=[str(made.file)]) as client:
            self.assertRaises(exceptions.IncompatibleSchema, client.post, 'flow')
