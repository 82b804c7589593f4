# SPDX-License-Identifier: Apache-2.0
"""What a plan consists of.

Nodes are numbered depth first, so that every edge goes from a lower to a higher number and every flow is an interval of
numbers. Columns, not objects: a node is an index into them. Tuples of integers are left alone by the garbage collector,
which is what keeps the cost per task flat from a thousand tasks to a hundred thousand.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tfd.deciders import Depth

__all__ = ['NOBODY', 'Argument', 'FlowNode', 'Gate', 'Kind', 'Plan', 'Scope', 'Visibility']

#: Stands for "no node" and "no entry" in the columns.
NOBODY = -1


class Kind(enum.IntEnum):
    """What a node is."""

    TASK = 0
    RETRY = 1
    #: Neither executed nor reverted: stands for the begin or the end of a flow that has several.
    JOIN = 2


@dataclasses.dataclass(frozen=True, slots=True)
class Scope:
    """The reach of a retry: the nodes ``first`` to ``last``, the retry being the first of them.

    Scope 0 is the whole plan and has no retry (``retry`` is NOBODY). The scopes inside of scope ``s`` are ``s + 1`` to
    ``inner``.
    """

    retry: int
    parent: int
    first: int
    last: int
    inner: int

    def those_in(self, table: Mapping[int, Any], least: int) -> list[int]:
        """Return the keys of a table, which are scopes, from ``least`` to ``inner``; what is smaller is walked."""
        if self.inner - least < len(table):
            return [scope for scope in range(least, self.inner + 1) if scope in table]
        return [scope for scope in table if least <= scope <= self.inner]


class Gate(NamedTuple):
    """Deciders that can keep one atom from starting: asked together, once nothing else does.

    A link to a flow counts for each atom that the flow begins with.

    :ivar sources: for each link, the atom that it comes from; NOBODY for a flow.
    """

    sources: tuple[int, ...]
    deciders: tuple[Callable[..., Any], ...]
    depths: tuple[Depth, ...]


#: Where one argument of an atom comes from: its name, its symbol, the nearest provision of that which the atom can see
#: (an index into :class:`Visibility`; NOBODY where there is none), and whether the atom can do without. A plain tuple:
#: one of a class of its own is never left alone by the garbage collector.
Argument = tuple[str, str, int, bool]


class FlowNode(NamedTuple):
    """A flow of the plan, for telling what is visible from where.

    :ivar ordered: items are added to it in the order in which they run (linear).
    :ivar after: for a graph: of each item, the items directly before it; None otherwise.
    """

    name: Any
    parent: int
    item: int
    ordered: bool
    after: Sequence[tuple[int, ...]] | None


@dataclasses.dataclass(slots=True)
class Visibility:
    """Who provides a symbol, as lists that grow towards the nearer provider.

    Entry ``e`` says that node ``provider[e]`` provides the symbol as element ``index[e]`` of its result (None: as a
    whole), and that ``older[e]`` is the entry that it shadows.
    """

    provider: list[int] = dataclasses.field(default_factory=list)
    index: list[Any] = dataclasses.field(default_factory=list)
    older: list[int] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """A compiled flow. Immutable; shared by the runs of one engine. All columns are indexed by node.

    :ivar atoms: the task or retry, None for a join.
    :ivar successors, predecessors: edges both ways.
    :ivar scope_of: the innermost scope that decides about the node's failure: for a retry the scope around its own.
    :ivar flow_of: the flow that the node stands in directly, an index into ``flows``; for a retry the flow that it
        controls.
    :ivar gates: deciders by target node.
    :ivar priorities: of the atoms that have one other than 0.
    :ivar unprovided: ``(node, method, symbol)`` of what an atom needs and nothing that it can see provides.
    :ivar execute_arguments, revert_arguments: an empty tuple where nothing is to be looked up.
    """

    name: str
    kinds: bytes
    atoms: Sequence[Any]
    successors: Sequence[tuple[int, ...]]
    predecessors: Sequence[tuple[int, ...]]
    scope_of: Sequence[int]
    scopes: Sequence[Scope]
    flow_of: Sequence[int]
    flows: Sequence[FlowNode]
    item_of: Sequence[int]
    gates: dict[int, Gate]
    execute_arguments: Sequence[tuple[Argument, ...]]
    revert_arguments: Sequence[tuple[Argument, ...]]
    visibility: Visibility
    by_name: dict[str, int]
    unprovided: Sequence[tuple[int, str, str]]
    priorities: Mapping[int, int]

    def __len__(self) -> int:
        return len(self.kinds)

    def iter_atoms(self) -> Iterator[int]:
        """Yield the nodes that are tasks or retries, in order."""
        for node, kind in enumerate(self.kinds):
            if kind != Kind.JOIN:
                yield node

    def reach(self, node: int, depth: Depth) -> list[int]:
        """Return the nodes that a decider's "no" to an atom ignores.

        ALL is whatever can be reached; FLOW stays on links between atoms of one flow, NEIGHBORS on the first of them,
        ATOM on the atom; as TaskFlow 6.5.
        """
        found = {node: None}
        stack = [] if depth is Depth.ATOM else [node]
        while stack:
            current = stack.pop()
            for after in self.successors[current]:
                if after in found:
                    continue
                if depth is not Depth.ALL and not self._side_by_side(current, after):
                    continue
                found[after] = None
                if depth is not Depth.NEIGHBORS:
                    stack.append(after)
        return list(found)

    def _side_by_side(self, node: int, other: int) -> bool:
        return self.kinds[other] != Kind.JOIN and self.flow_of[node] == self.flow_of[other]

    def providers(self, entry: int, reader: int) -> Iterator[tuple[int, Any]]:
        """Yield ``(node, index)`` of each provision that ``reader`` can see, nearest first, beginning with ``entry``.

        The first costs nothing; each further one a walk up the nesting: it is needed where a nearer provider was
        ignored.
        """
        seen = self.visibility
        first = True
        while entry != NOBODY:
            node = seen.provider[entry]
            if first or self.sees(reader, node):
                yield node, seen.index[entry]
            first = False
            entry = seen.older[entry]

    def sees(self, reader: int, provider: int) -> bool:
        """Tell whether results of ``provider`` are visible to ``reader``."""
        if reader == provider:
            return False
        path = {}
        flow, item = self.flow_of[reader], self.item_of[reader]
        while flow != NOBODY:
            path[flow] = item
            item, flow = self.flows[flow].item, self.flows[flow].parent
        flow, item = self.flow_of[provider], self.item_of[provider]
        while flow not in path:
            item, flow = self.flows[flow].item, self.flows[flow].parent
        return item == NOBODY or _before(self.flows[flow], item, path[flow])

    def digest(self) -> str:
        """Return a fingerprint of names, versions, edges, scopes and gates; where it is equal a run can go on."""
        spell = hashlib.sha256()
        for node, atom in enumerate(self.atoms):
            label = '' if atom is None else f'{atom.name}\0{atom.version}'
            scope = self.scopes[self.scope_of[node]]
            spell.update(f'{self.kinds[node]}\0{label}\0{self.successors[node]}\0{scope.first}\n'.encode())
        for node, gate in self.gates.items():
            spell.update(f'{node}\0{gate.sources}\0{[depth.value for depth in gate.depths]}\n'.encode())
        return spell.hexdigest()[:32]


def _before(flow: FlowNode, provider: int, reader: int) -> bool:
    """Tell whether, in one flow, one item's results are visible to another item."""
    if flow.after is None:
        return flow.ordered and provider < reader
    seen, stack = {reader}, [reader]
    while stack:
        for item in flow.after[stack.pop()]:
            if item == provider:
                return True
            if item not in seen:
                seen.add(item)
                stack.append(item)
    return False
