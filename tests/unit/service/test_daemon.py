# SPDX-License-Identifier: Apache-2.0
"""What the daemon refuses at its start, and the life of a worker."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import threading
import time
from collections.abc import Callable

import fixtures
import testtools

from tests.functional.sql.finished import fill
from tests.unit.conf.deployments import Deployment
from tfd import exceptions
from tfd.conf import deployment
from tfd.jobs import record
from tfd.service import daemon
from tfd.service.notices import Notice, Notices, Phase
from tfd.service.worker import UNFIT, ConductorWorker

_PATIENCE = 10.0


class PreflightTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())

    def _preflight(self, text: str = '', migrated: bool = True) -> None:
        daemon.preflight(self.useFixture(Deployment(text, migrated)).conf())

    def test_leaves_no_thread_behind(self) -> None:
        before = threading.active_count()
        self._preflight()
        self.assertEqual(before, threading.active_count())

    def test_refuses_an_unknown_engine(self) -> None:
        self.assertRaises(
            exceptions.BadConfiguration, self._preflight, '[conductor]\nengine = steam\n')

    def test_refuses_an_unknown_coordinator(self) -> None:
        self.assertRaises(
            exceptions.BadConfiguration, self._preflight, '[coordination]\nbackend = etcd\n')

    def test_refuses_a_database_without_schema(self) -> None:
        self.assertRaises(exceptions.IncompatibleSchema, self._preflight, migrated=False)

    def test_lets_workers_wait_for_a_database_that_is_away(self) -> None:
        self._preflight('[coordination]\nbackend = sql\n'
                        '[database]\nconnection = mysql://127.0.0.1:1/tfd\n', migrated=False)
        self.assertIn('workers will wait for the database', self.log.output)


class WorkerTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())

    def _worker(self, made: Deployment, pause: float = 0.0) -> ConductorWorker:
        self.place = Notices(8)
        self.addCleanup(self.place.close)
        return ConductorWorker(7, made.conf(), self.place, lambda _: pause)

    @property
    def said(self) -> Notice:
        said = self.place.read(7)
        assert said is not None
        return said

    def _start(self, made: Deployment, pause: float = 0.0) -> tuple[ConductorWorker, threading.Thread]:
        worker = self._worker(made, pause)
        thread = threading.Thread(target=worker.run)
        thread.start()
        self.addCleanup(thread.join, _PATIENCE)
        self.addCleanup(worker.terminate)
        return worker, thread

    def _until(self, happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not happened():
            self.assertLess(time.monotonic(), deadline, self.log.output)
            time.sleep(0.01)

    def test_joins_as_a_member_and_leaves(self) -> None:
        made = self.useFixture(Deployment())
        worker, thread = self._start(made)
        observer = deployment.make_coordinator(made.conf(), worker='test', observer=True)
        self.addCleanup(observer.stop)
        observer.start()
        self._until(lambda: len(observer.members()) == 1)
        self.assertEqual(['here', '7'], next(iter(observer.members())).split('/')[:2])
        worker.terminate()
        thread.join(_PATIENCE)
        self.assertFalse(thread.is_alive())
        self.assertEqual(frozenset(), observer.members())
        self.assertEqual(Phase.ENDED, self.said.phase)

    def test_is_noted_as_seen(self) -> None:
        made = self.useFixture(Deployment())
        backend = deployment.make_backend(made.conf())
        self.addCleanup(backend.close)
        self._start(made)
        self._until(lambda: bool(backend.roster().latest(1)))
        (seen,) = backend.roster().latest(2)
        self.assertEqual(['here', '7'], seen.incarnation.split('/')[:2])
        self.assertEqual((os.getpid(), importlib.metadata.version('tfd')), (seen.pid, seen.version))

    def test_removes_what_has_expired(self) -> None:
        made = self.useFixture(Deployment('[retention]\nsuccess_days = 1\ninterval = 1\n'))
        backend = deployment.make_backend(made.conf())
        self.addCleanup(backend.close)
        fill(backend.database, 5, time.time(), spacing=86400.0)
        self._start(made)
        self._until(lambda: len(backend.jobs().list(record.JobQuery())) == 1)

    def test_may_be_told_to_end_before_it_has_begun(self) -> None:
        worker = self._worker(self.useFixture(Deployment()))
        ending = threading.Thread(target=worker.terminate)
        ending.start()
        worker.run()
        ending.join(_PATIENCE)
        self.assertFalse(ending.is_alive())

    def test_waits_for_the_database(self) -> None:
        made = self.useFixture(Deployment())
        away = made.dir / 'away'
        (made.dir / 'tfd.sqlite').rename(away)
        (made.dir / 'tfd.sqlite').mkdir()
        self._start(made)
        self._until(lambda: 'waiting for the database' in self.log.output)
        self._until(lambda: self.said.phase == Phase.WAITING)
        self.assertEqual(['database'], list(self.said.away))
        (made.dir / 'tfd.sqlite').rmdir()
        away.rename(made.dir / 'tfd.sqlite')
        self._until(lambda: self.said.phase == Phase.CONDUCTING)
        self.assertEqual({}, self.said.away)

    def test_ends_where_the_schema_does_not_fit(self) -> None:
        kill = self.useFixture(fixtures.MockPatch('os.kill')).mock
        worker = self._worker(self.useFixture(Deployment(migrated=False)))
        worker.run()
        kill.assert_called_once_with(os.getpid(), signal.SIGTERM)
        self.assertIn('the daemon ends: the database', self.log.output)
        try:
            worker.terminate()
        except SystemExit as end:
            self.assertEqual(UNFIT, end.code)
            self.assertEqual((Phase.UNFIT, ['schema']), (self.said.phase, list(self.said.away)))
        else:
            self.fail('it ended with status 0')

    def test_waits_before_it_begins_where_its_process_has_died(self) -> None:
        worker, thread = self._start(self.useFixture(Deployment()), pause=3600.0)
        self._until(lambda: self.said.phase == Phase.RESTARTING)
        worker.terminate()
        thread.join(_PATIENCE)
        self.assertFalse(thread.is_alive())
        self.assertNotIn('conductor starts', self.log.output)

    def test_ends_while_it_waits(self) -> None:
        made = self.useFixture(Deployment(migrated=False))
        (made.dir / 'tfd.sqlite').mkdir()
        worker, thread = self._start(made)
        self._until(lambda: 'waiting for the database' in self.log.output)
        worker.terminate()
        thread.join(_PATIENCE)
        self.assertFalse(thread.is_alive())

    def test_a_file_that_cannot_be_read_any_more_changes_nothing(self) -> None:
        made = self.useFixture(Deployment())
        worker = self._worker(made)
        made.file.write_text('nonsense')
        worker.reload()
        self.assertIn('the configuration stays as it was', self.log.output)
