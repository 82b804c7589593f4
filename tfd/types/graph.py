# SPDX-License-Identifier: Apache-2.0
"""Graphs that can be frozen, merged and drawn; needs the extra ``tfd[graph]``.

They are graphs of networkx, with TaskFlow's additions: for code that used those. tfd itself draws and orders nothing
with them.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import networkx as nx

__all__ = ['DiGraph', 'Graph', 'OrderedDiGraph', 'OrderedGraph', 'merge_graphs']


class _Additions(nx.Graph):  # type: ignore[misc]  # networkx comes without types
    """What both kinds of graphs add to those of networkx.

    :param incoming_graph_data: what networkx makes a graph of.
    :param name: the graph's name.
    """

    #: How an edge is written by :meth:`pformat`.
    _edge = '<->'
    #: Whether the graph can no longer be changed.
    frozen = False

    def __init__(self, incoming_graph_data: Any = None, name: str = '') -> None:
        super().__init__(incoming_graph_data=incoming_graph_data, name=name)

    def add_node(self, n: Any, attr_dict: Mapping[str, Any] | None = None, **attr: Any) -> None:
        """Add a node, or attributes to one."""
        super().add_node(n, **{**(attr_dict or {}), **attr})

    def add_edge(self, u: Any, v: Any, attr_dict: Mapping[str, Any] | None = None, **attr: Any) -> None:
        """Add an edge and its nodes, or attributes to one."""
        super().add_edge(u, v, **{**(attr_dict or {}), **attr})

    def freeze(self) -> Any:
        """Refuse every change from now on; return the graph itself.

        What would change it raises :class:`networkx.NetworkXError`.
        """
        return nx.freeze(self)

    def fresh_copy(self) -> Any:
        """Return an empty graph of the same class."""
        return type(self)()

    def export_to_dot(self) -> str:
        """Return the graph in the language of graphviz.

        :raises ImportError: pydot, which the extra brings, is missing.
        """
        return str(nx.nx_pydot.to_pydot(self).to_string())

    def pformat(self) -> str:
        """Return the graph as text: its nodes, edges and cycles, with their attributes."""
        lines = [
            f'Name: {self.name}', f'Type: {type(self).__name__}', f'Frozen: {nx.is_frozen(self)}',
            f'Density: {nx.density(self):.3f}', f'Nodes: {self.number_of_nodes()}']
        lines += [f'  - {node}' + _in_brackets(data) for node, data in self.nodes(data=True)]
        lines.append(f'Edges: {self.number_of_edges()}')
        lines += [f'  {u} {self._edge} {v}' + _in_brackets(data) for u, v, data in self.edges(data=True)]
        return '\n'.join([*lines, *self._cycles()])

    def _cycles(self) -> list[str]:
        return []


class Graph(_Additions):
    """A graph without directions."""


class DiGraph(_Additions, nx.DiGraph):  # type: ignore[misc]  # as above
    """A graph with directions."""

    _edge = '->'

    def get_edge_data(self, u: Any, v: Any, default: Any = None) -> Any:
        """Return a copy of an edge's attributes, ``default`` where there is no such edge."""
        data = super().get_edge_data(u, v)
        return default if data is None else dict(data)

    def topological_sort(self) -> Iterator[Any]:
        """Yield the nodes, each after its predecessors.

        :raises networkx.NetworkXUnfeasible: there is a cycle.
        """
        yield from nx.topological_sort(self)

    def is_directed_acyclic(self) -> bool:
        """Tell whether there is no cycle."""
        return bool(nx.is_directed_acyclic_graph(self))

    def no_successors_iter(self) -> Iterator[Any]:
        """Yield the nodes without successors."""
        return (node for node in self.nodes if not len(self._succ[node]))

    def no_predecessors_iter(self) -> Iterator[Any]:
        """Yield the nodes without predecessors."""
        return (node for node in self.nodes if not len(self._pred[node]))

    def bfs_predecessors_iter(self, n: Any) -> Iterator[Any]:
        """Yield everything that a node can be reached from, the nearest first, each once."""
        seen = {n}
        queue = collections.deque(self.predecessors(n))
        while queue:
            node = queue.popleft()
            if node not in seen:
                seen.add(node)
                yield node
                queue.extend(self.predecessors(node))

    def _cycles(self) -> list[str]:
        # networkx begins a cycle anywhere: the text of a graph is that of its nodes' order.
        place = {node: at for at, node in enumerate(self.nodes)}
        cycles = []
        for cycle in nx.simple_cycles(self):
            first = cycle.index(min(cycle, key=place.__getitem__))
            cycles.append(cycle[first:] + cycle[:first])
        cycles.sort(key=lambda cycle: [place[node] for node in cycle])
        return [f'Cycles: {len(cycles)}', *('  ' + ' --> '.join(map(str, [*cycle, cycle[0]])) for cycle in cycles)]


class OrderedGraph(Graph):
    """A :class:`Graph`: both keep the order in which nodes and edges came."""


class OrderedDiGraph(DiGraph):
    """A :class:`DiGraph`: both keep the order in which nodes and edges came."""


def _in_brackets(data: Mapping[str, Any]) -> str:
    return f' ({dict(data)})' if data else ''


def merge_graphs(
    graph: Any, *graphs: Any, allow_overlaps: bool = False,
    overlap_detector: Callable[[Any, Any], int] | None = None,
) -> Any:
    """Return a new graph with the nodes and edges of all; the first itself where it is the only one.

    :param graph: gives the new one its name.
    :param allow_overlaps: let graphs have nodes in common; where they do, the attributes of later ones win.
    :param overlap_detector: called as ``overlap_detector(graph so far, next graph)``, returns how many nodes the two
        have in common; by default they are counted.
    :raises ValueError: two graphs have nodes in common and must not, or the detector cannot be called.
    """
    if overlap_detector is not None and not callable(overlap_detector):
        raise ValueError(f'overlap detection callback expected to be callable, {overlap_detector!r} is not')
    merged = graph
    for other in graphs:
        overlaps = 0 if allow_overlaps else (overlap_detector or _common_nodes)(merged, other)
        if overlaps:
            raise ValueError(
                f'Can not merge graph {other} into {merged}: there are {overlaps} overlapping nodes'
                ' (and allow_overlaps is not set)')
        merged = nx.compose(merged, other)
        merged.name = graph.name
    return merged


def _common_nodes(graph: Iterable[Any], other: Any) -> int:
    return sum(1 for node in graph if node in other)
