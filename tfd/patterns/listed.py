# SPDX-License-Identifier: Apache-2.0
"""What the patterns have in common whose flows are a list of items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

from tfd import flow

__all__ = ['ListedFlow']


class ListedFlow(flow.Flow):
    """Holds its items in the order of adding."""

    def __init__(self, name: Any, retry: Any = None) -> None:
        super().__init__(name, retry)
        self._items: dict[flow.Node, None] = {}

    def add(self, *items: flow.Node) -> Self:
        """Add atoms or flows at the end; what is in the flow already is passed over.

        :raises TypeError: an item is no atom and no flow; nothing is added.
        :raises ValueError: an item is this flow, or holds it; nothing is added.
        """
        self._check_items(items)
        new = [item for item in dict.fromkeys(items) if item not in self._items]
        self._items.update(dict.fromkeys(new))
        self._changed(new)
        return self

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[flow.Node]:
        return iter(self._items)

    def iter_nodes(self) -> Iterator[tuple[flow.Node, Mapping[str, Any]]]:
        """Yield what it holds, in the order of adding."""
        for item in self._items:
            yield item, {}
