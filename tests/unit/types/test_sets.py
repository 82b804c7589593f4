# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import testtools

from tfd.types import sets


class OrderedSetTest(testtools.TestCase):
    def test_keeps_the_order_of_first_insertion(self) -> None:
        self.assertEqual(['b', 'a'], list(sets.OrderedSet(['b', 'a', 'b'])))

    def test_part_and_whole(self) -> None:
        few, many = sets.OrderedSet('ab'), sets.OrderedSet('abc')
        self.assertEqual((True, False), (few.issubset(many), many.issubset('ab')))
        self.assertEqual((True, False), (many.issuperset('ca'), few.issuperset(many)))
        self.assertTrue(few.issubset(few) and few.issuperset(few))
