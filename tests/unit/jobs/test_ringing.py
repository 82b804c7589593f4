# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading

import fixtures
import testtools

from tfd.jobs.ports import Ring
from tfd.jobs.ringing import Ringer


class RingerTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.ringer = Ringer('ringer')
        self.addCleanup(self.ringer.close)
        self.heard: list[Ring] = []
        self.changed = threading.Condition()

    def _hear(self, ring: Ring) -> None:
        with self.changed:
            self.heard.append(ring)
            self.changed.notify_all()

    def _wait(self, count: int) -> None:
        with self.changed:
            self.assertTrue(self.changed.wait_for(lambda: len(self.heard) >= count, 10))

    def test_listeners_are_called_on_another_thread(self) -> None:
        threads: list[threading.Thread] = []
        self.ringer.listen(lambda ring: threads.append(threading.current_thread()))
        self.ringer.listen(self._hear)
        self.ringer.ring(Ring.DOORBELL)
        self._wait(1)
        self.assertEqual([Ring.DOORBELL], self.heard)
        self.assertNotIn(threading.current_thread(), threads)

    def test_rings_during_a_call_are_told_once_after_it(self) -> None:
        entered, leave = threading.Event(), threading.Event()

        def _block(ring: Ring) -> None:
            entered.set()
            leave.wait(10)

        self.ringer.listen(_block)
        self.ringer.listen(self._hear)
        self.ringer.ring(Ring.DOORBELL)
        entered.wait(10)
        for _ in range(100):
            self.ringer.ring(Ring.DOORBELL)
        self.ringer.ring(Ring.SESSION)
        leave.set()
        self._wait(3)
        self.assertEqual([Ring.DOORBELL, Ring.DOORBELL, Ring.SESSION], self.heard)

    def test_listener_that_fails_keeps_no_other_from_hearing(self) -> None:
        def _fail(ring: Ring) -> None:
            raise ValueError(ring)

        log = self.useFixture(fixtures.FakeLogger())
        self.ringer.listen(_fail)
        self.ringer.listen(self._hear)
        self.ringer.ring(Ring.MEMBERS)
        self._wait(1)
        self.ringer.ring(Ring.MEMBERS)
        self._wait(2)
        self.assertIn('_fail', log.output)

    def test_nobody_is_called_after_close(self) -> None:
        self.ringer.listen(self._hear)
        self.ringer.close()
        self.ringer.ring(Ring.SESSION)
        self.assertEqual([], self.heard)

    def test_no_thread_runs_before_somebody_listens(self) -> None:
        before = threading.active_count()
        Ringer('other').ring(Ring.SESSION)
        self.assertEqual(before, threading.active_count())

    def test_listener_may_close(self) -> None:
        self.ringer.listen(lambda ring: self.ringer.close())
        self.ringer.listen(self._hear)
        self.ringer.ring(Ring.SESSION)
        self._wait(1)
