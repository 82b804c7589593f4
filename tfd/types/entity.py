# SPDX-License-Identifier: Apache-2.0
"""An entity: something that makes itself known, such as a conductor on a jobboard."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

__all__ = ['Entity']


@dataclasses.dataclass(frozen=True, slots=True)
class Entity:
    """Something that makes itself known.

    :ivar kind: what it is, such as ``conductor``.
    :ivar name: unique among those of its kind.
    :ivar metadata: what else there is to know of it; not to be changed.
    """

    kind: str
    name: str
    metadata: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return ``{'kind': …, 'name': …, 'metadata': …}``."""
        return {'kind': self.kind, 'name': self.name, 'metadata': self.metadata}
