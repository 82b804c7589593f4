# SPDX-License-Identifier: Apache-2.0
"""Tells those who registered for an event that it happened."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tfd.types import logger

__all__ = ['Listener', 'Notifier', 'RestrictedNotifier', 'register_deregister']

LOG = logger.LazyLogger(__name__)

Callback = Callable[..., Any]
DetailsFilter = Callable[[dict[str, Any]], bool]

#: So many events are known with those who hear of them: the names of events may be made up.
_MOST_EVENTS = 64
_NOBODY: Mapping[str, Any] = {}


class Listener:
    """A callback with its extra arguments and its filter on the details."""

    __slots__ = ('_args', '_callback', '_details_filter', '_kwargs', '_plain')

    def __init__(
        self, callback: Callback, args: Iterable[Any] | None = None, kwargs: Mapping[str, Any] | None = None,
        details_filter: DetailsFilter | None = None,
    ) -> None:
        self._callback = callback
        self._details_filter = details_filter
        self._args = tuple(args or ())
        self._kwargs = dict(kwargs or {})
        # The callback where it is called with the event and the details alone, and always; None where it is not.
        self._plain = callback if details_filter is None and not self._args and not self._kwargs else None

    @property
    def callback(self) -> Callback:
        """What is called, as ``callback(event, *args, details=details, **kwargs)``."""
        return self._callback

    @property
    def details_filter(self) -> DetailsFilter | None:
        """Called with the details first; where it returns something false the callback is left alone."""
        return self._details_filter

    @property
    def args(self) -> tuple[Any, ...]:
        """Extra positional arguments."""
        return self._args

    @property
    def kwargs(self) -> dict[str, Any]:
        """Extra keyword arguments, a copy."""
        return dict(self._kwargs)

    def __call__(self, event_type: str, details: dict[str, Any]) -> None:
        if self._details_filter is None or self._details_filter(details):
            self._callback(event_type, *self._args, details=details.copy(), **self._kwargs)

    def is_equivalent(self, callback: Callback, details_filter: DetailsFilter | None = None) -> bool:
        """Tell whether this listener has that callback and that filter."""
        return self._callback == callback and self._details_filter == details_filter

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Listener):
            return self.is_equivalent(other._callback, other._details_filter)
        return NotImplemented

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        extra = f' using details filter {self._details_filter!r}' if self._details_filter else ''
        return f'<Listener calling into {self._callback!r}{extra}>'


class _Topics(dict[str, tuple[Listener, ...]]):
    """Who listens, by event. Replaced, never changed.

    :ivar hearers: who is called at each event that has been notified of; known for these listeners only.
    """

    __slots__ = ('hearers',)

    def __init__(self, listeners: Mapping[str, tuple[Listener, ...]] = _NOBODY) -> None:
        super().__init__(listeners)
        self.hearers: dict[str, tuple[Listener, ...]] = {}


class Notifier:
    """Calls listeners: those of ANY first, then those of the very event, each in the order of registration.

    What a listener raises is logged and goes no further: observers cannot change what they observe.
    """

    #: Keyword arguments that a listener cannot have, because the notifier gives them.
    RESERVED_KEYS = ('details',)
    #: Registers for every event.
    ANY = '*'
    #: Events that are for those who registered for them by name only.
    _DISALLOWED_NOTIFICATION_EVENTS = frozenset((ANY,))

    def __init__(self) -> None:
        #: Who listens, by event: notify() walks what was registered when it began, without a lock.
        self.topics = _Topics()

    def __len__(self) -> int:
        return sum(len(listeners) for listeners in self.topics.values())

    def __bool__(self) -> bool:
        """Tell whether anybody listens."""
        return bool(self.topics)

    def is_registered(self, event_type: str, callback: Callback, details_filter: DetailsFilter | None = None) -> bool:
        """Tell whether the callback with that filter is registered for the event."""
        return any(one.is_equivalent(callback, details_filter) for one in self.topics.get(event_type, ()))

    def reset(self) -> None:
        """Forget every listener."""
        self.topics = _Topics()

    def notify(self, event_type: str, details: dict[str, Any]) -> None:
        """Call the listeners of the event with a copy of the details each; filters see the details themselves."""
        topics = self.topics
        if not topics:
            return
        hearers = topics.hearers.get(event_type)
        if hearers is None:
            hearers = self._find_hearers(topics, event_type)
        for listener in hearers:
            plain = listener._plain
            try:
                if plain is not None:
                    plain(event_type, details=details.copy())
                else:
                    listener(event_type, details)
            except Exception:
                LOG.warning(
                    'Failure calling listener %s to notify about event %s', listener, event_type, exc_info=True)

    def _find_hearers(self, topics: _Topics, event_type: str) -> tuple[Listener, ...]:
        """Return who is to be called, and keep that."""
        hearers: tuple[Listener, ...] = ()
        if self.can_trigger_notification(event_type):
            hearers = topics.get(self.ANY, ()) + topics.get(event_type, ())
        if len(topics.hearers) < _MOST_EVENTS:
            topics.hearers[event_type] = hearers
        return hearers

    def register(
        self, event_type: str, callback: Callback, args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None, details_filter: DetailsFilter | None = None,
    ) -> None:
        """Call ``callback(event_type, *args, details=…, **kwargs)`` at each such event from now on.

        :raises ValueError: the callback (or the filter) cannot be called, is registered already, or the event cannot be
            registered for.
        :raises KeyError: ``kwargs`` has a reserved key.
        :raises TypeError: ``args`` or ``kwargs`` is of another type.
        """
        if not callable(callback):
            raise ValueError(f'event callback must be callable, {callback!r} is not')
        if details_filter is not None and not callable(details_filter):
            raise ValueError(f'details filter must be callable, {details_filter!r} is not')
        if not self.can_be_registered(event_type):
            raise ValueError(f'disallowed event type {event_type!r} can not have a callback registered')
        if self.is_registered(event_type, callback, details_filter):
            raise ValueError(f'callback {callback!r} is already registered for {event_type!r} with that filter')
        try:
            listener = Listener(callback, args, kwargs, details_filter)
        except (TypeError, ValueError):
            raise TypeError(
                f'args and kwargs of an event callback must be a list and a mapping, not {args!r} and'
                f' {kwargs!r}') from None
        for key in self.RESERVED_KEYS:
            if kwargs and key in kwargs:
                raise KeyError(f'reserved key {key!r} not allowed in kwargs')
        self.topics = _Topics({**self.topics, event_type: (*self.topics.get(event_type, ()), listener)})

    def deregister(self, event_type: str, callback: Callback, details_filter: DetailsFilter | None = None) -> bool:
        """Forget a listener; tell whether it was registered."""
        listeners = self.topics.get(event_type, ())
        for at, listener in enumerate(listeners):
            if listener.is_equivalent(callback, details_filter):
                rest = listeners[:at] + listeners[at + 1:]
                topics = {**self.topics, event_type: rest}
                if not rest:
                    del topics[event_type]
                self.topics = _Topics(topics)
                return True
        return False

    def deregister_event(self, event_type: str) -> int:
        """Forget every listener of the event; return how many there were."""
        topics = dict(self.topics)
        gone = topics.pop(event_type, ())
        self.topics = _Topics(topics)
        return len(gone)

    def copy(self) -> Notifier:
        """Return a notifier with the same listeners."""
        return copy.copy(self)

    def listeners_iter(self) -> Iterator[tuple[str, list[Listener]]]:
        """Yield each event with its listeners."""
        for event_type, listeners in self.topics.items():
            yield event_type, list(listeners)

    def can_be_registered(self, event_type: str) -> bool:
        """Tell whether listeners may register for the event."""
        return True

    def can_trigger_notification(self, event_type: str) -> bool:
        """Tell whether the event may be notified of."""
        return event_type not in self._DISALLOWED_NOTIFICATION_EVENTS


class RestrictedNotifier(Notifier):
    """A notifier of a fixed set of events.

    :param watchable_events: the events.
    :param allow_any: whether listeners may register for ANY of them.
    """

    def __init__(self, watchable_events: Iterable[str], allow_any: bool = True) -> None:
        super().__init__()
        self._watchable_events = frozenset(watchable_events)
        self._allow_any = allow_any

    def events_iter(self) -> Iterator[str]:
        """Yield the events."""
        return iter(self._watchable_events)

    def can_be_registered(self, event_type: str) -> bool:
        """Tell whether listeners may register for the event."""
        return event_type in self._watchable_events or (self._allow_any and event_type == self.ANY)


@contextlib.contextmanager
def register_deregister(
    notifier: Notifier, event_type: str, callback: Callback | None = None, args: Iterable[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None, details_filter: DetailsFilter | None = None,
) -> Iterator[None]:
    """Register a listener for as long as a ``with`` statement lasts; without a callback nothing is registered.

    The arguments and errors are those of :meth:`Notifier.register`.
    """
    if callback is None:
        yield
        return
    notifier.register(event_type, callback, args=args, kwargs=kwargs, details_filter=details_filter)
    try:
        yield
    finally:
        notifier.deregister(event_type, callback, details_filter=details_filter)
