# SPDX-License-Identifier: Apache-2.0
"""The revisions of the schema: which a release knows, and which states of a database it can work with.

They are in two lines. *Expanding* revisions (``0001``, ``0002``, …) only add: a release that knows nothing of them
works on beside the one that brought them. *Contracting* ones (``c0003``, …) take away what the release that brought
them does not use any more, and have the number of the expanding revision that replaced it. So the names alone, also
those that a later release brings, say whether this one can work with a database.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable

from tfd_drivers.sql.database import REVISION

__all__ = ['HISTORY', 'History', 'Level']

_CONTRACTING = 'c'


@dataclasses.dataclass(frozen=True, slots=True)
class Level:
    """How far a database is, in both lines; None where nothing of a line is applied."""

    expanded: str | None = None
    contracted: str | None = None

    @classmethod
    def of(cls, revisions: Iterable[str]) -> Level:
        """Return the level of a database in which these revisions are the last ones."""
        found = sorted(revisions)
        return cls(
            max((name for name in found if not name.startswith(_CONTRACTING)), default=None),
            max((name for name in found if name.startswith(_CONTRACTING)), default=None))

    def __str__(self) -> str:
        return ' '.join(name for name in (self.expanded, self.contracted) if name is not None)


@dataclasses.dataclass(frozen=True, slots=True)
class History:
    """The revisions that a release ships.

    :ivar versions: the folder of their scripts.
    :ivar expand: the last expanding one; the release needs all of them.
    :ivar contract: the last contracting one, None before the first; the release can do with and without them.
    :ivar settled: the last contracting one of the release before.
    """

    versions: pathlib.Path
    expand: str
    contract: str | None = None
    settled: str | None = None

    def is_behind(self, level: Level) -> bool:
        """Tell whether a database lacks something that this release needs."""
        return (level.expanded or '') < self.expand

    def is_ahead(self, level: Level) -> bool:
        """Tell whether something was taken away from a database that this release needs."""
        return (level.contracted or '') > (self.contract or '')

    def expansion(self, level: Level) -> str | None:
        """Return up to which revision a database is to be expanded, None where nothing is to be done."""
        return self.expand if self.is_behind(level) else None

    def contraction(self, level: Level) -> str | None:
        """Return up to which revision it can be contracted when no earlier release runs any more."""
        return self.contract if (level.contracted or '') < (self.contract or '') else None

    def safe_contraction(self, level: Level) -> str | None:
        """Return up to which revision it can be contracted whoever runs.

        Those are this release and the one before, both of which can do without what that one did without; for a new
        database nobody runs.
        """
        if level.expanded is None:
            return self.contraction(level)
        return self.settled if (level.contracted or '') < (self.settled or '') else None


#: Of this release. When a release is made, ``settled`` becomes what ``contract`` is, before that gets a new value.
HISTORY = History(pathlib.Path(__file__).parent / 'migrations' / 'versions', REVISION)
