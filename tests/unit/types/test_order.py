# SPDX-License-Identifier: Apache-2.0
"""An order that is kept while edges are added, against one that is found anew each time."""

from __future__ import annotations

import random

import testtools

from tests.property import runs
from tfd.types.order import OnlineOrder


class OrderTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.after: dict[int, list[int]] = {}
        self.before: dict[int, list[int]] = {}
        self.order: OnlineOrder[int] = OnlineOrder(self.after.__getitem__, self.before.__getitem__)

    def add(self, *nodes: int) -> None:
        for node in nodes:
            self.after[node], self.before[node] = [], []
            self.order.add(node)

    def link(self, source: int, target: int) -> bool:
        if not self.order.allow(source, target):
            return False
        self.after[source].append(target)
        self.before[target].append(source)
        return True

    def test_nodes_come_in_the_order_of_adding(self):
        self.add(3, 1, 2)
        self.assertEqual([3, 1, 2], self.order.sorted({1, 2, 3}))

    def test_an_edge_backwards_moves_only_what_is_between(self):
        self.add(1, 2, 3, 4)
        self.assertTrue(self.link(3, 2))
        self.assertEqual([1, 3, 2, 4], self.order.sorted(self.after))

    def test_cycles_are_refused_and_nothing_moves(self):
        self.add(1, 2, 3)
        self.assertTrue(self.link(1, 2) and self.link(2, 3))
        for source, target in ((3, 1), (2, 1), (1, 1)):
            self.assertFalse(self.link(source, target))
        self.assertEqual([1, 2, 3], self.order.sorted(self.after))

    def test_a_node_that_is_discarded_is_in_nobodys_way(self):
        self.add(1, 2)
        self.order.discard(1)
        del self.after[1], self.before[1]
        self.assertEqual([2], self.order.sorted(self.after))

    def _reaches(self, source: int, target: int) -> bool:
        found, stack = {source}, [source]
        while stack:
            for node in self.after[stack.pop()]:
                if node not in found:
                    found.add(node)
                    stack.append(node)
        return target in found

    def test_random_edges(self):
        for seed in runs.seeds(40):
            rng = random.Random(seed)
            self.after.clear()
            self.before.clear()
            self.order = OnlineOrder(self.after.__getitem__, self.before.__getitem__)
            self.add(*range(12))
            for _ in range(60):
                source, target = rng.randrange(12), rng.randrange(12)
                self.assertEqual(not self._reaches(target, source), self.link(source, target), f'seed {seed}')
                place = {node: at for at, node in enumerate(self.order.sorted(self.after))}
                self.assertTrue(all(
                    place[node] < place[other] for node, others in self.after.items() for other in others), seed)
