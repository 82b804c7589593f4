# SPDX-License-Identifier: Apache-2.0
"""Flows in flows: what they provide and require, to any depth."""

from __future__ import annotations

import copy
import pickle

import testtools

from tfd import task
from tfd.patterns import graph_flow, linear_flow, unordered_flow


class Needs(task.Task):
    """Requires and provides what it is told."""

    def __init__(self, name: str, needs: str, gives: str) -> None:
        super().__init__(name, rebind=[needs], provides=gives)

    def execute(self, value: object) -> object:
        return value


class NestingTest(testtools.TestCase):

    def test_deep_nesting_needs_no_recursion(self) -> None:
        for pattern in (linear_flow, unordered_flow, graph_flow):
            flow = pattern.Flow('innermost').add(Needs('t', 'in', 'out'))
            for depth in range(3000):
                flow = pattern.Flow(f'f{depth}').add(flow)
            self.assertEqual(({'in'}, {'out'}), (set(flow.requires), set(flow.provides)))

    def test_a_change_inside_shows_outside(self) -> None:
        inner = linear_flow.Flow('inner')
        outer = linear_flow.Flow('outer').add(unordered_flow.Flow('middle').add(inner))
        self.assertEqual(frozenset(), outer.requires)
        inner.add(Needs('t', 'in', 'out'))
        self.assertEqual(({'in'}, {'out'}), (set(outer.requires), set(outer.provides)))

    def test_a_copy_is_one_of_its_own(self) -> None:
        for pattern in (linear_flow, unordered_flow, graph_flow):
            outer = pattern.Flow('outer').add(pattern.Flow('inner').add(Needs('t', 'in', 'out')))
            self.assertEqual({'out'}, set(outer.provides))
            for copied in (pickle.loads(pickle.dumps(outer)), copy.deepcopy(outer)):
                (inner,) = copied
                inner.add(Needs('u', 'in', 'more'))
                self.assertEqual(({'out'}, {'out', 'more'}), (set(outer.provides), set(copied.provides)))

    def test_a_flow_cannot_hold_what_holds_it(self) -> None:
        inner = linear_flow.Flow('inner')
        outer = linear_flow.Flow('outer').add(linear_flow.Flow('middle').add(inner))
        self.assertRaisesRegex(ValueError, 'inner', inner.add, outer)
        self.assertRaisesRegex(ValueError, 'inner', inner.add, inner)
