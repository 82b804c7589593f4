# SPDX-License-Identifier: Apache-2.0
"""Turns a flow into a plan, in time proportional to its atoms and links, whatever the nesting."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from typing import Any

from tfd import atom as atoms
from tfd import exceptions, task
from tfd import flow as flow_model
from tfd.patterns import graph_flow, linear_flow, unordered_flow
from tfd.plan import model, symbols

__all__ = ['compile_flow']

_ROOT_SCOPE = 0
_FEW = 8
_TASK, _JOIN = int(model.Kind.TASK), int(model.Kind.JOIN)


def compile_flow(flow: Any) -> model.Plan:
    """Return the plan of a flow.

    The flow is read once and not changed; atoms are referred to, not copied.

    :param flow: a flow, or a task, which becomes a flow of its name.
    :raises CompilationFailure: a flow or retry is used in two places, or a flow is of a pattern that is not known.
    :raises CoroutineRefused: an atom has a method that is a coroutine function.
    :raises Duplicate: atoms have the same name.
    :raises TypeError: what is to be compiled, or an item of it, is neither a flow nor a task.
    """
    if isinstance(flow, task.Task):
        flow = linear_flow.Flow(flow.name).add(flow)
    elif not isinstance(flow, flow_model.Flow):
        raise TypeError(f'a flow or a task can be compiled, not {flow!r} ({type(flow).__name__})')
    build = _Build()
    stack = [_open(build, flow, model.NOBODY, model.NOBODY, _ROOT_SCOPE)]
    finished: _Level | None = None
    while stack:
        level = stack[-1]
        if finished is not None:
            level.attach(finished.entry, finished.exit)
            finished = None
        item = level.compile_tasks()
        if item is None:
            finished = level.close()
            stack.pop()
        elif type(item) in build.levels or isinstance(item, flow_model.Flow):
            stack.append(_open(build, item, level.flow, level.position, level.scope))
        else:
            raise TypeError(
                f'flow {level.source.name!r} can hold flows and tasks, not {item!r} ({type(item).__name__})')
    return build.finish(str(flow.name))


class _Build:
    """The columns while they grow."""

    def __init__(self) -> None:
        self.kinds = bytearray()
        self.atoms: list[Any] = []
        # Tuples, as the plan has them, and as the garbage collector leaves them alone; a list is for those with more
        # edges, which it would take too long to copy.
        self.successors: list[Any] = []
        self.predecessors: list[Any] = []
        self.scope_of: list[int] = []
        self.flow_of: list[int] = []
        self.item_of: list[int] = []
        self.flows: list[model.FlowNode] = []
        self.scopes: list[list[int]] = [[model.NOBODY, model.NOBODY, 0, 0, 0]]
        # Entry of the target; source, decider, depth.
        self.gates: list[tuple[int, tuple[int, Any, Any]]] = []
        self.by_name: dict[str, int] = {}
        self.duplicates: dict[str, None] = {}
        self.seen: set[int] = set()
        # Joins that stand for a flow without atoms.
        self.hollow: set[int] = set()
        self.symbols = symbols.Symbols(self.flows)
        self.priorities: dict[int, int] = {}
        self.unprovided: list[tuple[int, str, str]] = []
        self._task_classes: dict[type, bool] = {}
        # What compiles flows of a class.
        self.levels: dict[type, type[_Level]] = {}
        self.execute_arguments: list[tuple[model.Argument, ...]] = []
        self.revert_arguments: list[tuple[model.Argument, ...]] = []

    def is_task(self, item: Any) -> bool:
        """Tell whether an item of a flow is a task."""
        # By class: to ask an abstract class about an instance takes as long as all else that is done for a task.
        known = self._task_classes.get(type(item))
        return self._look_at(item) if known is None else known

    def _look_at(self, item: Any) -> bool:
        known = isinstance(item, task.Task)
        if known:
            self.refuse_coroutines(item)
        if not known or item._signatures_of_class():
            self._task_classes[type(item)] = known
        return known

    @staticmethod
    def refuse_coroutines(item: atoms.Atom) -> None:
        """Raise for an atom that is to be awaited.

        :raises CoroutineRefused: it is.
        """
        methods = atoms.awaited(item)
        if methods:
            raise exceptions.CoroutineRefused(item.name, methods)

    def add_node(self, atom: Any, kind: int, scope: int, flow: int, item: int) -> int:
        node = len(self.atoms)
        self.kinds.append(kind)
        self.atoms.append(atom)
        self.successors.append(())
        self.predecessors.append(())
        self.scope_of.append(scope)
        self.flow_of.append(flow)
        self.item_of.append(item)
        return node

    def link(self, before: int, after: int) -> None:
        """Make one node run after another."""
        for edges, node, other in ((self.successors, before, after), (self.predecessors, after, before)):
            known = edges[node]
            if not known:
                edges[node] = (other,)
            elif type(known) is list:
                known.append(other)
            else:
                edges[node] = (*known, other) if len(known) < _FEW else [*known, other]

    def add_atom(self, atom: Any, kind: int, scope: int, flow: int, item: int) -> int:
        node = self.add_node(atom, kind, scope, flow, item)
        if atom.priority:
            self.priorities[node] = atom.priority
        if self.by_name.setdefault(atom.name, node) != node:
            self.duplicates[atom.name] = None
        execute, revert = self.symbols.arguments(atom)
        self.execute_arguments.append(execute)
        self.revert_arguments.append(revert)
        if execute:
            self._note_unprovided(node, 'execute', execute)
        if revert:
            self._note_unprovided(node, 'revert', revert)
        saves = atom._saves
        if saves is not None:
            self.symbols.provide(node, {saves: None} if isinstance(saves, str) else saves, flow, item)
        return node

    def _note_unprovided(self, node: int, method: str, arguments: tuple[model.Argument, ...]) -> None:
        for _name, symbol, entry, optional in arguments:
            if entry == model.NOBODY and not optional:
                self.unprovided.append((node, method, symbol))

    def add_join(self, scope: int, flow: int, item: int) -> int:
        self.execute_arguments.append(())
        self.revert_arguments.append(())
        return self.add_node(None, _JOIN, scope, flow, item)

    def finish(self, name: str) -> model.Plan:
        if self.duplicates:
            raise exceptions.Duplicate(f'Atoms with duplicate names found: {sorted(map(str, self.duplicates))}')
        size = len(self.atoms)
        self.scopes[0][3] = size - 1
        self.scopes[0][4] = len(self.scopes) - 1
        return model.Plan(
            name=name, kinds=bytes(self.kinds), atoms=self.atoms,
            successors=[tuple(after) for after in self.successors],
            predecessors=[tuple(before) for before in self.predecessors],
            scope_of=self.scope_of, scopes=[model.Scope(*scope) for scope in self.scopes],
            flow_of=self.flow_of, flows=self.flows, item_of=self.item_of, gates=self._gates(),
            execute_arguments=self.execute_arguments, revert_arguments=self.revert_arguments,
            visibility=self.symbols.visibility, by_name=self.by_name, unprovided=self.unprovided,
            priorities=self.priorities)

    def _gates(self) -> dict[int, model.Gate]:
        """Return the deciders by the atom that they can keep from starting: each atom that a target begins with."""
        found: dict[int, list[tuple[int, Any, Any]]] = {}
        for entry, link in self.gates:
            for node in (entry,) if self.kinds[entry] != _JOIN else self._begin_of(entry):
                found.setdefault(node, []).append(link)
        return {node: model.Gate(*zip(*found[node], strict=True)) for node in sorted(found)}

    def _begin_of(self, entry: int) -> list[int]:
        """Return the atoms behind a flow's way in that nothing but joins comes before.

        Joins between a way in and the first atoms form a tree: what has no atoms has a join of its own, where it ends.
        """
        found, stack = [], [entry]
        while stack:
            node = stack.pop()
            if self.kinds[node] != _JOIN:
                found.append(node)
                continue
            if node not in self.hollow:
                stack += self.successors[node]
        return sorted(found)


def _open(build: _Build, flow: Any, parent: int, item: int, scope: int) -> _Level:
    if id(flow) in build.seen:
        raise exceptions.CompilationFailure(f'flow {flow.name!r} is used in more than one place')
    build.seen.add(id(flow))
    level = build.levels.get(type(flow))
    if level is None:
        level = build.levels[type(flow)] = _level_of(flow)
    return level(build, flow, parent, item, scope)


def _level_of(flow: Any) -> type[_Level]:
    if isinstance(flow, graph_flow.Flow):
        return _GraphLevel
    if isinstance(flow, linear_flow.Flow):
        return _LinearLevel
    if isinstance(flow, unordered_flow.Flow):
        return _UnorderedLevel
    raise exceptions.CompilationFailure(
        f'{flow!r} is a flow of a pattern that is not known; linear, unordered and graph flows can be compiled')


class _Level(abc.ABC):
    """A flow while its items are compiled. ``entry`` and ``exit`` are its one way in and its one way out, as nodes."""

    ordered = False

    def __init__(self, build: _Build, flow: Any, parent: int, item: int, scope: int) -> None:
        self.build = build
        self.source = flow
        self.scope = scope
        self.position = model.NOBODY
        self.entry = self.exit = model.NOBODY
        self.flow = len(build.flows)
        self._items: Iterator[Any] = iter(self._order())
        # Not by its constructor, which takes twice as long.
        build.flows.append(model.FlowNode._make((flow.name, parent, item, self.ordered, self._after())))
        self._parent_scope = scope
        if flow.retry is not None:
            self._open_scope(flow.retry)

    def _open_scope(self, retry: Any) -> None:
        build = self.build
        if id(retry) in build.seen:
            raise exceptions.CompilationFailure(f'retry {retry.name!r} is used by more than one flow')
        build.seen.add(id(retry))
        build.refuse_coroutines(retry)
        node = build.add_atom(retry, model.Kind.RETRY, self.scope, self.flow, model.NOBODY)
        self.scope = len(build.scopes)
        build.scopes.append([node, self._parent_scope, node, node, self.scope])
        self.entry = self.exit = node

    def _order(self) -> Any:
        return self.source

    def _after(self) -> list[tuple[int, ...]] | None:
        return None

    def compile_tasks(self) -> Any:
        """Compile tasks up to the next item that is none; return that, None at the end."""
        build = self.build
        for item in self._items:
            self.position += 1
            if not build.is_task(item):
                return item
            node = build.add_atom(item, _TASK, self.scope, self.flow, self.position)
            self.attach(node, node)
        return None

    @abc.abstractmethod
    def attach(self, entry: int, exit_: int) -> None:
        """Take in an item that has been compiled, as its one way in and its one way out."""

    def close(self) -> _Level:
        """Finish the flow; return this level, with its entry and exit known."""
        build = self.build
        if self.entry == model.NOBODY:
            self.entry = self.exit = build.add_join(self.scope, self.flow, model.NOBODY)
            build.hollow.add(self.entry)
        if self.source.retry is not None:
            scope = build.scopes[self.scope]
            scope[3] = len(build.atoms) - 1
            scope[4] = len(build.scopes) - 1
        build.symbols.leave(self.flow)
        return self


class _LinearLevel(_Level):
    ordered = True

    def attach(self, entry: int, exit_: int) -> None:
        if self.exit == model.NOBODY:
            self.entry = entry
        else:
            self.build.link(self.exit, entry)
        self.exit = exit_


class _UnorderedLevel(_Level):

    def __init__(self, build: _Build, flow: Any, parent: int, item: int, scope: int) -> None:
        super().__init__(build, flow, parent, item, scope)
        self._exits: list[int] = []
        if self.entry == model.NOBODY and len(flow) > 1:
            self.entry = build.add_join(self.scope, self.flow, model.NOBODY)

    def attach(self, entry: int, exit_: int) -> None:
        if self.entry == model.NOBODY:
            self.entry = entry
        else:
            self.build.link(self.entry, entry)
        self._exits.append(exit_)

    def close(self) -> _Level:
        self._join(self._exits)
        return super().close()

    def _join(self, exits: list[int]) -> None:
        """Give the flow one way out."""
        if len(exits) > 1:
            self.exit = self.build.add_join(self.scope, self.flow, model.NOBODY)
            for node in exits:
                self.build.link(node, self.exit)
        elif exits:
            self.exit = exits[0]


class _GraphLevel(_UnorderedLevel):
    """Items come in topological order, so that every item's sources have been compiled before it."""

    def __init__(self, build: _Build, flow: Any, parent: int, item: int, scope: int) -> None:
        # Numbers alone, and links with deciders apart: with an object per link the garbage collector took over half of
        # the time for a graph of 100,000 links.
        self._nodes: list[Any]
        self._links: list[tuple[int, ...]]
        self._nodes, self._links, self._gated = flow._by_place()
        self._sinks = set(range(len(self._nodes))).difference(*self._links)
        # Of each item, its way in and its way out.
        self._entries: list[int] = []
        self._ends: list[int] = []
        roots = sum(1 for links in self._links if not links)
        _Level.__init__(self, build, flow, parent, item, scope)
        self._exits = []
        if self.entry == model.NOBODY and roots > 1:
            self.entry = build.add_join(self.scope, self.flow, model.NOBODY)

    def _order(self) -> Iterator[Any]:
        for position, item in enumerate(self._nodes):
            # Symbols are looked up from there.
            self.build.symbols.at(self.flow, position)
            yield item

    def _after(self) -> list[tuple[int, ...]]:
        return self._links

    def attach(self, entry: int, exit_: int) -> None:
        build = self.build
        links = self._links[self.position]
        if not links:
            if self.entry == model.NOBODY:
                self.entry = entry
            else:
                build.link(self.entry, entry)
        for number in links:
            last = self._ends[number]
            build.link(last, entry)
            data = self._gated.get((number, self.position)) if self._gated else None
            if data is not None:
                first = self._entries[number]
                is_atom = first == last and build.item_of[first] == number and build.flow_of[first] == self.flow
                build.gates.append(
                    (entry, (last if is_atom else model.NOBODY, data[flow_model.LINK_DECIDER],
                             data[flow_model.LINK_DECIDER_DEPTH])))
        self._entries.append(entry)
        self._ends.append(exit_)
        if self.position in self._sinks:
            self._exits.append(exit_)
