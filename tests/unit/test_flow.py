# SPDX-License-Identifier: Apache-2.0
"""What all flows have in common."""

from __future__ import annotations

from typing import Any

import testtools

from tfd import retry, task
from tfd.patterns import graph_flow, linear_flow, unordered_flow

PATTERNS = (linear_flow, unordered_flow, graph_flow)


class Takes(task.Task):
    def execute(self, x: Any) -> Any:
        return x


class FlowTest(testtools.TestCase):
    def test_text(self):
        flow = linear_flow.Flow('F').add(Takes('a'), Takes('b'))
        self.assertEqual('"linear_flow.Flow: F(len=2)"', str(flow))
        self.assertIn('tfd.patterns.linear_flow.Flow', repr(flow))

    def test_an_empty_flow_is_true(self):
        for pattern in PATTERNS:
            flow = pattern.Flow('f')
            self.assertTrue(flow)
            self.assertEqual(0, len(flow))

    def test_add_returns_the_flow(self):
        for pattern in PATTERNS:
            flow = pattern.Flow('f')
            self.assertIs(flow, flow.add(Takes('a')))

    def test_what_is_added_twice_is_there_once(self):
        for pattern in PATTERNS:
            item = Takes('a')
            flow = pattern.Flow('f').add(item, item).add(item)
            self.assertEqual([item], list(flow))

    def test_what_is_no_item_is_refused_and_nothing_added(self):
        for pattern in PATTERNS:
            for item in (None, 5, 'text', Takes):
                flow = pattern.Flow('f')
                self.assertRaises((TypeError, ValueError), flow.add, Takes('a'), item)
                self.assertEqual([], list(flow))

    def test_a_retry_must_be_one(self):
        for wrong in (Takes('a'), 5):
            self.assertRaises(TypeError, linear_flow.Flow, 'f', retry=wrong)

    def test_a_retry_requires_and_provides_for_the_flow(self):
        for pattern in PATTERNS:
            flow = pattern.Flow('f', retry=retry.ParameterizedForEach('r', provides='x')).add(Takes('a', provides='y'))
            self.assertEqual(({'values'}, {'x', 'y'}), (set(flow.requires), set(flow.provides)))

    def test_nodes(self):
        for pattern in PATTERNS:
            items = [Takes('a'), Takes('b')]
            self.assertEqual([(item, {}) for item in items], list(pattern.Flow('f').add(*items).iter_nodes()))
