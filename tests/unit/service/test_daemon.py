# SPDX-License-Identifier: Apache-2.0
"""What the daemon refuses at its start, and the life of a worker."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

import fixtures
import testtools

from tests.unit.conf.deployments import Deployment
from tfd import exceptions
from tfd.conf import deployment
from tfd.service import daemon
from tfd.service.worker import ConductorWorker

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

    def _start(self, made: Deployment) -> tuple[ConductorWorker, threading.Thread]:
        worker = ConductorWorker(7, made.conf())
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

    def test_may_be_told_to_end_before_it_has_begun(self) -> None:
        worker = ConductorWorker(1, self.useFixture(Deployment()).conf())
        ending = threading.Thread(target=worker.terminate)
        ending.start()
        worker.run()
        ending.join(_PATIENCE)
        self.assertFalse(ending.is_alive())

    def test_waits_for_the_schema_and_goes_on(self) -> None:
        made = self.useFixture(Deployment(migrated=False))
        self._start(made)
        self._until(lambda: 'waiting for the database' in self.log.output)
        with contextlib.closing(deployment.make_backend(made.conf())) as backend:
            backend.get_connection().upgrade()
        self._until(lambda: 'conductor starts' in self.log.output)

    def test_ends_while_it_waits(self) -> None:
        worker, thread = self._start(self.useFixture(Deployment(migrated=False)))
        self._until(lambda: 'waiting for the database' in self.log.output)
        worker.terminate()
        thread.join(_PATIENCE)
        self.assertFalse(thread.is_alive())

    def test_a_file_that_cannot_be_read_any_more_changes_nothing(self) -> None:
        made = self.useFixture(Deployment())
        worker = ConductorWorker(1, made.conf())
        made.file.write_text('nonsense')
        worker.reload()
        self.assertIn('the configuration stays as it was', self.log.output)
