# SPDX-License-Identifier: Apache-2.0
"""Which member looks after which part of the board: rendezvous hashing, without any talk between members."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

__all__ = ['preferred']

_MASK = (1 << 64) - 1


def preferred(shards: Collection[int], members: Collection[str], me: str) -> frozenset[int]:
    """Return those of ``shards`` that ``me`` prefers among ``members``.

    Every member that knows the same members comes to the same answer: each shard has exactly one of
    them. A member that comes or goes moves the shards that it gets or had, and no other (highest
    random weight: Thaler and Ravishankar, 1996). ``me`` counts as a member even where it is not
    listed. The order of the arguments does not matter.
    """
    mine = _seed(me)
    rivals = [(_seed(member), member) for member in members if member != me]
    return frozenset(
        shard
        for shard in shards
        if all(
            (_weight(mine, shard), me) > (_weight(seed, shard), member) for seed, member in rivals
        )
    )


def _seed(member: str) -> int:
    return int.from_bytes(hashlib.blake2b(member.encode(), digest_size=8).digest(), 'big')


def _weight(seed: int, shard: int) -> int:
    """Mix a member and a shard into 64 bits: the finaliser of SplitMix64, some ten times cheaper than a digest."""
    mixed = (seed + (shard + 1) * 0x9E3779B97F4A7C15) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return mixed ^ (mixed >> 31)
