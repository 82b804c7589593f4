# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading

import testtools

from tfd import exceptions
from tfd_drivers.sql.patience import Patience


class PatienceTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.patience = Patience(0.05)
        self.addCleanup(self.patience.close)

    def test_returns_and_raises_what_the_work_does(self) -> None:
        self.assertEqual(7, self.patience.call(lambda: 7))
        self.assertRaises(ZeroDivisionError, self.patience.call, lambda: 1 / 0)

    def test_threads_are_kept_for_the_next_call(self) -> None:
        names = {self.patience.call(threading.get_ident) for _ in range(20)}
        self.assertLessEqual(len(names), 2)

    def test_call_that_takes_too_long_is_given_up_and_its_end_is_told(self) -> None:
        goes_on, late = threading.Event(), threading.Event()
        self.assertRaises(
            exceptions.StorageUnavailable, self.patience.call, lambda: goes_on.wait(10), late.set)
        self.assertFalse(late.is_set())
        self.assertEqual(7, self.patience.call(lambda: 7))
        goes_on.set()
        self.assertTrue(late.wait(10))

    def test_call_in_time_is_not_late(self) -> None:
        late = threading.Event()
        self.patience.call(lambda: 7, late.set)
        self.assertFalse(late.is_set())
