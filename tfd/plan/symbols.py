# SPDX-License-Identifier: Apache-2.0
"""Finds, while a flow is compiled, which provider each argument sees first.

Providers of a symbol form a list that grows towards the nearer one. Whether an entry is visible from where the compiler
stands depends on the innermost flow that holds both: its own items are visible in a linear flow, those before the
present one in a graph, none in an unordered flow. That flow is found by following closed flows to their parents with
path compression, so a lookup costs next to nothing whatever the nesting; only in a graph, and only for a provider that
is no direct predecessor, is there a sweep, once per provider.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tfd.plan import model

__all__ = ['Symbols']

_NOTHING: tuple[model.Argument, ...] = ()
_NO_ARGUMENTS = _NOTHING, _NOTHING


class Symbols:
    """The provisions met so far, and the place where the compiler stands.

    :param flows: those that the compiler has entered; it adds to them.
    """

    def __init__(self, flows: Sequence[model.FlowNode]) -> None:
        self.visibility = model.Visibility()
        self._nearest: dict[str, int] = {}
        # Of each entry, the innermost flow that may be open, and the item of that.
        self._home_flow: list[int] = []
        self._home_item: list[int] = []
        self._flows = flows
        self._position: dict[int, int] = {}
        self._closed: dict[int, tuple[int, int]] = {}
        self._reached: dict[tuple[int, int], set[int]] = {}
        self._following: dict[int, dict[int, list[int]]] = {}

    # -- moving ------------------------------------------------------------------------------------

    def at(self, flow: int, item: int) -> None:
        """Stand at an item of a graph; in other flows it does not matter at which."""
        self._position[flow] = item

    def leave(self, flow: int) -> None:
        """Stand behind a flow."""
        _name, parent, item, _ordered, after = self._flows[flow]
        self._closed[flow] = parent, item
        if after is not None:
            self._following.pop(flow, None)

    # -- providing and looking up --------------------------------------------------------------------

    def provide(self, provider: int, save_as: dict[Any, Any], flow: int, item: int) -> None:
        """Add what a node provides; ``item`` is NOBODY for the flow's retry, whose symbols all of the flow sees."""
        seen = self.visibility
        entry = len(seen.provider)
        for symbol, index in save_as.items():
            seen.provider.append(provider)
            seen.index.append(index)
            seen.older.append(self._nearest.get(symbol, model.NOBODY))
            self._home_flow.append(flow)
            self._home_item.append(item)
            self._nearest[symbol] = entry
            entry += 1

    def arguments(self, atom: Any) -> tuple[tuple[model.Argument, ...], tuple[model.Argument, ...]]:
        """Return where an atom's arguments for execute and revert come from, seen from where the compiler stands."""
        binding, symbols = atom._binding, atom._rebound
        if not binding.rebind and not binding.revert_rebind:
            return _NO_ARGUMENTS
        bound = self._bind(binding.renamed(binding.rebind, symbols), binding.optional())
        if binding.alike:
            return bound, bound
        return bound, self._bind(binding.renamed(binding.revert_rebind, symbols), binding.revert_optional())

    def _bind(self, rebind: dict[str, str], optional: Any) -> tuple[model.Argument, ...]:
        nearest = self._nearest
        bound = []
        for name, symbol in rebind.items():
            entry = nearest.get(symbol, model.NOBODY)
            while entry != model.NOBODY and not self._visible(entry):
                entry = self.visibility.older[entry]
            bound.append((name, symbol, entry, symbol in optional))
        return tuple(bound)

    def _visible(self, entry: int) -> bool:
        flow, item = self._home_flow[entry], self._home_item[entry]
        if flow in self._closed:
            flow, item = self._first_open(flow)
            self._home_flow[entry], self._home_item[entry] = flow, item
        if item == model.NOBODY:
            return True
        node = self._flows[flow]
        if node.after is None:
            return node.ordered
        here = self._position[flow]
        if item in node.after[here]:
            return True
        return here in self._reach(flow, item, node.after)

    def _first_open(self, flow: int) -> tuple[int, int]:
        """Return the innermost open flow around a closed one, and which of its items holds it."""
        passed = []
        target = self._closed[flow]
        while target[0] in self._closed:
            passed.append(flow)
            flow = target[0]
            target = self._closed[flow]
        for one in passed:
            self._closed[one] = target
        return target

    def _reach(self, flow: int, item: int, after: Sequence[tuple[int, ...]]) -> set[int]:
        """Return the items of a graph that come after one of them."""
        found = self._reached.get((flow, item))
        if found is None:
            following = self._following.get(flow)
            if following is None:
                following = self._following[flow] = {}
                for target, sources in enumerate(after):
                    for source in sources:
                        following.setdefault(source, []).append(target)
            found = self._reached[flow, item] = set()
            stack = [item]
            while stack:
                for target in following.get(stack.pop(), ()):
                    if target not in found:
                        found.add(target)
                        stack.append(target)
        return found
