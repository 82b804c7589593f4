# SPDX-License-Identifier: Apache-2.0
"""``tfd job …`` and ``tfd conductor list``."""

from __future__ import annotations

import contextlib
from typing import Any

from tests.unit.cmd.commands import CommandTestCase, Ended
from tfd import exceptions, states
from tfd.client import Client
from tfd.cmd import exits, tfd
from tfd.conf import deployment
from tfd.jobs import record
from tfd.persistence.record import Fence, Settlement


class JobTest(CommandTestCase):

    def _tfd(self, *words: str) -> Ended:
        return self.call(tfd.main, *words)

    def _post(self, *words: str) -> Any:
        return self._tfd('job', 'post', 'a.flow', '-f', 'json', *words).json()

    def _settle(self, job_id: str, state: str, outcome: str, reason: str = '') -> None:
        with contextlib.closing(deployment.make_backend(self.deployment.conf())) as backend:
            store = backend.jobs()
            candidate = store.pending(range(64), 1e12, 1)[0]
            self.assertEqual(job_id, candidate.id)
            store.claim(candidate, 'me/1/1', 'claim')
            store.settle(Fence(job_id, 1), Settlement('claim', state, outcome, reason))

    def test_post_shows_the_job(self) -> None:
        job = self._post('--token', 't', '--priority', 'high', '--name', 'n')
        self.assertEqual(('a.flow', 't', 1, 'n', 'UNCLAIMED'),
                         tuple(job[k] for k in ('flow', 'token', 'priority', 'name', 'state')))

    def test_post_never_shows_the_store(self) -> None:
        ended = self._tfd('job', 'post', 'a.flow', '--store', 'password=s3cr3t')
        self.assertEqual(exits.Exit.DONE, ended.status)
        self.assertNotIn('s3cr3t', ended.out)

    def test_store_is_put_together(self) -> None:
        job = self._post('--store-json', '{"a": 1, "b": [2]}', '--store', 'c=x=y')
        with Client(self.deployment.conf()) as client:
            self.assertEqual({'a': 1, 'b': [2], 'c': 'x=y'}, client.get(job['id']).store)

    def test_not_before_takes_iso_8601(self) -> None:
        job = self._post('--not-before', '2030-01-01T00:00:00+00:00')
        self.assertEqual('2030-01-01T00:00:00.000Z', job['not_before'])

    def test_bad_arguments(self) -> None:
        for words in (('--store', 'x'), ('--store-json', '{'), ('--store-json', '[1]')):
            ended = self._tfd('job', 'post', 'a.flow', *words)
            self.assertEqual(exits.Exit.FAILED, ended.status)
            self.assertIn('tfd: --store', ended.err)

    def test_a_time_without_zone_is_a_mistake_of_usage(self) -> None:
        ended = self._tfd('job', 'post', 'a.flow', '--not-before', '2030-01-01')
        self.assertEqual(exits.Exit.USAGE, ended.status)
        self.assertIn('time zone', ended.err)

    def test_show(self) -> None:
        job = self._post()
        self.assertEqual(job, self._tfd('job', 'show', job['id'], '-f', 'json').json())

    def test_show_by_token(self) -> None:
        job = self._post('--token', 'mine')
        self.assertEqual(job, self._tfd('job', 'show', '--token', 'mine', '-f', 'json').json())
        self.assertEqual(exits.Exit.NOT_FOUND, self._tfd('job', 'show', '--token', 'yours').status)

    def test_show_needs_an_id_or_a_token(self) -> None:
        for words in ((), ('an-id', '--token', 'mine')):
            self.assertEqual(exits.Exit.USAGE, self._tfd('job', 'show', *words).status)

    def test_show_an_unknown_job(self) -> None:
        ended = self._tfd('job', 'show', '0' * 32)
        self.assertEqual(exits.Exit.NOT_FOUND, ended.status)
        self.assertIn('00000000-0000', ended.err)

    def test_list_in_every_format(self) -> None:
        job = self._post()
        self.assertEqual(job['id'], self._tfd('job', 'list', '-f', 'json').json()[0]['id'])
        for format in ('table', 'csv', 'yaml'):
            self.assertIn(job['id'], self._tfd('job', 'list', '-f', format).out)

    def test_list_by_state(self) -> None:
        self._post()
        self.assertEqual([], self._tfd('job', 'list', '--state', 'parked', '-f', 'json').json())
        ended = self._tfd('job', 'list', '--state', 'unknown')
        self.assertEqual(exits.Exit.USAGE, ended.status)

    def test_wait_for_success(self) -> None:
        job = self._post()
        self._settle(job['id'], states.COMPLETE, states.SUCCESS)
        self.assertEqual(exits.Exit.DONE, self._tfd('job', 'wait', job['id']).status)

    def test_wait_for_a_job_that_was_reverted(self) -> None:
        job = self._post()
        self._settle(job['id'], states.COMPLETE, states.REVERTED)
        ended = self._tfd('job', 'wait', job['id'], '-f', 'json')
        self.assertEqual((exits.Exit.NOT_SUCCESS, states.REVERTED),
                         (ended.status, ended.json()['outcome']))

    def test_wait_for_a_job_that_is_parked(self) -> None:
        job = self._post()
        self._settle(job['id'], states.PARKED, '')
        self.assertEqual(exits.Exit.NOT_SUCCESS, self._tfd('job', 'wait', job['id']).status)

    def test_retry_what_is_parked(self) -> None:
        job = self._post()
        self._settle(job['id'], states.PARKED, '')
        ended = self._tfd('job', 'retry', job['id'], '-f', 'json')
        self.assertEqual((exits.Exit.DONE, states.UNCLAIMED, 0),
                         (ended.status, ended.json()['state'], ended.json()['attempts']))

    def test_retry_nothing_else(self) -> None:
        job = self._post()
        ended = self._tfd('job', 'retry', job['id'])
        self.assertEqual(exits.Exit.FAILED, ended.status)
        self.assertIn('PARKED', ended.err)

    def test_parked_jobs_are_listed_with_the_reason(self) -> None:
        job = self._post()
        self._settle(job['id'], states.PARKED, '', 'the reason\nline one\nline two')
        self._post()
        [row] = self._tfd('job', 'list', '--parked', '-f', 'json').json()
        self.assertEqual((job['id'], 'the reason'), (row['id'], row['reason']))

    def test_show_prints_the_reason_and_the_last_lines_of_the_log(self) -> None:
        job = self._post()
        self._settle(job['id'], states.PARKED, '', 'the reason\nline one\nline two')
        shown = self._tfd('job', 'show', job['id'], '-f', 'json').json()
        self.assertEqual(('the reason', 'line one\nline two'), (shown['reason'], shown['log']))

    def test_list_at_length(self) -> None:
        self._post()
        [row] = self._tfd('job', 'list', '--long', '-f', 'json').json()
        self.assertIn('reason', row)
        self.assertNotIn('store', row)

    def test_numbers_that_mean_nothing(self) -> None:
        job = self._post()
        for words in (('list', '--limit', '0'), ('wait', job['id'], '--timeout', 'nan'),
                      ('post', 'a.flow', '--priority', 'odd'),
                      ('post', 'a.flow', '--not-before', 'odd')):
            self.assertEqual(exits.Exit.USAGE, self._tfd('job', *words).status)

    def test_wait_not_for_ever(self) -> None:
        job = self._post()
        ended = self._tfd('job', 'wait', job['id'], '--timeout', '0.05')
        self.assertEqual(exits.Exit.NOT_IN_TIME, ended.status)
        self.assertIn('UNCLAIMED', ended.err)

    def test_no_conductor(self) -> None:
        ended = self._tfd('conductor', 'list', '-f', 'json')
        self.assertEqual((exits.Exit.DONE, []), (ended.status, ended.json()))

    def test_members_are_taken_apart(self) -> None:
        conf = self.deployment.conf()
        coordinator = deployment.make_coordinator(conf, worker='3')
        coordinator.start()
        self.addCleanup(coordinator.stop)
        listed = self._tfd('conductor', 'list', '-f', 'json').json()
        self.assertEqual([('here', '3', 64, '')],
                         [(row['conductor'], row['worker'], row['shards'], row['version']) for row in listed])

    def test_conductors_that_were_seen(self) -> None:
        conf = self.deployment.conf()
        coordinator = deployment.make_coordinator(conf, worker='3')
        coordinator.start()
        self.addCleanup(coordinator.stop)
        session = coordinator.session()
        assert session is not None
        with contextlib.closing(deployment.make_backend(conf)) as backend:
            roster = backend.roster()
            for name, at in ((session.incarnation, 20.0), ('gone/1/a', 10.0), ('gone/1/b', 15.0)):
                roster.note(record.Incarnation(name, 'h', 7, '1.2', at - 5.0, at))
        living = {'conductor': 'here', 'worker': '3', 'session': session.incarnation.split('/')[2], 'shards': 64,
                  'hostname': 'h', 'pid': 7, 'version': '1.2', 'started_at': '1970-01-01T00:00:15.000Z',
                  'seen_at': '1970-01-01T00:00:20.000Z'}
        self.assertEqual([living], self._tfd('conductor', 'list', '-f', 'json').json())
        for words, sessions in ((('--all',), ['b', 'a']), (('--all', '--limit', '1'), ['b'])):
            first, *others = self._tfd('conductor', 'list', '-f', 'json', *words).json()
            self.assertEqual(living, first)
            self.assertEqual(
                [('gone', '1', session, '') for session in sessions],
                [(row['conductor'], row['worker'], row['session'], row['shards']) for row in others])

    def test_living_conductors_are_listed_without_the_database(self) -> None:
        coordinator = deployment.make_coordinator(self.deployment.conf(), worker='3')
        coordinator.start()
        self.addCleanup(coordinator.stop)

        def away(*unused: object) -> None:
            raise exceptions.StorageUnavailable('away')

        self.patch(Client, 'conductors', away)
        self.assertEqual(['3'], [row['worker'] for row in self._tfd('conductor', 'list', '-f', 'json').json()])
        self.assertEqual(exits.Exit.UNAVAILABLE, self._tfd('conductor', 'list', '--all').status)


class ErrorTest(CommandTestCase):

    migrated = False

    def test_an_unmigrated_database(self) -> None:
        ended = self.call(tfd.main, 'job', 'list')
        self.assertEqual(exits.Exit.SCHEMA, ended.status)
        self.assertIn("run 'tfd-manage db sync'", ended.err)
        self.assertEqual(1, len(ended.err.splitlines()))

    def test_an_unreachable_database(self) -> None:
        self.deployment.file.write_text(
            '[database]\nconnection = mysql://me:s3cr3t@127.0.0.1:1/tfd\n')
        ended = self.call(tfd.main, 'job', 'list')
        self.assertEqual(exits.Exit.UNAVAILABLE, ended.status)
        self.assertIn('127.0.0.1', ended.err)
        self.assertNotIn('s3cr3t', ended.err)

    def test_an_unreachable_zookeeper(self) -> None:
        with self.deployment.file.open('a') as file:
            file.write('[coordination]\nbackend = zookeeper\nhosts = 127.0.0.1:1\n'
                       'connect_timeout = 0.2\n')
        ended = self.call(tfd.main, 'conductor', 'list')
        self.assertEqual(exits.Exit.UNAVAILABLE, ended.status)
        self.assertIn('127.0.0.1:1', ended.err)

    def test_a_bad_configuration(self) -> None:
        self.deployment.file.write_text('nonsense\n')
        ended = self.call(tfd.main, 'job', 'list')
        self.assertEqual(exits.Exit.CONFIGURATION, ended.status)
        self.assertIn(f'configuration file {self.deployment.file}: line 1', ended.err)

    def test_a_missing_file(self) -> None:
        ended = self.call_plain(tfd.main, '--config-file', '/nowhere', 'job', 'list')
        self.assertEqual(exits.Exit.CONFIGURATION, ended.status)

    def test_an_unknown_command(self) -> None:
        self.assertEqual(exits.Exit.USAGE, self.call(tfd.main, 'job', 'eat').status)
