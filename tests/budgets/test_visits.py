# SPDX-License-Identifier: Apache-2.0
"""The work for a flow is proportional to its nodes and edges, whatever its shape and whatever happens to it.

Counted are the lines of tfd that run: they bound the visits to nodes and edges from above, and nothing escapes them.
"""

from __future__ import annotations

import collections
from typing import Any

import testtools

from tests.budgets import flows
from tests.budgets.lines import LineCounter
from tfd import engines
from tfd import plan as planning
from tfd.listeners import base

#: Lines per node and edge, of all attempts together: a little more than the dearest shape needs.
_PER_NODE = {'plan': 70, 'scheduler': 130}
#: What four times the size may cost, at most: four times, and what is due to small numbers.
_FOUR_TIMES = 4.3


def _count(make: Any, size: int) -> tuple[LineCounter, int]:
    """Run a flow; return what it cost, and its nodes and edges."""
    flow = make(size)
    plan = planning.compile_flow(flow)
    things = len(plan) + sum(map(len, plan.successors))
    with LineCounter() as counter:
        try:
            engines.run(flow, store={'value': 0})
        except ValueError as error:
            if str(error) != 'last':
                raise
    return counter, things


class VisitsTest(testtools.TestCase):
    def _check(self, name: str) -> None:
        make = flows.SHAPES[name]
        small, _ = _count(make, 100)
        large, things = _count(make, 400)
        attempts = 4 if 'retried' in name else 1
        for package, most in _PER_NODE.items():
            self.assertLess(large.lines[package] / things / attempts, most, (name, package))
        for package in ('plan', 'scheduler', 'storage', 'engines'):
            self.assertLess(large.lines[package] / small.lines[package], _FOUR_TIMES, (name, package))

    def test_linear(self):
        self._check('linear')

    def test_unordered(self):
        self._check('unordered')

    def test_graph_ten_wide(self):
        self._check('graph')

    def test_nested(self):
        self._check('nested')

    def test_chains(self):
        self._check('chains')

    def test_reverted(self):
        self._check('reverted')

    def test_reverted_graph(self):
        self._check('reverted graph')

    def test_retried(self):
        self._check('retried')

    def test_retried_often(self):
        self._check('retried often')

    def test_gated(self):
        self._check('gated')

    def test_ignored(self):
        self._check('ignored')

    def test_handed_on(self):
        self._check('handed on')


class StructureTest(testtools.TestCase):
    """What structure costs, in terms of a plain row of tasks."""

    def _lines(self, flow: Any) -> int:
        with LineCounter() as counter:
            engines.run(flow)
        return sum(counter.lines.values())

    def test_a_decider_on_every_link(self):
        self.assertLess(self._lines(flows.decided(400)) / self._lines(flows.linear(400)), 1.7)

    def test_flows_side_by_side(self):
        self.assertLess(self._lines(flows.beside(400)) / self._lines(flows.linear(400)), 2.5)


class ListenedTest(testtools.TestCase):
    """A listener on every event costs what the events are, of which each task has two."""

    def _run(self, listened: bool) -> int:
        with LineCounter() as counter:
            engine = engines.load(flows.linear(400))
            if listened:
                base.Listener(engine).register()
            engine.run()
        return sum(counter.lines.values())

    def test_lines(self):
        self.assertLess(self._run(listened=True) / self._run(listened=False), 1.6)

    def test_calls(self):
        engine = engines.load(flows.linear(400))
        listener = base.Listener(engine)
        told: list[str] = []
        listener._atom_receiver = lambda state, details: told.append(state)  # type: ignore[method-assign]
        listener.register()
        engine.run()
        self.assertEqual({'RUNNING': 400, 'SUCCESS': 400}, collections.Counter(told))


class DefinitionTest(testtools.TestCase):
    """Adding to a flow, and linking in it, costs what is added."""

    def _ratio(self, make: Any) -> float:
        counts = []
        for size in (100, 400):
            with LineCounter() as counter:
                make(size)
            counts.append(sum(counter.lines.values()))
        return counts[1] / counts[0]

    def test_each_shape(self):
        for name, make in flows.SHAPES.items():
            self.assertLess(self._ratio(make), _FOUR_TIMES, name)
