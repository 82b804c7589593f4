# SPDX-License-Identifier: Apache-2.0
"""Threads that write at the same time share batches."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import testtools

from tfd.persistence.record import Entry, Fence
from tfd_drivers.sql.fence import Known
from tfd_drivers.sql.groups import Group, Item

_SECONDS = 30


def item(name: str = 'a', size: int = 1) -> Item:
    fence = Fence(name, 1)
    return Item.of(Entry('flow', fence), Known(0, 'owner'), '[]', 0.0, size)


class GroupTest(testtools.TestCase):
    """The first batch is held until it is let go."""

    def setUp(self) -> None:
        super().setUp()
        self.batches: list[list[str]] = []
        self.held, self.go = threading.Event(), threading.Event()
        self.addCleanup(self.go.set)

    def write(self, items: Sequence[Item]) -> None:
        self.batches.append([one.fence.job for one in items])
        if len(self.batches) == 1:
            self.held.set()
            self.go.wait(_SECONDS)
        for one in items:
            one.recorded = True

    def start(self, group: Group, *items: Item) -> list[threading.Thread]:
        """Have items written by a thread each; all but the first wait for it."""
        threads = []
        for number, one in enumerate(items):
            thread = threading.Thread(target=group.write, args=(one,), daemon=True)
            threads.append(thread)
            thread.start()
            if number == 0:
                self.assertTrue(self.held.wait(_SECONDS))
            else:
                while len(group._waiting) < number and thread.is_alive():
                    pass
        return threads

    def run_all(self, *items: Item, **options: Any) -> None:
        threads = self.start(Group(self.write, **options), *items)
        self.go.set()
        for thread in threads:
            thread.join(_SECONDS)
            self.assertFalse(thread.is_alive())

    def test_one_alone_is_written_at_once(self) -> None:
        self.go.set()
        group = Group(self.write)
        for name in 'ab':
            group.write(item(name))
        self.assertEqual([['a'], ['b']], self.batches)

    def test_those_that_come_during_a_write_are_the_next_batch(self) -> None:
        items = [item(name) for name in 'abcd']
        self.run_all(*items)
        self.assertEqual([['a'], ['b', 'c', 'd']], self.batches)
        self.assertTrue(all(one.recorded for one in items))

    def test_a_batch_has_a_limit(self) -> None:
        self.run_all(*map(item, 'abcdef'), most=2)
        self.assertEqual([['a'], ['b', 'c'], ['d', 'e'], ['f']], self.batches)

    def test_a_batch_has_a_limit_in_bytes(self) -> None:
        self.run_all(item('a'), item('b', 60), item('c', 50), item('d', 50), largest=100)
        self.assertEqual([['a'], ['b'], ['c', 'd']], self.batches)

    def test_who_finds_no_room_is_turned_away(self) -> None:
        group = Group(self.write, room=1)
        threads = self.start(group, item('a'), item('b'))
        late = item('c')
        group.write(late)
        self.assertFalse(late.recorded)
        self.go.set()
        for thread in threads:
            thread.join(_SECONDS)
        self.assertEqual([['a'], ['b']], self.batches)

    def test_a_writer_that_ends_by_an_error_leaves_nobody_waiting(self) -> None:
        def write(items: Sequence[Item]) -> None:
            self.write(items)
            raise KeyboardInterrupt

        group = Group(write)
        ends: list[str] = []

        def run(name: str) -> None:
            try:
                group.write(item(name))
            except KeyboardInterrupt:
                ends.append(name)

        threads = [threading.Thread(target=run, args=(name,), daemon=True) for name in 'ab']
        threads[0].start()
        self.assertTrue(self.held.wait(_SECONDS))
        threads[1].start()
        self.go.set()
        for thread in threads:
            thread.join(_SECONDS)
        self.assertEqual(['a', 'b'], ends)
