# SPDX-License-Identifier: Apache-2.0
"""Who has conducted, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from tfd.jobs import record
from tfd_drivers.sql import tables
from tfd_drivers.sql.database import Database
from tfd_drivers.sql.statements import upsert

__all__ = ['SqlRoster', 'latest']


def latest(limit: int) -> sa.Select[Any]:
    """Return the query for those that were seen last: a range of an index, from its end."""
    seen = tables.conductors
    return sa.select(seen).order_by(seen.c.seen_at.desc(), seen.c.incarnation.desc()).limit(limit)


class SqlRoster:
    """A :class:`tfd.jobs.ports.Roster` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, seen: record.Incarnation) -> None:
        """Record an incarnation, or that it was seen again."""
        tables.check_lengths(tables.conductors, seen)
        row = asdict(seen)
        self._database.run(lambda connection: self._database.statements.get(
            connection, 'note conductor',
            lambda dialect: upsert(dialect, tables.conductors, ('incarnation',), ('seen_at',)),
        ).run(connection, (row,)))

    def latest(self, limit: int) -> Sequence[record.Incarnation]:
        """Return those that were seen last, the latest first."""
        rows = self._database.run(lambda connection: connection.execute(latest(limit)).all(), writing=False)
        return [record.Incarnation(*row) for row in rows]

    def forget(self, before: float, limit: int) -> int:
        """Remove those that were not seen since ``before``, the oldest first; return how many."""
        seen = tables.conductors
        query = sa.select(seen.c.incarnation).where(seen.c.seen_at < before).order_by(
            seen.c.seen_at, seen.c.incarnation).limit(limit)

        def work(connection: sa.Connection) -> int:
            """Find them first: not every database has a limit where it deletes."""
            # In the order of their keys: two of these wait for each other and do not deadlock.
            old = sorted(connection.scalars(query))
            if not old:
                return 0
            return connection.execute(
                sa.delete(seen).where(seen.c.incarnation.in_(old), seen.c.seen_at < before)).rowcount

        return self._database.run(work)
