# SPDX-License-Identifier: Apache-2.0
"""Values that are nobody's business: never printed, and known, so that they can be taken out of other texts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar

__all__ = ['MASK', 'Secret', 'Veil']

#: What is shown in the place of a secret.
MASK = '***'

#: What is shorter is found in too many texts that have nothing to do with it, in characters.
_SHORTEST = 4

_CONTAINERS = (list, tuple, set, frozenset)
_HARMLESS = (type(None), bool, int, float, complex)


class Secret:
    """Holds a value and shows ``***`` instead: in ``str``, ``repr``, formats, and whatever prints what it is in.

    Given to a flow as an input, or returned by a task, it is delivered as it is: a task asks it with :meth:`reveal`.
    It is encrypted where the flow is recorded. Two are equal where their values are; a secret never equals its value.
    :mod:`json` refuses it. It can be pickled, for a worker process: the pickle has the value.

    :param value: anything that can be recorded; that of another secret where one is given.
    :cvar made: whether there has been one in this process: until then, nobody looks for any.
    """

    __slots__ = ('_value',)

    made: ClassVar[bool] = False

    def __init__(self, value: Any) -> None:
        self._value = value.reveal() if isinstance(value, Secret) else value
        Secret.made = True

    def reveal(self) -> Any:
        """Return the value."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return bool(self._value == other._value)

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> tuple[type[Secret], tuple[Any]]:
        return Secret, (self._value,)


def _nobody(name: str) -> bool:
    return False


class Veil:
    """Takes what is secret in one flow out of texts and values that are to be shown.

    Known are the texts inside of secrets, of four characters or more, as they are and as Python and JSON quote them.

    :param is_named: tells of the name of an input, result or member of a dictionary whether its value is secret.
    """

    def __init__(self, is_named: Callable[[str], bool] = _nobody) -> None:
        self.is_named = is_named
        self._texts: set[str] = set()
        self._longest_first: list[str] = []

    def __bool__(self) -> bool:
        """Tell whether there is anything to hide."""
        return bool(self._texts) or self.is_named is not _nobody

    # -- what is known -----------------------------------------------------------------------------

    def learn(self, value: Any, named: bool = False) -> None:
        """Remember the texts of the secrets in a value.

        :param named: all of it is secret.
        """
        known = len(self._texts)
        seen: set[int] = set()
        left = [(value, named)]
        while left:
            item, hidden = left.pop()
            if isinstance(item, str):
                if hidden:
                    self._add(item)
            elif not isinstance(item, _HARMLESS) and id(item) not in seen:
                seen.add(id(item))
                left += self._inside(item, hidden)
        if len(self._texts) != known:
            self._longest_first = sorted(self._texts, key=len, reverse=True)

    def _inside(self, item: Any, hidden: bool) -> Iterator[tuple[Any, bool]]:
        """Yield what an item consists of, and whether that is secret."""
        if isinstance(item, Secret):
            yield item.reveal(), True
        elif isinstance(item, Mapping):
            for name, member in item.items():
                yield member, hidden or self._is_named(name)
        elif isinstance(item, _CONTAINERS):
            yield from ((member, hidden) for member in item)
        elif isinstance(item, bytes | bytearray):
            if hidden:
                yield bytes(item).decode(errors='replace'), True
        elif dataclasses.is_dataclass(item) and not isinstance(item, type):
            for field in dataclasses.fields(item):
                yield getattr(item, field.name, None), hidden or self._is_named(field.name)

    def _is_named(self, name: Any) -> bool:
        return isinstance(name, str) and self.is_named(name)

    def _add(self, text: str) -> None:
        if len(text) >= _SHORTEST:
            # In messages a value is often quoted; what is in the quotes may differ from the value then.
            self._texts |= {text, repr(text)[1:-1], json.dumps(text)[1:-1]}

    # -- what is shown -----------------------------------------------------------------------------

    def text(self, text: str) -> str:
        """Return a text with every secret in it masked."""
        for known in self._longest_first:
            if known in text:
                text = text.replace(known, MASK)
        return text

    def value(self, value: Any) -> Any:
        """Return a value that can be printed; the value itself where there is nothing to hide."""
        return self._shown(value) if self else value

    def _shown(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, (Secret, *_HARMLESS)):
            return value
        if isinstance(value, Mapping):
            return {
                self.argument(name): MASK if self._is_named(name) else self._shown(member)
                for name, member in value.items()}
        if type(value) in _CONTAINERS:
            return type(value)(self._shown_all(value))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            if any(self._is_named(field.name) for field in dataclasses.fields(value)):
                return MASK
        return self.argument(value)

    def _shown_all(self, values: Iterable[Any]) -> Iterator[Any]:
        return (self._shown(value) for value in values)

    def argument(self, value: Any) -> Any:
        """Return a value, or where its text has a secret in it that text, masked."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, _HARMLESS):
            return value
        try:
            told = repr(value)
        except Exception:
            return f'<{type(value).__name__} that cannot be printed>'
        masked = self.text(told)
        return value if masked == told else masked
