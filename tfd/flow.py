# SPDX-License-Identifier: Apache-2.0
"""Flows: atoms and other flows, in an order that the pattern says."""

from __future__ import annotations

import abc
import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tfd import atom

__all__ = ['LINK_DECIDER', 'LINK_DECIDER_DEPTH', 'LINK_INVARIANT', 'LINK_MANUAL', 'LINK_REASONS', 'LINK_RETRY', 'Flow']

# Keys of the data that a link carries.
LINK_INVARIANT = 'invariant'
LINK_MANUAL = 'manual'
LINK_REASONS = 'reasons'
LINK_RETRY = 'retry'
LINK_DECIDER = 'decider'
LINK_DECIDER_DEPTH = 'decider_depth'

Node = Any  # an atom or a flow: the patterns treat them alike


class Flow(abc.ABC):
    """Base of the patterns. Has a name, may have a retry, and holds atoms and flows.

    A flow only describes; an engine compiles it into a plan. It may be changed until then.

    :param name: for people, and for the default names of retries.
    :param retry: a :class:`~tfd.retry.Retry` that decides what becomes of this flow's failures; belongs to this flow
        alone.
    :raises TypeError: ``retry`` is something else.
    """

    def __init__(self, name: Any, retry: Any = None) -> None:
        if retry is not None and not (isinstance(retry, atom.Atom) and hasattr(retry, 'on_failure')):
            raise TypeError(f'the retry of flow {name!r} must be a Retry, not {retry!r}')
        self._name = name
        self._retry = retry
        # What the flow provides and requires; None until somebody asks, and again once it, or a flow in it, was
        # changed.
        self._symbols: tuple[frozenset[str], frozenset[str]] | None = None
        self._held_in: list[weakref.ref[Flow]] = []
        if retry is not None and retry.name is None:
            retry.name = f'{name}_retry'

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, '_held_in': []}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A copy is held by none but the copies of those that hold it, which tell it here.
        self.__dict__.update(state)
        self._hold(self)

    @property
    def name(self) -> Any:
        """The flow's name."""
        return self._name

    @property
    def retry(self) -> Any:
        """The retry of this flow, or None."""
        return self._retry

    @abc.abstractmethod
    def add(self, *items: Node) -> Flow:
        """Add atoms or flows; what is in the flow already is passed over. Returns this flow."""

    @abc.abstractmethod
    def __len__(self) -> int:
        """Return how many atoms and flows it holds, not counting inside of those."""

    def __bool__(self) -> bool:
        return True

    @abc.abstractmethod
    def __iter__(self) -> Iterator[Node]:
        """Yield the atoms and flows."""

    @abc.abstractmethod
    def iter_links(self) -> Iterator[tuple[Node, Node, Mapping[str, Any]]]:
        """Yield ``(before, after, data)`` of each dependency."""

    @abc.abstractmethod
    def iter_nodes(self) -> Iterator[tuple[Node, Mapping[str, Any]]]:
        """Yield ``(atom or flow, data)``, those that others wait for before those."""

    @property
    def provides(self) -> frozenset[str]:
        """Symbols that the flow provides."""
        return self._known_symbols()[0]

    @property
    def requires(self) -> frozenset[str]:
        """Symbols that the flow needs and does not provide to itself."""
        return self._known_symbols()[1]

    @abc.abstractmethod
    def _required(self) -> set[str]:
        """Return the symbols that the flow requires, where those of the flows in it are known."""

    def _known_symbols(self) -> tuple[frozenset[str], frozenset[str]]:
        """Return what the flow provides and requires; from the inside out, so flows may be nested to any depth."""
        stack = [self]
        while stack:
            flow = stack[-1]
            inner = [] if flow._symbols is not None else [
                item for item in flow if isinstance(item, Flow) and item._symbols is None]
            if inner:
                stack.extend(inner)
                continue
            stack.pop()
            if flow._symbols is None:
                provided = flow._retry_symbols()[1]
                for item in flow:
                    provided.update(item.provides)
                flow._symbols = frozenset(provided), frozenset(flow._required())
        assert self._symbols is not None
        return self._symbols

    def _changed(self, added: Iterable[Node] = ()) -> None:
        """Forget what was worked out for this flow and those that hold it."""
        self._hold(added)
        if self._symbols is None:  # then those that hold it know nothing either
            return
        stack: list[Flow] = [self]
        while stack:
            flow = stack.pop()
            flow._symbols = None
            stack.extend(held for ref in flow._held_in if (held := ref()) is not None and held._symbols is not None)

    def _hold(self, items: Iterable[Node]) -> None:
        """Have flows tell this one that they have changed."""
        for item in items:
            # Flows have it. Not by their class, as in _check_items.
            held_in = getattr(item, '_held_in', None)
            if held_in is not None:
                held_in.append(weakref.ref(self))

    def _retry_symbols(self) -> tuple[set[str], set[str]]:
        """Return what the retry requires and what it provides."""
        if self._retry is None:
            return set(), set()
        return set(self._retry.requires), set(self._retry.provides)

    def _check_items(self, items: Iterable[Node]) -> None:
        """Refuse what no flow can hold.

        :raises TypeError: it is no atom and no flow.
        :raises ValueError: it is this flow itself.
        """
        # By class: to ask an abstract class about each item takes as long as all else that is done to add it.
        flows: dict[type, bool] = {}
        for item in items:
            is_flow = flows.get(type(item))
            if is_flow is None:
                is_flow = flows[type(item)] = isinstance(item, Flow)
                if not is_flow and not isinstance(item, atom.Atom):
                    raise TypeError(f'flow {self.name!r} holds atoms and flows, not {item!r} ({type(item).__name__})')
            if is_flow and (item is self or (len(item) and self._is_inside(item))):
                raise ValueError(f'flow {self.name!r} cannot hold itself')

    def _is_inside(self, other: Flow) -> bool:
        stack: list[Flow] = [self]
        while stack:
            flow = stack.pop()
            if flow is other:
                return True
            stack.extend(held for ref in flow._held_in if (held := ref()) is not None)
        return False

    def __str__(self) -> str:
        module = type(self).__module__.rpartition('.')[2]
        return f'"{module}.{type(self).__name__}: {self.name}(len={len(self)})"'

    def __repr__(self) -> str:
        return f'<{type(self).__module__}.{type(self).__name__} {self}>'
