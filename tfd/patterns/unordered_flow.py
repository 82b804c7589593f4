# SPDX-License-Identifier: Apache-2.0
"""In any order, or all at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tfd import flow
from tfd.patterns import listed

__all__ = ['Flow']


class Flow(listed.ListedFlow):
    """Runs what it holds in any order, at the same time where the engine can; none of it sees another's results."""

    def iter_links(self) -> Iterator[tuple[flow.Node, flow.Node, Mapping[str, Any]]]:
        """Yield nothing: there are no dependencies."""
        return iter(())

    def _required(self) -> set[str]:
        """Return what something in the flow needs and its retry does not provide."""
        required, provided = self._retry_symbols()
        for item in self._items:
            required.update(symbol for symbol in item.requires if symbol not in provided)
        return required
