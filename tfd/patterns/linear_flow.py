# SPDX-License-Identifier: Apache-2.0
"""One after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tfd import flow
from tfd.patterns import listed

__all__ = ['Flow']


class Flow(listed.ListedFlow):
    """Runs what it holds one after the other, in the order of adding; reverts in the opposite order."""

    def iter_links(self) -> Iterator[tuple[flow.Node, flow.Node, Mapping[str, Any]]]:
        """Yield each neighbouring pair."""
        items = list(self._items)
        for before, after in zip(items, items[1:], strict=False):
            yield before, after, {flow.LINK_INVARIANT: True}

    def _required(self) -> set[str]:
        """Return what something in the flow needs and nothing before it provides."""
        required, provided = self._retry_symbols()
        for item in self._items:
            required.update(symbol for symbol in item.requires if symbol not in provided)
            provided.update(item.provides)
        return required
