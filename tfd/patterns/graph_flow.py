# SPDX-License-Identifier: Apache-2.0
"""In the order that links and symbols demand."""

from __future__ import annotations

import graphlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from tfd import deciders, exceptions, flow
from tfd.types import order, signature

__all__ = ['Flow', 'TargetedFlow']

Decider = Callable[..., Any]
#: What is known of a link: made by hand, by one symbol, or its data.
_Link = bool | str | dict[str, Any]

#: A link is known by the numbers of its ends in one.
_BITS = 32
_TARGET = (1 << _BITS) - 1
#: Up to so many neighbours are a tuple, which the garbage collector leaves alone; more would be copied too often.
_FEW = 8


def _with(numbers: Sequence[int], other: int) -> Sequence[int]:
    """Return numbers with another one at the end."""
    if len(numbers) < _FEW:
        return (*numbers, other)
    if not isinstance(numbers, list):
        return [*numbers, other]
    numbers.append(other)
    return numbers


def _as_data(link: _Link | None) -> dict[str, Any]:
    """Return the data of a link; of one that has none a dictionary to fill in."""
    if isinstance(link, dict):
        return link
    if link is None:
        return {}
    return {flow.LINK_MANUAL: True} if link is True else {flow.LINK_REASONS: {link}}


def _as_told(
    items: list[flow.Node], links: Iterable[tuple[flow.Node, flow.Node, Mapping[str, Any]]]
) -> tuple[list[flow.Node], list[tuple[int, ...]], dict[tuple[int, int], Mapping[str, Any]]]:
    """Return what :meth:`Flow._by_place` does, of links that a subclass tells in its own way.

    :raises DependencyFailure: they go in a circle.
    """
    told = list(links)
    before: dict[flow.Node, list[flow.Node]] = {item: [] for item in items}
    for source, target, _data in told:
        before[target].append(source)
    at = {item: place for place, item in enumerate(items)}
    if any(at[source] >= at[target] for source, target, _data in told):
        try:
            items = list(graphlib.TopologicalSorter(before).static_order())
        except graphlib.CycleError as err:
            raise exceptions.DependencyFailure(
                f'the links that iter_links tells go in a circle: {[str(item.name) for item in err.args[1]]}') from err
        at = {item: place for place, item in enumerate(items)}
    decided = {
        (at[source], at[target]): data for source, target, data in told if flow.LINK_DECIDER in data}
    return items, [tuple(sorted({at[source] for source in before[item]})) for item in items], decided


class Flow(flow.Flow):
    """Runs what it holds in the order of a directed graph without cycles.

    Links are added by :meth:`link`, and by :meth:`add` where what one item provides is what another requires. Each
    refusal leaves the flow as it was.
    """

    def __init__(self, name: Any, retry: Any = None) -> None:
        super().__init__(name, retry)
        # Items are numbered in the order of adding, and neighbours are numbers: with a dictionary per link the garbage
        # collector took most of the time for a graph of 100,000 items.
        self._numbers: dict[flow.Node, int] = {}
        self._items: list[flow.Node] = []
        self._successors: list[Sequence[int]] = []
        self._predecessors: list[Sequence[int]] = []
        self._links: dict[int, _Link] = {}
        self._providers: dict[str, list[flow.Node]] = {}
        self._requirers: dict[str, list[flow.Node]] = {}
        self._order: order.OnlineOrder[int] = order.OnlineOrder(
            self._successors.__getitem__, self._predecessors.__getitem__)

    # -- building ----------------------------------------------------------------------------------

    def add(self, *nodes: flow.Node, **kwargs: bool) -> Flow:
        """Add atoms or flows, and link them by what they provide and require.

        :param resolve_requires: False: do not look for providers of what the new ones require.
        :param resolve_existing: False: do not look for what the flow's older items require among the new ones.
        :raises TypeError: an item is no atom and no flow.
        :raises AmbiguousDependency: several items provide a symbol that one requires.
        :raises DependencyFailure: the links would close a cycle.
        """
        requires, existing = self._switches(kwargs)
        new = [node for node in dict.fromkeys(nodes) if node not in self._numbers]
        self._check_items(new)
        done: list[flow.Node] = []
        links: list[tuple[flow.Node, flow.Node, str]] = []
        try:
            for node in new:
                self._insert(node)
                done.append(node)
            for source, target, symbol in self._wanted_links(new, requires, existing):
                self._connect(self._numbers[source], self._numbers[target], reason=symbol)
                links.append((source, target, symbol))
        except exceptions.DependencyFailure:
            self._undo(done, links)
            raise
        self._changed(new)
        return self

    def link(
        self, u: flow.Node, v: flow.Node, decider: Decider | None = None,
        decider_depth: deciders.Depth | str | None = None,
    ) -> Flow:
        """Make ``v`` run after ``u``.

        :param decider: called as ``decider(history={name: result of each source of v with a decider})`` when ``v``
            could start; where it answers something false, ``v`` is ignored.
        :param decider_depth: how far a "no" reaches, ALL by default; a :class:`~tfd.deciders.Depth` or its name.
        :raises ValueError: ``u`` or ``v`` is not in the flow, the decider cannot be called or is a coroutine function,
            or the depth is none or comes without a decider.
        :raises DependencyFailure: the link would close a cycle.
        """
        before, after = self._numbers.get(u), self._numbers.get(v)
        if before is None or after is None:
            node, end = (u, 'from') if before is None else (v, 'to')
            raise ValueError(f"Node '{node}' not found to link {end} in flow {self.name!r}")
        if decider is None:
            if decider_depth is not None:
                raise ValueError(
                    f'Decider depth requires a decider to be provided along with it: the link from {u.name!r} to'
                    f' {v.name!r} in flow {self.name!r} has the depth {decider_depth!r} alone')
            self._connect(before, after)
            return self
        if not callable(decider):
            raise ValueError(
                f'Decider boolean callback must be callable, {decider!r} is not: of the link from {u.name!r} to'
                f' {v.name!r} in flow {self.name!r}')
        if signature.is_awaited(decider):
            raise ValueError(
                f'Decider boolean callback must not be a coroutine function, whose answer is never false: of the link'
                f' from {u.name!r} to {v.name!r} in flow {self.name!r}')
        depth = deciders.Depth.ALL if decider_depth is None else deciders.Depth.translate(decider_depth)
        self._connect(before, after, extra={flow.LINK_DECIDER: decider, flow.LINK_DECIDER_DEPTH: depth})
        return self

    @staticmethod
    def _switches(kwargs: dict[str, bool]) -> tuple[bool, bool]:
        unknown = set(kwargs) - {'resolve_requires', 'resolve_existing'}
        if unknown:
            raise TypeError(f'add() got unexpected arguments {sorted(unknown)}')
        return kwargs.get('resolve_requires', True), kwargs.get('resolve_existing', True)

    def _insert(self, node: flow.Node) -> None:
        number = self._numbers[node] = len(self._items)
        self._items.append(node)
        self._successors.append(())
        self._predecessors.append(())
        self._order.add(number)
        for symbol in node.provides:
            self._providers.setdefault(symbol, []).append(node)
        for symbol in node.requires:
            self._requirers.setdefault(symbol, []).append(node)

    def _wanted_links(
        self, new: list[flow.Node], requires: bool, existing: bool
    ) -> Iterator[tuple[flow.Node, flow.Node, str]]:
        """Yield links for what the new items require, then for what older ones still do, as TaskFlow 6.5 finds them.

        An item provides nothing to itself. New items come one after the other: one that has a provider by then keeps
        it; of several later ones it gets the first.
        """
        _needed, from_retry = self._retry_symbols()
        later = set(new)
        if requires:
            for node in new:
                later.discard(node)
                for symbol in node.requires:
                    if symbol not in from_retry:
                        yield from ((provider, node, symbol) for provider in self._one_provider(node, symbol, later))
        if existing:
            added = set() if requires else set(new)
            for node in new:
                for symbol in node.provides:
                    if symbol not in from_retry:
                        yield from ((node, older, symbol) for older in self._still_requiring(symbol, node, added))

    def _one_provider(self, node: flow.Node, symbol: str, later: set[flow.Node]) -> list[flow.Node]:
        """Return the older item that provides a symbol, in a list that may be empty.

        :raises AmbiguousDependency: there are several.
        """
        providers = [provider for provider in self._providers.get(symbol, ())
                     if provider is not node and provider not in later]
        if len(providers) > 1:
            raise exceptions.AmbiguousDependency(
                f"Resolution error detected when adding '{node.name}', multiple providers"
                f" {[provider.name for provider in providers]} found for required symbol '{symbol}'")
        return providers

    def _still_requiring(self, symbol: str, provider: flow.Node, added: set[flow.Node]) -> list[flow.Node]:
        """Return the older items that require a symbol which nothing that runs before them provides."""
        others = [other for other in self._providers[symbol] if other is not provider]
        return [older for older in self._requirers.get(symbol, ())
                if older is not provider and older not in added and not self._any_before(older, others)]

    def _connect(
        self, before: int, after: int, reason: str | None = None, extra: Mapping[str, Any] | None = None,
    ) -> None:
        key = before << _BITS | after
        known = self._links.get(key)
        if known is None:
            if not self._order.allow(before, after):
                raise exceptions.DependencyFailure(
                    f'No path through the node(s) in the graph produces an ordering: a link from'
                    f' {self._items[before].name!r} to {self._items[after].name!r} in flow {self.name!r} would close a'
                    ' cycle')
            self._successors[before] = _with(self._successors[before], after)
            self._predecessors[after] = _with(self._predecessors[after], before)
        if reason is None:
            if self._symbols is not None:
                self._changed()
            if extra is None and known is None:
                self._links[key] = True
                return
        elif known is None:
            self._links[key] = reason
            return
        data = self._links[key] = _as_data(known)
        if reason is None:
            data.update(extra or {})
            data[flow.LINK_MANUAL] = True
        else:
            data.setdefault(flow.LINK_REASONS, set()).add(reason)

    def _undo(self, nodes: Sequence[flow.Node], links: Iterable[tuple[flow.Node, flow.Node, str]]) -> None:
        for source, target, symbol in links:
            before, after = self._numbers[source], self._numbers[target]
            known = self._links.pop(before << _BITS | after, None)
            if known is None:
                continue
            data = _as_data(known)
            data[flow.LINK_REASONS].discard(symbol)
            if not data[flow.LINK_REASONS]:
                del data[flow.LINK_REASONS]
            if data:
                self._links[before << _BITS | after] = data
            else:
                self._successors[before] = [number for number in self._successors[before] if number != after]
                self._predecessors[after] = [number for number in self._predecessors[after] if number != before]
        for node in reversed(nodes):  # the latest is the last
            for symbol in node.provides:
                self._providers[symbol].remove(node)
            for symbol in node.requires:
                self._requirers[symbol].remove(node)
            self._order.discard(self._numbers.pop(node))
            del self._items[-1], self._successors[-1], self._predecessors[-1]

    # -- reading -----------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._selected())

    def __iter__(self) -> Iterator[flow.Node]:
        numbers = self._numbers
        ordered = self._order.sorted([numbers[node] for node in self._selected()])
        return iter([self._items[number] for number in ordered])

    def iter_links(self) -> Iterator[tuple[flow.Node, flow.Node, Mapping[str, Any]]]:
        """Yield ``(before, after, data)``; data tells by which symbols, whether by hand, and the decider."""
        selected = self._selected()
        for source in selected:
            before = self._numbers[source]
            for after in self._successors[before]:
                target = self._items[after]
                if target in selected:
                    yield source, target, _as_data(self._links[before << _BITS | after])

    def _by_place(self) -> tuple[list[flow.Node], list[tuple[int, ...]], dict[tuple[int, int], Mapping[str, Any]]]:
        """Return what takes part, in topological order; for each the places of those directly before it.

        Third, the data of the links that have a decider, by the places of their ends.
        """
        if type(self).iter_links is not Flow.iter_links:
            return _as_told(list(self), self.iter_links())
        # All that comes before what takes part does so too.
        ordered = self._order.sorted([self._numbers[node] for node in self._selected()])
        places = {number: place for place, number in enumerate(ordered)}
        before = [tuple(sorted([places[other] for other in self._predecessors[number]])) for number in ordered]
        decided: dict[tuple[int, int], Mapping[str, Any]] = {}
        for key, link in self._links.items():
            if isinstance(link, dict) and flow.LINK_DECIDER in link and key & _TARGET in places:
                decided[places[key >> _BITS], places[key & _TARGET]] = link
        return [self._items[number] for number in ordered], before, decided

    def iter_nodes(self) -> Iterator[tuple[flow.Node, Mapping[str, Any]]]:
        """Yield what it holds, in a topological order."""
        for node in self:
            yield node, {}

    def _required(self) -> set[str]:
        """Return what an item needs and none of those that run before it provides."""
        required, provided = self._retry_symbols()
        for node in self._selected():
            for symbol in node.requires:
                if symbol not in provided and not self._any_before(node, self._providers.get(symbol, ())):
                    required.add(symbol)
        return required

    def _any_before(self, node: flow.Node, providers: Sequence[flow.Node]) -> bool:
        """Tell whether one of these runs before a node."""
        if not providers:
            return False
        number = self._numbers[node]
        if any(self._numbers[provider] << _BITS | number in self._links for provider in providers):
            return True
        ancestors = self._ancestors(number)
        return any(self._numbers[provider] in ancestors for provider in providers)

    def _ancestors(self, number: int) -> set[int]:
        found: set[int] = set()
        stack = [number]
        while stack:
            for before in self._predecessors[stack.pop()]:
                if before not in found:
                    found.add(before)
                    stack.append(before)
        return found

    def _selected(self) -> Mapping[flow.Node, Any]:
        """Return the items that take part; all of them here."""
        return self._numbers


class TargetedFlow(Flow):
    """A graph flow that can be told to run only what one of its items needs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._target: flow.Node | None = None
        self._subset: dict[flow.Node, None] | None = None

    def set_target(self, target_node: flow.Node) -> None:
        """Take part only with this item and all that runs before it.

        :raises ValueError: it is not in the flow.
        """
        if target_node not in self._numbers:
            raise ValueError(f"Node '{target_node}' not found in flow {self.name!r}")
        self._target = target_node
        self._subset = None
        self._changed()

    def reset_target(self) -> None:
        """Take part with every item again."""
        self._target = None
        self._subset = None
        self._changed()

    def add(self, *nodes: flow.Node, **kwargs: bool) -> TargetedFlow:
        """Add atoms or flows, as a graph flow does."""
        super().add(*nodes, **kwargs)
        self._subset = None
        return self

    def link(
        self, u: flow.Node, v: flow.Node, decider: Decider | None = None,
        decider_depth: deciders.Depth | str | None = None,
    ) -> TargetedFlow:
        """Make ``v`` run after ``u``, as a graph flow does."""
        super().link(u, v, decider=decider, decider_depth=decider_depth)
        self._subset = None
        return self

    def _selected(self) -> Mapping[flow.Node, Any]:
        if self._target is None:
            return self._numbers
        if self._subset is None:
            target = self._numbers[self._target]
            part = {target, *self._ancestors(target)}
            self._subset = {node: None for node, number in self._numbers.items() if number in part}
        return self._subset
