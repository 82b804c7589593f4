# SPDX-License-Identifier: Apache-2.0
"""How large a value may be, so that none is sent that the server refuses.

A server that gets a request larger than it takes closes the connection, as one that goes down does: it must be found
out before, or the same request is sent again for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tfd import exceptions

__all__ = ['Sizes']

#: Bytes that a request, or a row, has beside its large values, at most.
_FRAME = 65536


class Sizes:
    """The limits of one database. Safe to use from any thread.

    :param configured: bytes of the stored form of one value, at most, whatever the server takes.
    :param escaped: characters that take two bytes on their way to the server.
    """

    def __init__(self, configured: int, escaped: Sequence[str] = ()) -> None:
        self._configured = configured
        self._escaped = tuple(escaped)
        self._row: int | None = None
        self._value: int | None = None
        # What is shorter needs no further look.
        self._harmless = configured // 2

    def learn(self, request: int) -> None:
        """Take over what the server said when it was connected to.

        :param request: bytes that one request, or one row, can have there.
        """
        frame = min(_FRAME, request // 8)
        self._row = request - frame
        # Two values may go together: a result and metadata.
        self._value = (request - 2 * frame) // 2
        self._harmless = min(self._configured, self._value) // 2

    @property
    def request(self) -> int:
        """How many bytes one request can have; little, while the server has not been asked."""
        return self._row or _FRAME

    def excess(self, stored: str) -> tuple[int, int] | None:
        """Return bytes and limit of the stored form of a value that is too large, None for any other."""
        size = len(stored)
        if size <= self._harmless:
            return None
        if size > self._configured:
            return size, self._configured
        if self._value is None:
            return None
        size = self._sent(stored)
        return (size, self._value) if size > self._value else None

    def check_row(self, what: str, values: Iterable[Any]) -> None:
        """Check that a row can be sent; to be asked when it is connected.

        :param values: of its columns; ASCII, where they are text of any length.
        :raises TooLarge: it has too many bytes.
        """
        texts = [value for value in values if type(value) is str]
        limit = self._row
        if limit is None or sum(map(len, texts)) * 2 <= limit:
            return
        size = sum(map(self._sent, texts))
        if size > limit:
            raise exceptions.TooLarge(what, size, limit)

    def _sent(self, text: str) -> int:
        """Return how many bytes a text has on its way to the server."""
        return len(text) + sum(map(text.count, self._escaped))
