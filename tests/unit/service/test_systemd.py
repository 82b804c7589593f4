# SPDX-License-Identifier: Apache-2.0
"""What systemd is told, and by whom."""

from __future__ import annotations

import contextlib
import os
import pathlib
import socket

import fixtures
import testtools

from tests.unit.conf.deployments import Deployment
from tfd.service import monitor
from tfd.service.monitor import Monitor
from tfd.service.notices import Notice, Notices, Phase
from tfd.service.systemd import Notifier
from tfd.testing.clock import FakeClock


class Systemd(fixtures.Fixture):  # type: ignore[misc]  # it comes without types
    """A socket that is told."""

    def _setUp(self) -> None:
        self.path = pathlib.Path(self.useFixture(fixtures.TempDir()).path) / 'notify'
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self._socket.close)
        self._socket.bind(str(self.path))
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(self._socket.recv(4096).decode())
        return found


class NotifierTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.systemd = self.useFixture(Systemd())

    def test_tells(self) -> None:
        Notifier({'NOTIFY_SOCKET': str(self.systemd.path)}).tell('READY=1', 'STATUS=fine')
        self.assertEqual(['READY=1\nSTATUS=fine'], self.systemd.heard())

    def test_nobody_asked(self) -> None:
        notifier = Notifier({'WATCHDOG_USEC': '1000000'})
        notifier.tell('READY=1')
        self.assertEqual((False, None), (bool(notifier), notifier.interval))

    def test_lives_three_times_as_often_as_it_must(self) -> None:
        environment = {'NOTIFY_SOCKET': str(self.systemd.path), 'WATCHDOG_USEC': '30000000', 'WATCHDOG_PID': '1'}
        self.assertEqual(10.0, Notifier(environment).interval)
        self.assertEqual({}, environment)

    def test_nobody_listens(self) -> None:
        Notifier({'NOTIFY_SOCKET': '/nowhere/notify'}).tell('READY=1')
        Notifier({'NOTIFY_SOCKET': '@nobody-has-this'}).tell('READY=1')


class MonitorTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.systemd = self.useFixture(Systemd())
        self.place = Notices(2)
        self.addCleanup(self.place.close)
        self.conf = self.useFixture(Deployment()).conf()
        notifier = Notifier({'NOTIFY_SOCKET': str(self.systemd.path), 'WATCHDOG_USEC': '30000000'})
        self.monitor = Monitor(0, self.conf, self.place, notifier, lambda _: 0.0)
        self.clock = FakeClock()
        self.monitor._clock = self.clock

    def _say(self, number: int, phase: Phase) -> None:
        self.place.write(number, Notice(phase, os.getpid(), alive=self.clock.now()))

    def _heard(self) -> list[str]:
        self.monitor.look()
        return [line for line in self.systemd.heard() if not line.startswith('STATUS=')]

    def test_is_ready_when_the_last_worker_has_started(self) -> None:
        self._say(0, Phase.CONDUCTING)
        self._say(1, Phase.STARTING)
        self.assertNotIn('READY=1', self._heard())
        self._say(1, Phase.WAITING)
        self.assertIn('READY=1', self._heard())
        self.assertNotIn('READY=1', self._heard())

    def test_lives_while_every_loop_comes_around(self) -> None:
        self._say(0, Phase.CONDUCTING)
        self._say(1, Phase.CONDUCTING)
        self.assertIn('WATCHDOG=1', self._heard())
        self.assertEqual([], self._heard())
        self.clock.advance(50.0)
        self._say(0, Phase.CONDUCTING)
        self.assertEqual(['WATCHDOG=1'], self._heard())
        self.clock.advance(11.0)
        self.assertEqual([], self._heard())
        self._say(1, Phase.DRAINING)
        self.assertEqual(['WATCHDOG=1'], self._heard())

    def test_tells_the_state_when_it_changes(self) -> None:
        self._say(0, Phase.CONDUCTING)
        self._say(1, Phase.WAITING)
        self.monitor.look()
        self.monitor.look()
        self.assertEqual(
            1, self.systemd.heard().count('STATUS=1 of 2 workers conduct, 0 jobs run: worker is waiting'))

    def test_ends_when_the_last_worker_has(self) -> None:
        gone = os.fork()
        if not gone:
            os._exit(0)
        self.addCleanup(os.waitpid, gone, 0)
        os.waitid(os.P_PID, gone, os.WEXITED | os.WNOWAIT)
        self._say(0, Phase.ENDED)
        self._say(1, Phase.DRAINING)
        self.assertFalse(self.monitor._all_ended())
        self.place.write(1, Notice(Phase.DRAINING, gone))
        self.assertTrue(self.monitor._all_ended())

    def test_is_there_where_somebody_wants_to_know(self) -> None:
        self.assertFalse(monitor.is_wanted(self.conf, Notifier({})))
        self.assertTrue(monitor.is_wanted(self.conf, Notifier({'NOTIFY_SOCKET': '/somewhere'})))
        heeded = self.useFixture(Deployment('[healthz]\nbind = 127.0.0.1:8999\n')).conf()
        self.assertTrue(monitor.is_wanted(heeded, Notifier({})))
