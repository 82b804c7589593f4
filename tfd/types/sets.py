# SPDX-License-Identifier: Apache-2.0
"""A set that remembers the order in which its elements came."""

from __future__ import annotations

import collections.abc
from collections.abc import Hashable, Iterable, Iterator
from typing import Any, Generic, TypeVar

__all__ = ['OrderedSet']

T = TypeVar('T', bound=Hashable)


class OrderedSet(collections.abc.Set[T], collections.abc.Hashable, Generic[T]):
    """An immutable set whose iteration order is that of first insertion. Equal to any set with the same elements."""

    __slots__ = ('_items',)

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._items: dict[T, None] = dict.fromkeys(items)

    @classmethod
    def _from_iterable(cls, it: Iterable[Any]) -> OrderedSet[Any]:
        return cls(it)

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return self._hash()

    def __repr__(self) -> str:
        return f'{type(self).__name__}({list(self._items)!r})'

    def copy(self) -> OrderedSet[T]:
        """Return a set with the same elements in the same order."""
        return type(self)(self._items)

    def union(self, *others: Iterable[T]) -> OrderedSet[T]:
        """Return these elements followed by those of the others."""
        merged = dict(self._items)
        for other in others:
            merged.update(dict.fromkeys(other))
        return type(self)(merged)

    def intersection(self, *others: Iterable[Any]) -> OrderedSet[T]:
        """Return the elements that are in all of the others too, in this set's order."""
        allowed = [set(other) for other in others]
        return type(self)(item for item in self._items if all(item in a for a in allowed))

    def difference(self, *others: Iterable[Any]) -> OrderedSet[T]:
        """Return the elements that are in none of the others, in this set's order."""
        refused: set[Any] = set().union(*others)
        return type(self)(item for item in self._items if item not in refused)

    def issubset(self, other: Iterable[Any]) -> bool:
        """Tell whether all these elements are in the other."""
        return self._items.keys() <= set(other)

    def issuperset(self, other: Iterable[Any]) -> bool:
        """Tell whether all elements of the other are in this."""
        return all(item in self._items for item in other)
