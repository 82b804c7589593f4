# SPDX-License-Identifier: Apache-2.0
"""In any order, or all at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tfd import flow

__all__ = ['Flow']


class Flow(flow.Flow):
    """Runs what it holds in any order, at the same time where the engine can; none of it sees another's results."""

    def __init__(self, name: Any, retry: Any = None) -> None:
        super().__init__(name, retry)
        self._items: dict[flow.Node, None] = {}

    def add(self, *items: flow.Node) -> Flow:
        """Add atoms or flows; what is in the flow already is passed over.

        :raises TypeError: an item is no atom and no flow; nothing is added.
        """
        for item in items:
            self._check_item(item)
        new = [item for item in dict.fromkeys(items) if item not in self._items]
        self._items.update(dict.fromkeys(new))
        self._changed(new)
        return self

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[flow.Node]:
        return iter(self._items)

    def iter_links(self) -> Iterator[tuple[flow.Node, flow.Node, Mapping[str, Any]]]:
        """Yield nothing: there are no dependencies."""
        return iter(())

    def iter_nodes(self) -> Iterator[tuple[flow.Node, Mapping[str, Any]]]:
        """Yield what it holds."""
        for item in self._items:
            yield item, {}

    def _required(self) -> set[str]:
        """Return what something in the flow needs and its retry does not provide."""
        required, provided = self._retry_symbols()
        for item in self._items:
            required.update(symbol for symbol in item.requires if symbol not in provided)
        return required
