# SPDX-License-Identifier: Apache-2.0
"""What the daemon says of itself, to whoever asks and to systemd."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
from typing import Any

import fixtures
import testtools

from tests.functional.conductor.fleet import Fleet, Process, until
from tests.unit.service.test_systemd import Systemd
from tfd import states
from tfd.cmd import exits

_SECONDS = 30.0


class _HealthTestCase(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.fleet = self.useFixture(Fleet(workers=2, max_jobs=4))
        self.socket = self.fleet.dir / 'healthz'
        with self.fleet.file.open('a') as file:
            file.write(f'[healthz]\nbind = unix:{self.socket}\nmax_silence = 3\n')
        self.addOnException(lambda _: self.addDetail('log', testtools.content.text_content(
            self.fleet.log()[-20000:])))

    def _ask(self) -> tuple[int, dict[str, Any]]:
        """Return status and answer; 0 where nobody answers."""
        with contextlib.closing(http.client.HTTPConnection('localhost', timeout=10)) as connection:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(10)
            try:
                connection.sock.connect(str(self.socket))
                connection.request('GET', '/healthz')
                answer = connection.getresponse()
                return answer.status, json.loads(answer.read())
            except (OSError, http.client.HTTPException):
                return 0, {}

    def _until_status(self, status: int) -> dict[str, Any]:
        found: list[dict[str, Any]] = []

        def asked() -> bool:
            was, answer = self._ask()
            found[:] = [answer]
            return was == status

        until(asked, _SECONDS)
        return found[0]

    def _pids(self) -> list[int]:
        return [worker['pid'] for worker in self._ask()[1]['workers']]


class HealthzTest(_HealthTestCase):

    def test_a_database_that_is_away_at_the_start_and_later(self) -> None:
        made = pathlib.Path(self.fleet.conf.database.connection.removeprefix('sqlite:///'))
        away = self.fleet.dir / 'elsewhere'
        made.rename(away)
        made.mkdir()
        daemon = self.fleet.daemon()
        until(lambda: self._ask()[1].get('summary', '').count('worker is waiting'), _SECONDS)
        self.assertIn('database: ', self._until_status(503)['workers'][0]['reasons'][0])
        made.rmdir()
        away.rename(made)
        self.assertEqual('2 of 2 workers conduct, 0 jobs run', self._until_status(200)['summary'])
        self.assertEqual(states.SUCCESS, self.fleet.wait(self.fleet.post('forward')).outcome)
        daemon.terminate()
        self.assertEqual(exits.Exit.DONE, daemon.wait(_SECONDS))

    def test_tells_of_jobs_and_that_it_drains(self) -> None:
        daemon = self.fleet.daemon()
        job = self.fleet.post('forward', pause=2.0)
        until(lambda: self.fleet.lines(job), _SECONDS)
        until(lambda: self._ask()[1].get('summary') == '2 of 2 workers conduct, 1 jobs run', _SECONDS)
        daemon.terminate()
        answer = self._until_status(503)
        self.assertTrue(any(worker['draining'] for worker in answer['workers']), answer)
        self.assertEqual(exits.Exit.DONE, daemon.wait(_SECONDS))
        self.assertEqual((0, {}), self._ask())

    def test_a_worker_that_stands_still(self) -> None:
        self.fleet.daemon()
        self._until_status(200)
        os.kill(self._pids()[1], signal.SIGSTOP)
        # It may hold SQLite's lock, so that the other one has its reasons too.
        until(lambda: 'worker is hung' in self._until_status(503)['workers'][1]['reasons'], _SECONDS)
        os.kill(self._pids()[1], signal.SIGCONT)
        self._until_status(200)

    def test_the_parent_has_no_thread_of_its_own_and_starts_a_monitor_again(self) -> None:
        daemon = self.fleet.daemon()
        self._until_status(200)
        [monitor] = _children(daemon) - set(self._pids())
        os.kill(monitor, signal.SIGKILL)
        until(lambda: 'the monitor has died' in daemon.log, _SECONDS)
        self._until_status(200)
        self.assertEqual(2, len(list(pathlib.Path(f'/proc/{daemon.pid}/task').iterdir())))


class SystemdTest(_HealthTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.systemd = self.useFixture(Systemd())
        self.heard: list[str] = []
        self.useFixture(fixtures.EnvironmentVariable('NOTIFY_SOCKET', str(self.systemd.path)))
        self.useFixture(fixtures.EnvironmentVariable('WATCHDOG_USEC', '600000'))

    def _told(self, line: str, times: int = 1) -> bool:
        self.heard += self.systemd.heard()
        return self.heard.count(line) >= times

    def test_is_told_as_long_as_the_loops_live(self) -> None:
        daemon = self.fleet.daemon()
        until(lambda: self._told('READY=1'), _SECONDS)
        until(lambda: self._told('WATCHDOG=1', 3), _SECONDS)
        self._until_status(200)
        worker = self._pids()[0]
        os.kill(worker, signal.SIGSTOP)
        self._until_status(503)
        until(lambda: self._told('STATUS=1 of 2 workers conduct, 0 jobs run: worker is hung'), _SECONDS)
        lived = self.heard.count('WATCHDOG=1')
        self.assertFalse(self._told('WATCHDOG=1', lived + 2))
        os.kill(worker, signal.SIGCONT)
        until(lambda: self._told('WATCHDOG=1', lived + 3), _SECONDS)
        daemon.terminate()
        self.assertEqual(exits.Exit.DONE, daemon.wait(_SECONDS))
        self.assertTrue(self._told('STOPPING=1'))
        self.assertEqual(1, self.heard.count('READY=1'))

    def test_is_told_that_it_is_ready_while_servers_are_away(self) -> None:
        made = pathlib.Path(self.fleet.conf.database.connection.removeprefix('sqlite:///'))
        made.rename(self.fleet.dir / 'elsewhere')
        made.mkdir()
        self.fleet.daemon()
        until(lambda: self._told('READY=1'), _SECONDS)
        self.assertEqual(503, self._ask()[0])


def _children(daemon: Process) -> set[int]:
    found: set[int] = set()
    for thread in pathlib.Path(f'/proc/{daemon.pid}/task').iterdir():
        found.update(int(child) for child in (thread / 'children').read_text().split())
    return found
