# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import collections

import testtools

from tfd.jobs import placement
from tfd.jobs.record import SHARDS

_ALL = range(SHARDS)


def _placed(members: list[str]) -> dict[int, str]:
    """Shard -> member, which checks that each shard has one."""
    placed: dict[int, str] = {}
    for member in members:
        for shard in placement.preferred(_ALL, members, member):
            assert shard not in placed, (shard, member, placed[shard])
            placed[shard] = member
    assert len(placed) == SHARDS
    return placed


class PreferredTest(testtools.TestCase):
    def test_each_shard_has_one_member(self) -> None:
        for count in (1, 2, 3, 10, 100):
            _placed([f'host-{number}/1/{number:x}' for number in range(count)])

    def test_order_does_not_matter(self) -> None:
        members = ['a/1/1', 'b/1/2', 'c/1/3']
        first = placement.preferred(_ALL, members, 'b/1/2')
        self.assertEqual(first, placement.preferred(_ALL[::-1], set(members), 'b/1/2'))

    def test_member_alone_prefers_all(self) -> None:
        self.assertEqual(frozenset(_ALL), placement.preferred(_ALL, ['a'], 'a'))
        self.assertEqual(frozenset(_ALL), placement.preferred(_ALL, [], 'a'))

    def test_member_that_is_not_listed_counts(self) -> None:
        listed = placement.preferred(_ALL, ['a', 'b'], 'a')
        self.assertEqual(listed, placement.preferred(_ALL, ['b'], 'a'))

    def test_only_the_shards_of_who_left_move(self) -> None:
        members = [f'host-{number}/1/{number:x}' for number in range(8)]
        before, after = _placed(members), _placed(members[1:])
        moved = {shard for shard in _ALL if before[shard] != after[shard]}
        self.assertEqual({shard for shard in _ALL if before[shard] == members[0]}, moved)

    def test_shards_are_spread(self) -> None:
        members = [f'host-{number}/1/{number:x}' for number in range(4)]
        counts = collections.Counter(_placed(members).values())
        self.assertLess(max(counts.values()), 2.5 * SHARDS / 4)
        self.assertGreater(min(counts.values()), 0.4 * SHARDS / 4)

    def test_placement_is_the_same_in_every_release(self) -> None:
        # Members of two releases run side by side: a change would leave shards to nobody.
        self.assertEqual(
            [_GOLDEN], [sorted(placement.preferred(range(16), ['a/1/1', 'b/1/2'], 'a/1/1'))])


_GOLDEN = [0, 1, 3, 5, 8, 9, 12, 13, 14]
