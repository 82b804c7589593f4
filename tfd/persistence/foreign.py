# SPDX-License-Identifier: Apache-2.0
"""Logbooks that another library recorded: what a driver that reads them gives."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Protocol

from tfd.persistence import models

__all__ = ['LeftOut', 'Source']


@dataclasses.dataclass(frozen=True, slots=True)
class LeftOut:
    """What cannot be read, and why.

    :ivar what: ``logbook``, ``metadata of logbook`` or ``flow``.
    """

    what: str
    name: str
    uuid: str
    why: str


class Source(Protocol):
    """Logbooks that another library recorded."""

    def read(self, book: str | None) -> Iterator[models.LogBook | LeftOut]:
        """Yield every book, or the one of this UUID, with its flows, and what had to be left out.

        Details are given as that library left them.

        :raises NotFound: there is no such book.
        :raises StorageUnavailable: they cannot be read now.
        :raises InvalidFormat: there are no logbooks of that library.
        """

    def close(self) -> None:
        """Let go of every connection."""
