# SPDX-License-Identifier: Apache-2.0
"""Retries: atoms that decide what becomes of a flow when something in it failed."""

from __future__ import annotations

import abc
import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tfd import atom, exceptions
from tfd.types import failure as ft

__all__ = [
    'EXECUTE_REVERT_HISTORY', 'RETRY', 'REVERT', 'REVERT_ALL', 'REVERT_FLOW_FAILURES', 'AlwaysRevert',
    'AlwaysRevertAll', 'Decision', 'ForEach', 'ForEachBase', 'History', 'ParameterizedForEach', 'Retry', 'Times',
]


class Decision(enum.StrEnum):
    """What a retry answers to a failure in its flow."""

    #: Revert the flow that this retry controls, asking the retry around it first (whose RETRY wins).
    REVERT = 'REVERT'
    #: Revert everything.
    REVERT_ALL = 'REVERT_ALL'
    #: Revert the flow that this retry controls, then run it again.
    RETRY = 'RETRY'


REVERT = Decision.REVERT
REVERT_ALL = Decision.REVERT_ALL
RETRY = Decision.RETRY

#: Arguments that the engine gives to a retry.
EXECUTE_REVERT_HISTORY = 'history'
REVERT_FLOW_FAILURES = 'flow_failures'


class History(Sequence[tuple[Any, Mapping[str, ft.Failure]]]):
    """A retry's attempts, oldest first: pairs of what ``execute`` provided and the failures by atom name that followed.

    :param contents: the pairs.
    :param failure: the retry's own failure, where it failed itself.
    """

    def __init__(
        self, contents: Iterable[tuple[Any, Mapping[str, ft.Failure]]], failure: ft.Failure | None = None
    ) -> None:
        self._contents = list(contents)
        self._failure = failure

    @property
    def failure(self) -> ft.Failure | None:
        """The retry's own failure, or None."""
        return self._failure

    def __len__(self) -> int:
        return len(self._contents)

    def __getitem__(self, index: Any) -> Any:
        return self._contents[index]

    def __iter__(self) -> Iterator[tuple[Any, Mapping[str, ft.Failure]]]:
        return iter(self._contents)

    def outcomes_iter(self, index: int | None = None) -> Iterator[tuple[str, ft.Failure]]:
        """Yield ``(atom name, failure)`` of every attempt, or of one."""
        attempts = self._contents if index is None else [self._contents[index]]
        for _provided, outcomes in attempts:
            yield from outcomes.items()

    def provided_iter(self) -> Iterator[Any]:
        """Yield what ``execute`` provided, attempt by attempt."""
        for provided, _outcomes in self._contents:
            yield provided

    def caused_by(
        self, exception_cls: type[BaseException] | str, index: int | None = None, include_retry: bool = False
    ) -> bool:
        """Tell whether some failure was of this class.

        :param index: look at this attempt only.
        :param include_retry: look at the retry's own failure too.
        """
        if any(failure.check(exception_cls) for _name, failure in self.outcomes_iter(index)):
            return True
        return bool(include_retry and self._failure is not None and self._failure.check(exception_cls))

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self._contents!r}, failure={self._failure!r})'


class Retry(atom.Atom):
    """Decides what becomes of the flow that it was given to when something in it failed.

    ``execute`` runs before anything else of the flow, at every attempt; what it returns can be provided to the flow's
    atoms. All three methods are pure decisions: they may be called again after a crash, as long as their answer is not
    recorded.

    :param name: ``<flow name>_retry`` where it is not given.
    """

    _reserved = (EXECUTE_REVERT_HISTORY,)
    _revert_reserved = (EXECUTE_REVERT_HISTORY, REVERT_FLOW_FAILURES)

    def __init__(
        self, name: str | None = None, provides: Any = None, requires: atom.Names = None, auto_extract: bool = True,
        rebind: atom.Rebind = None,
    ) -> None:
        super().__init__(name, provides, requires, auto_extract, rebind)

    @abc.abstractmethod
    def execute(self, history: History, *args: Any, **kwargs: Any) -> Any:
        """Return what this attempt provides.

        :param history: the attempts so far; empty at the first.
        """

    def revert(self, history: History, *args: Any, **kwargs: Any) -> Any:
        """Undo what ``execute`` did.

        :param history: all attempts.
        """

    @abc.abstractmethod
    def on_failure(self, history: History, *args: Any, **kwargs: Any) -> Decision:
        """Return RETRY, REVERT or REVERT_ALL; called once for each failed atom, with the arguments of ``execute``.

        :param history: the attempts so far, the last one with the failures known now.
        """


class AlwaysRevert(Retry):
    """Reverts the flow that it controls."""

    def on_failure(self, *args: Any, **kwargs: Any) -> Decision:
        """Return REVERT."""
        return REVERT

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Provide nothing."""


class AlwaysRevertAll(Retry):
    """Reverts everything."""

    def on_failure(self, *args: Any, **kwargs: Any) -> Decision:
        """Return REVERT_ALL."""
        return REVERT_ALL

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Provide nothing."""


class Times(Retry):
    """Runs the flow up to ``attempts`` times, then reverts it; provides the number of the attempt, from 1.

    :param attempts: how often in all; 0 is once, as 1 is.
    :param revert_all: revert everything at the end, not only the flow that it controls.
    :raises TypeError, ValueError: ``attempts`` is no number, or less than 0.
    """

    def __init__(
        self, attempts: int = 1, name: str | None = None, provides: Any = None, requires: atom.Names = None,
        auto_extract: bool = True, rebind: atom.Rebind = None, revert_all: bool = False,
    ) -> None:
        if not isinstance(attempts, int | float):
            raise TypeError(f'attempts of a retry must be a number, not {attempts!r} ({type(attempts).__name__})')
        if not attempts >= 0:
            raise ValueError(f'attempts of a retry must be 0 at least, not {attempts}')
        super().__init__(name, provides, requires, auto_extract, rebind)
        self._attempts = attempts
        self._revert_action = REVERT_ALL if revert_all else REVERT

    def on_failure(self, history: History, *args: Any, **kwargs: Any) -> Decision:
        """Return RETRY while attempts are left."""
        return RETRY if len(history) < self._attempts else self._revert_action

    def execute(self, history: History, *args: Any, **kwargs: Any) -> Any:
        """Return the number of this attempt."""
        return len(history) + 1


class ForEachBase(Retry):
    """What the retries that try one value after another have in common."""

    def __init__(
        self, name: str | None = None, provides: Any = None, requires: atom.Names = None, auto_extract: bool = True,
        rebind: atom.Rebind = None, revert_all: bool = False,
    ) -> None:
        super().__init__(name, provides, requires, auto_extract, rebind)
        self._revert_action = REVERT_ALL if revert_all else REVERT

    def _get_next_value(self, values: Iterable[Any], history: History) -> Any:
        """Return the first value that was not tried yet, repeated values counting as several.

        :raises NotFound: all were tried.
        :raises TypeError: these are no values.
        """
        try:
            untried = list(values)
        except TypeError:
            # Without the value, which may be secret.
            raise TypeError(
                f'values of retry {self.name!r} must be iterable, not this {type(values).__name__}') from None
        for tried in history.provided_iter():
            if tried in untried:
                untried.remove(tried)
        if not untried:
            raise exceptions.NotFound(f'No elements left in collection of iterable retry controller {self.name}')
        return untried[0]

    def _decide(self, values: Iterable[Any], history: History) -> Decision:
        try:
            self._get_next_value(values, history)
        except exceptions.NotFound:
            return self._revert_action
        return RETRY


class ForEach(ForEachBase):
    """Runs the flow once for each value, until one succeeds; provides the value.

    :param values: the values; kept, not copied.
    :raises TypeError: they are not iterable.
    """

    def __init__(
        self, values: Iterable[Any], name: str | None = None, provides: Any = None, requires: atom.Names = None,
        auto_extract: bool = True, rebind: atom.Rebind = None, revert_all: bool = False,
    ) -> None:
        try:
            iter(values)
        except TypeError:
            raise TypeError(f'values of a retry must be iterable, not {values!r} ({type(values).__name__})') from None
        super().__init__(name, provides, requires, auto_extract, rebind, revert_all)
        self._values = values

    def on_failure(self, history: History, *args: Any, **kwargs: Any) -> Decision:
        """Return RETRY while values are left."""
        return self._decide(self._values, history)

    def execute(self, history: History, *args: Any, **kwargs: Any) -> Any:
        """Return the next value."""
        return self._get_next_value(self._values, history)


class ParameterizedForEach(ForEachBase):
    """As :class:`ForEach`, with the values taken from the symbol ``values`` (``rebind`` names another)."""

    def on_failure(self, values: Iterable[Any], history: History, *args: Any, **kwargs: Any) -> Decision:  # type: ignore[override]  # TaskFlow's signature
        """Return RETRY while values are left."""
        return self._decide(values, history)

    def execute(self, values: Iterable[Any], history: History, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]  # TaskFlow's signature
        """Return the next value."""
        return self._get_next_value(values, history)
