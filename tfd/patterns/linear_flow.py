# SPDX-License-Identifier: Apache-2.0
"""One after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tfd import flow

__all__ = ['Flow']


class Flow(flow.Flow):
    """Runs what it holds one after the other, in the order of adding; reverts in the opposite order."""

    def __init__(self, name: Any, retry: Any = None) -> None:
        super().__init__(name, retry)
        self._items: dict[flow.Node, None] = {}

    def add(self, *items: flow.Node) -> Flow:
        """Add atoms or flows at the end; what is in the flow already is passed over.

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
        """Yield each neighbouring pair."""
        items = list(self._items)
        for before, after in zip(items, items[1:], strict=False):
            yield before, after, {flow.LINK_INVARIANT: True}

    def iter_nodes(self) -> Iterator[tuple[flow.Node, Mapping[str, Any]]]:
        """Yield what it holds, in order."""
        for item in self._items:
            yield item, {}

    def _required(self) -> set[str]:
        """Return what something in the flow needs and nothing before it provides."""
        required, provided = self._retry_symbols()
        for item in self._items:
            required.update(symbol for symbol in item.requires if symbol not in provided)
            provided.update(item.provides)
        return required
