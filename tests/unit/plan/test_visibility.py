# SPDX-License-Identifier: Apache-2.0
"""Which providers an atom sees, nearest first: those of the atoms before it, in whatever flows."""

from __future__ import annotations

import random
from typing import Any

import testtools

from tests.property import runs
from tests.reference.generator import OWN_PROFILES, random_spec
from tests.reference.shape import Shape
from tests.reference.spec import FlowSpec
from tfd import retry, task
from tfd.patterns import graph_flow, linear_flow, unordered_flow
from tfd.plan import NOBODY, compile_flow

_PATTERNS = {'linear': linear_flow, 'unordered': unordered_flow, 'graph': graph_flow}
_SYMBOLS = 'xyz'


class _Builder:
    """Builds a spec's flow, with symbols that are provided and required at random."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.provides: dict[str, set[str]] = {}
        self.requires: dict[str, set[str]] = {}

    def some(self) -> set[str]:
        return {symbol for symbol in _SYMBOLS if self.rng.random() < 0.4}

    def flow(self, spec: FlowSpec) -> Any:
        controller = None
        if spec.retry is not None:
            self.provides[spec.retry.name] = self.some()
            controller = retry.AlwaysRevert(spec.retry.name, provides=tuple(self.provides[spec.retry.name]))
        flow = _PATTERNS[spec.pattern].Flow(spec.name, retry=controller)
        children = [self.flow(child) if isinstance(child, FlowSpec) else self.task(child.name)
                    for child in spec.children]
        options = {'resolve_requires': False, 'resolve_existing': False} if spec.pattern == 'graph' else {}
        flow.add(*children, **options)
        for link in spec.links:
            flow.link(children[link.source], children[link.target])
        return flow

    def task(self, name: str) -> Any:
        self.provides[name], self.requires[name] = self.some(), self.some()
        return task.FunctorTask(lambda **kwargs: None, name=name, requires=sorted(self.requires[name]),
                                provides=tuple(self.provides[name]))


class VisibilityTest(testtools.TestCase):
    def test_random_flows(self):
        for seed in runs.seeds(150):
            for odds in (OWN_PROFILES['mixed'], OWN_PROFILES['gates']):
                rng = random.Random(seed)
                spec = random_spec(rng, size=12, odds=odds)
                builder = _Builder(rng)
                self._check(compile_flow(builder.flow(spec.flow)), Shape(spec.flow), builder, seed)

    def _check(self, plan: Any, shape: Shape, builder: _Builder, seed: int) -> None:
        unprovided = set()
        for name, symbols in builder.requires.items():
            node = plan.by_name[name]
            arguments = {symbol: entry for _name, symbol, entry, _optional in plan.execute_arguments[node]}
            self.assertEqual(symbols, set(arguments))
            for symbol, entry in arguments.items():
                expected = sorted(
                    (plan.by_name[other] for other in shape.before[name] if symbol in builder.provides[other]),
                    reverse=True)
                found = [provider for provider, _index in plan.providers(entry, node)]
                self.assertEqual(expected, found, f'seed {seed}: {symbol} of {name}')
                if not expected:
                    self.assertEqual(NOBODY, entry)
                    unprovided.add((node, 'execute', symbol))
        self.assertEqual(unprovided, {item for item in plan.unprovided if item[1] == 'execute'})

    def test_an_index_comes_with_each_provider(self):
        first = task.FunctorTask(lambda: (1, 2), name='a', provides=('x', 'y'))
        second = task.FunctorTask(lambda: 3, name='b', provides='x')
        last = task.FunctorTask(lambda x, y: None, name='c')
        plan = compile_flow(linear_flow.Flow('f').add(first, second, last))
        found = {
            symbol: list(plan.providers(entry, 2)) for _name, symbol, entry, _optional in plan.execute_arguments[2]}
        self.assertEqual({'x': [(1, None), (0, 0)], 'y': [(0, 1)]}, found)

    def test_an_atom_does_not_see_itself(self):
        again = task.FunctorTask(lambda x=1: x, name='a', provides='x')
        plan = compile_flow(linear_flow.Flow('f').add(again))
        self.assertEqual([NOBODY], [entry for _name, _symbol, entry, _optional in plan.execute_arguments[0]])
        self.assertEqual([], list(plan.unprovided))
        self.assertFalse(plan.sees(0, 0))

    def test_where_paths_meet_again_they_are_followed_once(self):
        graph = graph_flow.Flow('g')
        a, b, c, d, other = (task.FunctorTask(lambda: 1, name=name) for name in ('a', 'b', 'c', 'd', 'other'))
        graph.add(a, b, c, d, other)
        for source, target in ((a, b), (a, c), (b, d), (c, d)):
            graph.link(source, target)
        plan = compile_flow(graph)
        at = plan.by_name
        self.assertEqual(
            [True, True, False], [plan.sees(at['d'], at[name]) for name in ('a', 'b', 'other')])
