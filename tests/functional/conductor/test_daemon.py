# SPDX-License-Identifier: Apache-2.0
"""The daemon as it is deployed: its processes, its signals, and servers that are away."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import signal
import sqlite3

import testtools

from tests.functional import servers
from tests.functional.conductor.fleet import Fleet, Process, alive, until
from tfd import states
from tfd.cmd import exits
from tfd.conf import deployment
from tfd.jobs import record

_SECONDS = 30.0


def _children(pid: int) -> set[int]:
    text = pathlib.Path(f'/proc/{pid}/task').iterdir()
    found: set[int] = set()
    for thread in text:
        found.update(int(child) for child in (thread / 'children').read_text().split())
    return {child for child in found if alive(child)}


class _DaemonTestCase(testtools.TestCase):

    options: dict[str, object] = {}

    def setUp(self) -> None:
        super().setUp()
        self.fleet = self.useFixture(Fleet(**{'workers': 2, 'max_jobs': 4, **self.options}))
        self.addOnException(lambda _: self.addDetail('log', testtools.content.text_content(
            self.fleet.log()[-20000:])))

    def _running(self, daemon: Process) -> None:
        until(lambda: daemon.log.count('conductor starts') >= 2, _SECONDS)


class DaemonTest(_DaemonTestCase):

    options = {'max_attempts': 3}

    def test_runs_what_is_posted_and_ends_on_sigterm(self) -> None:
        jobs = [self.fleet.post('forward') for _ in range(10)]
        failing = [self.fleet.post('fails') for _ in range(3)]
        daemon = self.fleet.daemon()
        self.assertEqual({states.SUCCESS}, {self.fleet.wait(job).outcome for job in jobs})
        self.assertEqual({states.REVERTED}, {self.fleet.wait(job).outcome for job in failing})
        daemon.terminate()
        self.assertEqual(exits.Exit.DONE, daemon.wait(_SECONDS))

    def test_sigterm_hands_over_at_the_next_step(self) -> None:
        job = self.fleet.post('forward', pause=0.4)
        first = self.fleet.daemon()
        until(lambda: self.fleet.lines(job), _SECONDS)
        first.terminate()
        self.assertEqual(exits.Exit.DONE, first.wait(_SECONDS))
        handed = self.fleet.client.get(job.id)
        self.assertEqual((states.UNCLAIMED, 0), (handed.state, handed.attempts))
        steps = [line[3] for line in self.fleet.lines(job)]
        self.assertLess(len(steps), 6)
        self.fleet.daemon()
        self.assertEqual(states.SUCCESS, self.fleet.wait(job).outcome)
        self.assertEqual(list('123456'), [line[3] for line in self.fleet.lines(job)])

    def test_a_killed_worker_is_started_again(self) -> None:
        daemon = self.fleet.daemon()
        self._running(daemon)
        victim = min(_children(daemon.pid))
        os.kill(victim, signal.SIGKILL)
        until(lambda: daemon.log.count('conductor starts') == 3, _SECONDS)
        self.assertEqual(2, len(_children(daemon.pid) - {victim}))

    def test_the_parent_has_no_thread_but_the_one_that_forks(self) -> None:
        daemon = self.fleet.daemon()
        self._running(daemon)
        os.kill(min(_children(daemon.pid)), signal.SIGKILL)
        until(lambda: daemon.log.count('conductor starts') == 3, _SECONDS)
        self.assertEqual(2, len(list(pathlib.Path(f'/proc/{daemon.pid}/task').iterdir())))

    def test_a_worker_that_dies_again_and_again_starts_less_and_less_often(self) -> None:
        daemon = self.fleet.daemon()
        self._running(daemon)
        for death in range(1, 4):
            # The one that was started last.
            os.kill(max(_children(daemon.pid)), signal.SIGKILL)
            until(lambda count=death: daemon.log.count('the next one starts in') == count, _SECONDS)
            until(lambda: len(_children(daemon.pid)) == 2, _SECONDS)
        pauses = [float(found) for found in re.findall(r'worker 1 has died.*starts in ([0-9.]+) s', daemon.log)]
        self.assertEqual(3, len(pauses))
        self.assertEqual(sorted(pauses), pauses)
        daemon.terminate()
        self.assertEqual(exits.Exit.DONE, daemon.wait(_SECONDS))

    def test_workers_do_not_outlive_their_parent(self) -> None:
        job = self.fleet.post('forward', pause=0.3)
        daemon = self.fleet.daemon()
        self._running(daemon)
        until(lambda: self.fleet.lines(job), _SECONDS)
        workers = _children(daemon.pid)
        os.kill(daemon.pid, signal.SIGKILL)
        until(lambda: not any(alive(worker) for worker in workers), _SECONDS)
        self.assertEqual(states.UNCLAIMED, self.fleet.client.get(job.id).state)

    def test_a_deadly_job_is_parked_and_others_run(self) -> None:
        deadly = self.fleet.post('deadly')
        good = [self.fleet.post('forward') for _ in range(4)]
        self.fleet.daemon()
        self.fleet.daemon()
        self.assertEqual({states.SUCCESS}, {self.fleet.wait(job).outcome for job in good})
        parked = self.fleet.wait(deadly)
        self.assertEqual(states.PARKED, parked.state)
        self.assertIn('without recording anything new', parked.reason)

    def test_an_unknown_flow_is_parked(self) -> None:
        job = self.fleet.client.post('nobody.has.this')
        self.fleet.daemon()
        self.assertIn('UnknownFlow', self.fleet.wait(job).reason)

    def test_a_missing_input_parks(self) -> None:
        # A client that has the flow refuses to post this.
        job_id = '00000000-0000-4000-8000-000000000001'
        new = record.NewJob(job_id, 't', 'n', self.fleet.posting('forward').flow)
        with contextlib.closing(deployment.make_backend(self.fleet.conf)) as backend:
            job = backend.jobs().post([new])[0]
        self.fleet.daemon()
        parked = self.fleet.wait(job)
        self.assertEqual(states.PARKED, parked.state)
        self.assertIn('options', parked.reason)


class EndTest(_DaemonTestCase):
    """What a daemon ends with that has something left to do."""

    options = {'workers': 1}

    def _stuck(self, *lines: str) -> Process:
        with self.fleet.file.open('a') as file:
            file.write('\n'.join(('[DEFAULT]', *lines, '')))
        self.job = self.fleet.post('forward', pause=600.0)
        daemon = self.fleet.daemon()
        until(lambda: self.fleet.lines(self.job), _SECONDS)
        daemon.terminate()
        until(lambda: 'hands over 1 running jobs' in daemon.log, _SECONDS)
        return daemon

    def test_a_second_sigterm_ends_it_now(self) -> None:
        daemon = self._stuck()
        workers = _children(daemon.pid)
        daemon.terminate()
        self.assertEqual(exits.Exit.AT_ONCE, daemon.wait(_SECONDS))
        until(lambda: not any(alive(worker) for worker in workers), _SECONDS)
        self.assertEqual(states.CLAIMED, self.fleet.client.get(self.job.id).state)

    def test_what_takes_too_long_is_left(self) -> None:
        daemon = self._stuck('graceful_shutdown_timeout = 1')
        self.assertEqual(exits.Exit.NOT_IN_TIME, daemon.wait(_SECONDS))
        self.assertEqual(states.CLAIMED, self.fleet.client.get(self.job.id).state)

    def test_a_worker_that_stands_still_does_not_hold_up_the_end(self) -> None:
        daemon = self._stuck('graceful_shutdown_timeout = 1')
        for worker in _children(daemon.pid):
            os.kill(worker, signal.SIGSTOP)
        self.assertEqual(exits.Exit.NOT_IN_TIME, daemon.wait(_SECONDS))

    def test_sigint_ends_it_now(self) -> None:
        daemon = self.fleet.daemon()
        until(lambda: 'conductor starts' in daemon.log, _SECONDS)
        os.kill(daemon.pid, signal.SIGINT)
        self.assertEqual(exits.Exit.AT_ONCE, daemon.wait(_SECONDS))


class ReloadTest(_DaemonTestCase):
    """SIGHUP."""

    options = {'workers': 1, 'max_jobs': 1}

    def test_mutable_options_take_effect(self) -> None:
        daemon = self.fleet.daemon()
        jobs = [self.fleet.post('forward', pause=1.0) for _ in range(3)]
        until(lambda: self.fleet.lines(), _SECONDS)
        self.assertNotIn('DEBUG', daemon.log)
        text = self.fleet.file.read_text().replace('max_jobs = 1', 'max_jobs = 3')
        self.fleet.file.write_text(f'{text}[DEFAULT]\ndebug = true\ngraceful_shutdown_timeout = 30\n')
        os.kill(daemon.pid, signal.SIGHUP)
        until(lambda: len({line[0] for line in self.fleet.lines()}) == 3, _SECONDS)
        self.assertEqual([], [job for job in jobs if self.fleet.client.get(job.id).state == states.COMPLETE])
        self.fleet.file.write_text(text.replace('max_jobs = 3', 'max_jobs = none'))
        os.kill(daemon.pid, signal.SIGHUP)
        until(lambda: daemon.log.count('the configuration stays as it was') == 2, _SECONDS)
        self.assertEqual({states.SUCCESS}, {self.fleet.wait(job).outcome for job in jobs})
        daemon.terminate()
        self.assertEqual(exits.Exit.DONE, daemon.wait(_SECONDS))
        self.assertIn('DEBUG', daemon.log)


class ReportTest(_DaemonTestCase):
    """SIGUSR2."""

    def test_each_process_writes_one(self) -> None:
        with self.fleet.file.open('a') as file:
            file.write(f'[oslo_reports]\nlog_dir = {self.fleet.dir}\n')
        daemon = self.fleet.daemon()
        self._running(daemon)
        job = self.fleet.post('forward', pause=600.0)
        until(lambda: self.fleet.lines(job), _SECONDS)
        os.kill(daemon.pid, signal.SIGUSR2)
        until(lambda: daemon.log.count('report written') == 3, _SECONDS)
        texts = {
            int(file.name.rpartition('_')[2]): file.read_text()
            for file in self.fleet.dir.glob('tfd-conductor_gurumeditation_*')}
        self.assertEqual({daemon.pid, *_children(daemon.pid)}, set(texts))
        [busy] = [text for text in texts.values() if f'job {job.id}' in text]
        for said in ('epoch = 1', 'running atoms = step-1', 'since = 20', 'time.sleep', 'max_jobs = 4'):
            self.assertIn(said, busy)
        self.assertIn('phase = conducting', texts[daemon.pid])


class RefusalTest(_DaemonTestCase):

    def test_an_unmigrated_database(self) -> None:
        (self.fleet.dir / 'other.conf').write_text(
            f'[database]\nconnection = sqlite:///{self.fleet.dir}/other.sqlite\n')
        daemon = self.fleet.daemon('--config-file', str(self.fleet.dir / 'other.conf'))
        self.assertEqual(exits.Exit.SCHEMA, daemon.wait(_SECONDS))
        self.assertIn('tfd-manage db sync', daemon.log)
        self.assertNotIn('Traceback', daemon.log)

    def test_a_malformed_file(self) -> None:
        (self.fleet.dir / 'other.conf').write_text('nonsense\n')
        daemon = self.fleet.daemon('--config-file', str(self.fleet.dir / 'other.conf'))
        self.assertEqual(exits.Exit.CONFIGURATION, daemon.wait(_SECONDS))
        self.assertEqual(1, len(daemon.log.splitlines()))


class AbsentServerTest(testtools.TestCase):
    """A ZooKeeper that is away at the start, and later."""

    def test_is_waited_for(self) -> None:
        zookeeper = self.useFixture(servers.ZooKeeper())
        fleet = self.useFixture(Fleet(max_jobs=4, workers=1))
        text = fleet.file.read_text().replace(
            'backend = sql', f'backend = zookeeper\nhosts = {zookeeper.hosts}\nconnect_timeout = 1')
        fleet.file.write_text(text)
        job = fleet.post('forward')
        zookeeper.pause()
        daemon = fleet.daemon()
        until(lambda: 'waiting for the coordinator' in daemon.log, _SECONDS)
        zookeeper.resume()
        self.assertEqual(states.SUCCESS, fleet.wait(job, _SECONDS).outcome)
        slow = fleet.post('forward', pause=0.5)
        until(lambda: fleet.lines(slow), _SECONDS)
        zookeeper.pause()
        until(lambda: 'coordinator is away' in daemon.log, _SECONDS)
        until(lambda: f'lost job={slow.id}' in daemon.log, _SECONDS)
        zookeeper.resume()
        ended = fleet.wait(slow, _SECONDS)
        self.assertEqual((states.SUCCESS, 2), (ended.outcome, ended.claims))
        self.assertIn('coordinator is back', daemon.log)


class SchemaTest(_DaemonTestCase):

    def test_a_schema_that_does_not_fit_ends_the_daemon(self) -> None:
        database = self.fleet.dir / 'elsewhere'
        made = pathlib.Path(self.fleet.conf.database.connection.removeprefix('sqlite:///'))
        made.rename(database)
        made.mkdir()
        daemon = self.fleet.daemon()
        until(lambda: daemon.log.count('waiting for the database') >= 2, _SECONDS)
        with contextlib.closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("INSERT INTO tfd_schema VALUES ('c9999')")
        made.rmdir()
        database.rename(made)
        self.assertEqual(exits.Exit.SCHEMA, daemon.wait(_SECONDS))
        self.assertIn('this release is too old for it', daemon.log)
