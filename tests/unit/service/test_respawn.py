# SPDX-License-Identifier: Apache-2.0
"""The pauses of workers that are started again."""

from __future__ import annotations

import random

import testtools

from tfd.service.respawn import LONGEST, YOUNG, Respawn


class RespawnTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.respawn = Respawn(random.Random(1))

    def test_a_first_start_does_not_wait(self) -> None:
        self.assertEqual(0.0, self.respawn.pause(0))

    def test_pauses_grow_up_to_a_minute(self) -> None:
        pauses = []
        for death in range(1, 20):
            self.assertEqual(death, self.respawn.died(0, 0.1))
            pauses.append(self.respawn.pause(0))
        self.assertLess(pauses[0], 1.0)
        self.assertGreaterEqual(min(pauses[-5:]), LONGEST / 2)
        self.assertLessEqual(max(pauses), LONGEST)

    def test_who_lived_long_is_forgiven(self) -> None:
        for _ in range(10):
            self.respawn.died(0, 0.1)
        self.assertEqual(1, self.respawn.died(0, YOUNG + 1))
        self.assertLess(self.respawn.pause(0), 1.0)

    def test_one_does_not_wait_for_another(self) -> None:
        self.respawn.died(0, 0.1)
        self.assertEqual(0.0, self.respawn.pause(1))
