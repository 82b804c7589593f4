# SPDX-License-Identifier: Apache-2.0
"""A time to wait for, which can be cut short."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

__all__ = ['Timeout', 'convert_to_timeout']


class Timeout:
    """Some seconds to wait, unless :meth:`interrupt` is called, from any thread.

    :param value: seconds.
    :param event_factory: makes the event that is waited for.
    :raises ValueError: it is less than zero.
    """

    def __init__(self, value: float, event_factory: Callable[[], Any] = threading.Event) -> None:
        if value < 0:
            raise ValueError(f'a timeout must be zero or more seconds, not {value!r}')
        self._value = value
        self._event = event_factory()

    @property
    def value(self) -> float:
        """Seconds."""
        return self._value

    def interrupt(self) -> None:
        """End every wait, present and future ones, until :meth:`reset`."""
        self._event.set()

    def is_stopped(self) -> bool:
        """Tell whether it was interrupted."""
        return bool(self._event.is_set())

    def wait(self) -> None:
        """Return after that time, or when it is interrupted."""
        self._event.wait(self._value)

    def reset(self) -> None:
        """Make it so that it was not interrupted."""
        self._event.clear()


def convert_to_timeout(
    value: Any = None, default_value: Any = None, event_factory: Callable[[], Any] = threading.Event
) -> Timeout:
    """Return a timeout, made of seconds as a number or as text; a timeout as it is.

    :param default_value: taken where ``value`` is None.
    :raises ValueError: there is neither, or it is no number, or less than zero.
    """
    if value is None:
        value = default_value
    if isinstance(value, Timeout):
        return value
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        raise ValueError(f'a timeout must be a number of seconds, not {value!r}') from None
    return Timeout(seconds, event_factory=event_factory)
