# SPDX-License-Identifier: Apache-2.0
"""A topological order that is kept while edges are added one by one.

The algorithm is that of D. J. Pearce and P. H. J. Kelly, "A dynamic topological sort algorithm for directed acyclic
graphs", ACM JEA 11, 2006: an edge that agrees with the order costs nothing, one that does not reorders only the nodes
between its ends.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

__all__ = ['OnlineOrder']

N = TypeVar('N', bound=Hashable)


class OnlineOrder(Generic[N]):
    """Positions of nodes such that every edge goes from a lower to a higher one.

    :param successors, predecessors: tell a node's neighbours; both are asked *before* an edge is added to what they
        read.
    """

    __slots__ = ('_next', '_position', '_predecessors', '_successors')

    def __init__(
        self, successors: Callable[[N], Iterable[N]], predecessors: Callable[[N], Iterable[N]]
    ) -> None:
        self._successors = successors
        self._predecessors = predecessors
        self._position: dict[N, int] = {}
        self._next = 0

    def add(self, node: N) -> None:
        """Put a new node last."""
        self._position[node] = self._next
        self._next += 1

    def discard(self, node: N) -> None:
        """Forget a node; the others keep their positions."""
        del self._position[node]

    def sorted(self, nodes: Iterable[N]) -> list[N]:
        """Return these nodes in topological order."""
        return sorted(nodes, key=self._position.__getitem__)

    def allow(self, source: N, target: N) -> bool:
        """Make room for an edge; tell whether it closes no cycle. Where it would, nothing has changed."""
        position = self._position
        low, high = position[target], position[source]
        if source == target:
            return False
        if high < low:
            return True
        after = self._reach(target, self._successors, lambda p: p <= high)
        if source in after:
            return False
        before = self._reach(source, self._predecessors, lambda p: p >= low)
        moved = self.sorted(before) + self.sorted(after)
        for node, place in zip(moved, sorted(position[node] for node in moved), strict=True):
            position[node] = place
        return True

    def _reach(self, start: N, neighbours: Callable[[N], Iterable[N]], inside: Callable[[int], bool]) -> set[N]:
        found = {start}
        stack = [start]
        while stack:
            for node in neighbours(stack.pop()):
                if node not in found and inside(self._position[node]):
                    found.add(node)
                    stack.append(node)
        return found
