# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import networkx
import testtools

from tfd.types import graph


def _made(*edges: tuple[Any, Any], name: str = 'g') -> graph.DiGraph:
    made = graph.DiGraph(name=name)
    for source, target in edges:
        made.add_edge(source, target)
    return made


class GraphTest(testtools.TestCase):
    def test_attributes_may_be_a_dictionary_and_keywords(self) -> None:
        made = graph.DiGraph()
        made.add_node('a', {'x': 1}, y=2)
        made.add_edge('a', 'b', {'w': 1}, q=2)
        self.assertEqual({'x': 1, 'y': 2}, made.nodes['a'])
        self.assertEqual({'w': 1, 'q': 2}, made.get_edge_data('a', 'b'))
        self.assertEqual('none', made.get_edge_data('b', 'a', default='none'))

    def test_edge_data_are_a_copy(self) -> None:
        made = _made(('a', 'b'))
        made.get_edge_data('a', 'b')['w'] = 1
        self.assertEqual({}, made.get_edge_data('a', 'b'))

    def test_sorts_topologically(self) -> None:
        self.assertEqual(['a', 'b', 'c'], list(_made(('b', 'c'), ('a', 'b')).topological_sort()))

    def test_a_cycle_has_no_order(self) -> None:
        made = _made(('a', 'b'), ('b', 'a'))
        self.assertFalse(made.is_directed_acyclic())
        self.assertRaises(networkx.NetworkXUnfeasible, list, made.topological_sort())

    def test_finds_begins_and_ends(self) -> None:
        made = _made(('a', 'b'), ('b', 'c'))
        self.assertEqual((['a'], ['c']), (list(made.no_predecessors_iter()), list(made.no_successors_iter())))

    def test_predecessors_come_nearest_first_and_once(self) -> None:
        made = _made(('a', 'c'), ('b', 'c'), ('x', 'a'), ('y', 'b'), ('x', 'b'))
        self.assertEqual(['a', 'b', 'x', 'y'], list(made.bfs_predecessors_iter('c')))

    def test_a_frozen_graph_cannot_be_changed(self) -> None:
        made = _made(('a', 'b'))
        self.assertIs(made, made.freeze())
        self.assertTrue(made.frozen)
        self.assertRaises(networkx.NetworkXError, made.add_node, 'c')
        self.assertRaises(networkx.NetworkXError, made.remove_node, 'a')

    def test_a_fresh_copy_is_empty_and_of_the_same_class(self) -> None:
        fresh = graph.OrderedDiGraph([('a', 'b')]).fresh_copy()
        self.assertEqual((graph.OrderedDiGraph, 0), (type(fresh), len(fresh)))

    def test_as_text(self) -> None:
        made = _made(('a', 'b'), ('b', 'a'))
        made.add_node('a', {'x': 1})
        self.assertEqual(
            'Name: g\nType: DiGraph\nFrozen: False\nDensity: 1.000\nNodes: 2\n'
            "  - a ({'x': 1})\n  - b\nEdges: 2\n  a -> b\n  b -> a\nCycles: 1\n  a --> b --> a", made.pformat())
        self.assertIn('  1 <-> 2', graph.Graph([(1, 2)]).pformat())

    def test_as_dot(self) -> None:
        self.assertIn('a -> b', _made(('a', 'b')).export_to_dot())


class MergeGraphsTest(testtools.TestCase):
    def test_has_the_nodes_and_edges_of_all(self) -> None:
        one, other = _made(('a', 'b'), name='one'), _made(('c', 'd'), name='other')
        merged = graph.merge_graphs(one, other)
        self.assertEqual({('a', 'b'), ('c', 'd')}, set(merged.edges))
        self.assertEqual(('one', graph.DiGraph), (merged.name, type(merged)))
        self.assertEqual(2, len(one))

    def test_refuses_nodes_in_common(self) -> None:
        one, other = _made(('a', 'b')), _made(('b', 'c'))
        error = self.assertRaises(ValueError, graph.merge_graphs, one, other)
        self.assertIn('there are 1 overlapping nodes', str(error))
        self.assertEqual(3, len(graph.merge_graphs(one, other, allow_overlaps=True)))

    def test_asks_a_detector_for_nodes_in_common(self) -> None:
        one, other = _made(('a', 'b')), _made(('b', 'c'))
        self.assertEqual(3, len(graph.merge_graphs(one, other, overlap_detector=lambda to, new: 0)))
        self.assertRaises(ValueError, graph.merge_graphs, one, _made(('x', 'y')), overlap_detector=lambda to, new: 1)
        self.assertRaises(ValueError, graph.merge_graphs, one, overlap_detector=5)
