# SPDX-License-Identifier: Apache-2.0
"""What workers say of themselves."""

from __future__ import annotations

import mmap
import os
import signal

import testtools

from tfd.service.notices import Notice, Notices, Phase, Reporter
from tfd.testing.clock import FakeClock


class NoticesTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.place = Notices(3)
        self.addCleanup(self.place.close)

    def test_nobody_has_said_anything(self) -> None:
        self.assertEqual([Notice()] * 3, self.place.all())

    def test_who_has_not_begun_is_not_as_old_as_the_machine(self) -> None:
        self.assertEqual((0.0, 2.0), (Notice(Phase.RESTARTING).age(5000.0), Notice(began=4998.0).age(5000.0)))

    def test_each_has_a_place(self) -> None:
        notice = Notice(Phase.CONDUCTING, 7, 1.5, 2.5, 3, {'database': 'gone'}, 4)
        self.place.write(1, notice)
        self.assertEqual([Notice(), notice, Notice()], self.place.all())

    def test_the_longest_fits(self) -> None:
        for text in ('\x00', '\U0001f600', '"', 'ä', '\ud800'):
            away = dict.fromkeys(('database', 'coordinator', 'schema'), text * 100_000)
            self.place.write(0, Notice(away=away))
            self.assertIsNotNone(self.place.read(0))
        self.assertEqual(Notice(), self.place.read(1))

    def test_half_of_a_notice_is_none(self) -> None:
        self.place.write(0, Notice(Phase.CONDUCTING))
        with mmap.mmap(self.place.fd, 4096) as memory:
            memory[20] ^= 1
        self.assertIsNone(self.place.read(0))
        self.place.write(0, Notice(Phase.ENDED))
        self.assertEqual(Notice(Phase.ENDED), self.place.read(0))

    def test_outlive_the_process_that_wrote_them(self) -> None:
        pid = os.fork()
        if not pid:
            self.place.write(2, Notice(Phase.DRAINING, os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)
        self.assertEqual(Notice(Phase.DRAINING, pid), self.place.read(2))

    def test_can_be_handed_to_another_program(self) -> None:
        self.place.write(0, Notice(Phase.CONDUCTING))
        again = Notices(3, os.dup(self.place.fd))
        self.addCleanup(again.close)
        self.assertEqual(Notice(Phase.CONDUCTING), again.read(0))


class ReporterTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.place = Notices(1)
        self.addCleanup(self.place.close)
        self.clock = FakeClock()
        self.reporter = Reporter(self.place, 0, self.clock)

    def test_says_at_once_what_is_new(self) -> None:
        self.reporter.say(running=2)
        self.assertEqual(self.reporter.said, self.place.read(0))
        self.assertEqual((os.getpid(), 2), (self.reporter.said.pid, self.reporter.said.running))

    def test_says_seldom_that_it_lives(self) -> None:
        began = self.clock.now()
        self.clock.advance(0.125)
        self.reporter.say(running=0)
        self.assertEqual(began, self.reporter.said.alive)
        self.clock.advance(0.25)
        self.reporter.say(running=0)
        self.assertEqual(began + 0.375, self.reporter.said.alive)

    def test_remembers_how_often_its_process_died(self) -> None:
        self.place.write(0, Notice(Phase.RESTARTING, deaths=3))
        self.assertEqual(3, Reporter(self.place, 0, self.clock).said.deaths)
