# SPDX-License-Identifier: Apache-2.0
"""What follows from the nesting of a spec alone: which atom comes before which, who asks whom."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.reference.spec import FlowSpec, TaskSpec

__all__ = ['Decider', 'Shape']


@dataclass(frozen=True, slots=True)
class Decider:
    """A decider as one target atom sees it; `source` is None where the link starts at a flow."""

    link: str
    source: str | None
    depth: str


@dataclass(slots=True)
class Shape:
    """The fixed relations between the atoms of a spec, by name."""

    flow: FlowSpec
    atoms: list[str] = field(default_factory=list)
    before: dict[str, set[str]] = field(default_factory=dict)
    after: dict[str, set[str]] = field(default_factory=dict)
    scopes: dict[str, list[str]] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    near: dict[str, set[str]] = field(default_factory=dict)
    deciders: dict[str, list[Decider]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Fill in the relations.

        - `before[a]`: all atoms that come before a, near or far; `after` is its inverse.
        - `scopes[a]`: the retries that a belongs to, outermost first; a retry belongs to itself.
        - `members[r]`: the atoms of the flow of retry r, nested ones and r itself included.
        - `near[a]`: the atoms of a's own flow that come right after a, without a flow in between.
        - `deciders[a]`: those that are asked before a is executed.
        """
        self._walk(self.flow, [])
        for atom in self.atoms:
            self.after[atom] = {other for other in self.atoms if atom in self.before[other]}
            for retry in self.scopes[atom]:
                self.members.setdefault(retry, set()).add(atom)

    def reachable(self, atom: str) -> set[str]:
        """Return the atoms of the atom's own flow that `near` leads to, step by step."""
        found: set[str] = set()
        todo = [atom]
        while todo:
            for following in self.near[todo.pop()] - found:
                found.add(following)
                todo.append(following)
        return found

    def _walk(self, flow: FlowSpec, scopes: list[str]) -> set[str]:
        inside: set[str] = set()
        if flow.retry is not None:
            scopes = [*scopes, flow.retry.name]
            self._add(flow.retry.name, scopes)
        parts = []
        for child in flow.children:
            if isinstance(child, FlowSpec):
                parts.append(self._walk(child, scopes))
            else:
                self._add(child.name, scopes)
                parts.append({child.name})
        for first, second in _precedence(flow):
            for atom in parts[second]:
                self.before[atom] |= parts[first]
        inside = set().union(*parts)
        if flow.retry is not None:
            for atom in inside:
                self.before[atom].add(flow.retry.name)
            inside.add(flow.retry.name)
        self._add_near(flow)
        self._add_deciders(flow)
        return inside

    def _add(self, atom: str, scopes: list[str]) -> None:
        self.atoms.append(atom)
        self.before[atom] = set()
        self.near[atom] = set()
        self.scopes[atom] = scopes
        self.deciders[atom] = []

    def _add_near(self, flow: FlowSpec) -> None:
        for first, second in _links(flow):
            source, target = flow.children[first], flow.children[second]
            if isinstance(source, TaskSpec) and isinstance(target, TaskSpec):
                self.near[source.name].add(target.name)
        if flow.retry is not None:
            for number in _first_children(flow):
                child = flow.children[number]
                if isinstance(child, TaskSpec):
                    self.near[flow.retry.name].add(child.name)

    def _add_deciders(self, flow: FlowSpec) -> None:
        for link in flow.links:
            if link.answers:
                source = flow.children[link.source]
                decider = Decider(
                    flow.link_name(link),
                    source.name if isinstance(source, TaskSpec) else None,
                    link.depth or 'ALL',
                )
                for atom in _entries(flow.children[link.target]):
                    self.deciders[atom].append(decider)


def _links(flow: FlowSpec) -> set[tuple[int, int]]:
    """Return the pairs of children of which the second comes right after the first."""
    count = len(flow.children)
    if flow.pattern == 'linear':
        return {(number, number + 1) for number in range(count - 1)}
    return {(link.source, link.target) for link in flow.links}


def _precedence(flow: FlowSpec) -> set[tuple[int, int]]:
    """Return the pairs of children of which the second comes after the first, near or far."""
    pairs = _links(flow)
    while True:
        longer = {(a, d) for a, b in pairs for c, d in pairs if b == c} - pairs
        if not longer:
            return pairs
        pairs |= longer


def _first_children(flow: FlowSpec) -> set[int]:
    return set(range(len(flow.children))) - {second for _, second in _links(flow)}


def _entries(node: TaskSpec | FlowSpec) -> set[str]:
    """Return the atoms with which a task or a flow begins."""
    if isinstance(node, TaskSpec):
        return {node.name}
    if node.retry is not None:
        return {node.retry.name}
    return set().union(*(_entries(node.children[number]) for number in _first_children(node)))
