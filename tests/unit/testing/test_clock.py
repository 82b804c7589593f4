# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import testtools

from tfd.testing.clock import FakeClock


class FakeClockTest(testtools.TestCase):
    def test_stands_still(self) -> None:
        clock = FakeClock(now=5.0, wall=7.0)
        self.assertEqual((5.0, 7.0), (clock.now(), clock.wall()))

    def test_advances_on_both_clocks_and_tells(self) -> None:
        clock = FakeClock(now=5.0, wall=7.0)
        seen: list[float] = []
        clock.follow(lambda: seen.append(clock.now()))
        clock.advance(1.5)
        self.assertEqual((6.5, 8.5), (clock.now(), clock.wall()))
        self.assertEqual([6.5], seen)

    def test_does_not_go_back(self) -> None:
        clock = FakeClock(now=5.0)
        self.assertRaises(ValueError, clock.advance, -1)
        self.assertEqual(5.0, clock.now())

    def test_time_of_day_jumps_alone(self) -> None:
        clock = FakeClock(now=5.0)
        clock.set_wall(1.0)
        self.assertEqual((5.0, 1.0), (clock.now(), clock.wall()))
