# SPDX-License-Identifier: Apache-2.0
"""How far a decider's "no" reaches: names, and what is ignored."""

from __future__ import annotations

from typing import Any

import testtools

from tfd import deciders, engines, task
from tfd.patterns import graph_flow, linear_flow
from tfd.persistence import memory

Depth = deciders.Depth


class Named(task.Task):
    def execute(self) -> str:
        return self.name


class DepthTest(testtools.TestCase):
    def test_translate(self):
        for name in ('ALL', 'all', 'All', Depth.ALL):
            self.assertIs(Depth.ALL, Depth.translate(name))
        for name in ('FLOW', 'NEIGHBORS', 'ATOM'):
            self.assertEqual(name, Depth.translate(name.lower()).value)

    def test_they_are_words(self):
        self.assertEqual(['ALL', 'FLOW', 'NEIGHBORS', 'ATOM'], [str(depth) for depth in Depth])
        self.assertEqual('ALL', Depth.ALL)

    def test_an_unknown_depth_is_refused_and_the_known_ones_named(self):
        for wrong, kind in (('most', ValueError), (5, TypeError), (None, TypeError)):
            error = self.assertRaises(kind, Depth.translate, wrong)
            for name in Depth.__members__:
                self.assertIn(name, str(error))

    def test_pick_widest(self):
        order = [Depth.ALL, Depth.FLOW, Depth.NEIGHBORS, Depth.ATOM]
        for at, widest in enumerate(order):
            self.assertIs(widest, deciders.pick_widest(reversed(order[at:])))
        for strange in ([], ['most'], [Depth.ALL, 3]):
            self.assertRaises(ValueError, deciders.pick_widest, strange)


class ReachTest(testtools.TestCase):
    def _ignored(self, depth: str, say: bool = False, **options: Any) -> set[str]:
        """Run a -> b -> c -> N(n1, n2) -> d with a decider before b, and z after it all."""
        graph = graph_flow.Flow('g')
        a, b, c, d = (Named(name) for name in 'abcd')
        inner = linear_flow.Flow('n').add(Named('n1'), Named('n2'))
        graph.add(a, b, c, d, inner)
        graph.link(a, b, decider=lambda history: say, decider_depth=depth)
        graph.link(b, c).link(c, inner).link(inner, d)
        engine = engines.load(linear_flow.Flow('f').add(graph, Named('z')), **options)
        engine.run()
        return {name for name in ('a', 'b', 'c', 'n1', 'n2', 'd', 'z')
                if engine.storage.get_atom_state(name) == 'IGNORE'}

    def test_depths(self):
        expected = {
            'ALL': {'b', 'c', 'n1', 'n2', 'd', 'z'}, 'FLOW': {'b', 'c'}, 'NEIGHBORS': {'b', 'c'}, 'ATOM': {'b'}}
        for kind in ('serial', 'parallel'):
            for depth, names in expected.items():
                self.assertEqual(names, self._ignored(depth, engine=kind), depth)
                self.assertEqual(names, self._ignored(depth, engine=kind, backend=memory.MemoryBackend()), depth)

    def test_yes_ignores_nothing(self):
        self.assertEqual(set(), self._ignored('ALL', True))

    def test_truth_counts(self):
        for say, expected in ((0, {'b'}), ('', {'b'}), (None, {'b'}), ('yes', set()), (1, set())):
            self.assertEqual(expected, self._ignored('ATOM', say))  # type: ignore[arg-type]

    def test_a_decider_before_a_flow_is_asked_for_each_of_its_first_atoms(self):
        asked: list[Any] = []
        graph = graph_flow.Flow('g')
        a = Named('a')
        inner = graph_flow.Flow('n').add(Named('n1'), Named('n2'))
        graph.add(a, inner)
        graph.link(a, inner, decider=lambda history: asked.append(history) or True)
        engines.run(graph)
        self.assertEqual([{'a': 'a'}] * 2, asked)

    def test_the_value_of_an_ignored_provider_is_that_of_the_one_before(self):
        first = task.FunctorTask(lambda: 'old', name='first', provides='x')
        second = task.FunctorTask(lambda: 'new', name='second', provides='x')
        last = task.FunctorTask(lambda x: x, name='last', provides='out')
        for say, value in ((True, 'new'), (False, 'old')):
            graph = graph_flow.Flow('g')
            graph.add(first, second, resolve_existing=False)
            graph.link(first, second, decider=lambda history, say=say: say, decider_depth='ATOM')
            self.assertEqual(value, engines.run(linear_flow.Flow('f').add(graph, last))['out'])
