# SPDX-License-Identifier: Apache-2.0
"""Placement as :mod:`tfd.jobs.placement` has it, worked out once for all members: there, each does it for itself."""

from __future__ import annotations

import collections
import contextlib
import functools
from collections.abc import Collection, Iterator
from unittest import mock

from tfd.jobs import placement, record

__all__ = ['placed_at_once', 'preferred']


def preferred(shards: Collection[int], members: Collection[str], me: str) -> frozenset[int]:
    """Return the shards that ``me`` prefers."""
    listed = members if isinstance(members, frozenset) and me in members else frozenset(members) | {me}
    return _place(listed).get(me, frozenset()) & frozenset(shards)


@functools.lru_cache(5000)
def _weights(member: str) -> list[int]:
    seed = placement._seed(member)
    return [placement._weight(seed, shard) for shard in range(record.SHARDS)]


@functools.lru_cache(500)
def _place(members: frozenset[str]) -> dict[str, frozenset[int]]:
    weights = [(_weights(member), member) for member in members]
    placed: dict[str, set[int]] = collections.defaultdict(set)
    for shard in range(record.SHARDS):
        placed[max((weight[shard], member) for weight, member in weights)[1]].add(shard)
    return {member: frozenset(found) for member, found in placed.items()}


@contextlib.contextmanager
def placed_at_once() -> Iterator[None]:
    """Have everybody use it for the time of a ``with`` block."""
    with mock.patch.object(placement, 'preferred', preferred):
        yield
