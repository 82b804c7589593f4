# SPDX-License-Identifier: Apache-2.0
"""Members and locks as rows: a member lives until its lease ends, a lock is held as long as its owner lives.

Who lives is said by the database's clock alone. A lease that has ended is not renewed: its member is buried, with all
that it held, by whoever wants one of its locks, and every transaction of a member writes its own row first. So of a
member that still does something and a successor that takes it for dead, one waits for the other on that row, and then
sees what it did.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from tfd import exceptions
from tfd_drivers.sql.database import Database
from tfd_drivers.sql.statements import upsert
from tfd_drivers.sql.tables import board, locks, members

__all__ = ['Leases']

#: Seconds since 1970, as of the beginning of the statement: one that had to wait counts from before it waited.
_NOW = {
    'sqlite': "((julianday('now') - 2440587.5) * 86400.0)",
    'mysql': "(timestampdiff(MICROSECOND, '1970-01-01', utc_timestamp(6)) / 1e6)",
    'postgresql': 'extract(epoch FROM statement_timestamp())::double precision',
}
#: How many dead members are buried at once.
_FUNERALS = 20


class Leases:
    """The transactions of the lease coordinator. Each may be run twice without harm.

    :param lease: seconds.
    """

    def __init__(self, database: Database, lease: float) -> None:
        self._database = database
        self._lease = lease
        self._now: sa.ColumnElement[float] = sa.literal_column(
            _NOW[database.engine.dialect.name], sa.Double())

    def join(self, incarnation: str, info: str) -> None:
        """Record a new member, and bury those that have been dead for another lease."""
        def work(connection: sa.Connection) -> None:
            row = {'incarnation': incarnation, 'info': info, 'expires_at': self._now + self._lease}
            self._insert(connection, members, 'incarnation', row)
            dead = sa.select(members.c.incarnation).where(members.c.expires_at <= self._now - self._lease)
            for found in connection.scalars(dead.limit(_FUNERALS)).all():
                self._bury(connection, found)

        self._database.run(work)

    def renew(self, incarnation: str) -> bool:
        """Prolong a lease that has not ended; return whether it had not."""
        return self._database.run(lambda connection: self._lives_on(connection, incarnation))

    def leave(self, incarnation: str) -> None:
        """Remove a member and all that it holds."""
        def work(connection: sa.Connection) -> None:
            connection.execute(sa.delete(members).where(members.c.incarnation == incarnation))
            connection.execute(sa.delete(locks).where(locks.c.owner == incarnation))

        self._database.run(work)

    def living(self) -> frozenset[str]:
        """Return the members whose lease has not ended."""
        query = sa.select(members.c.incarnation).where(members.c.expires_at > self._now)
        return self._database.run(lambda connection: frozenset(connection.scalars(query)), writing=False)

    def take(self, incarnation: str, name: str) -> str | None:
        """Take a lock, or find that this member has it already; return the living member that holds it otherwise.

        :raises SessionLost: the lease has ended; nothing changes.
        """
        def work(connection: sa.Connection) -> str | None:
            if not self._lives_on(connection, incarnation):
                raise exceptions.SessionLost(f'the lease of {incarnation} has ended')
            owner = self._owner(connection, name)
            if owner not in (None, incarnation) and self._is_dead(connection, owner):
                self._bury(connection, owner)
                # Of a member that is not even listed nothing is left to be buried.
                unlisted = ~sa.exists().where(members.c.incarnation == owner)
                connection.execute(
                    sa.delete(locks).where(locks.c.name == name, locks.c.owner == owner, unlisted))
            self._insert(connection, locks, 'name', {'name': name, 'owner': incarnation})
            owner = self._owner(connection, name)
            return None if owner == incarnation else owner

        return self._database.run(work)

    def drop(self, incarnation: str, name: str) -> None:
        """Let go of a lock where this member lives and has it."""
        statement = sa.delete(locks).where(
            locks.c.name == name, locks.c.owner == incarnation,
            sa.exists().where(members.c.incarnation == incarnation, members.c.expires_at > self._now))
        self._database.run(lambda connection: connection.execute(statement).close())

    def holder(self, name: str) -> str | None:
        """Return the living member that holds a lock."""
        query = (
            sa.select(locks.c.owner).join(members, members.c.incarnation == locks.c.owner)
            .where(locks.c.name == name, members.c.expires_at > self._now))
        return self._database.run(lambda connection: connection.scalar(query), writing=False)

    def board_id(self, propose: str | None) -> str | None:
        """Return the board's id as the leases know it, after recording the proposed one where there was none."""
        query = sa.select(board.c.value).where(board.c.name == 'coordinator')

        def work(connection: sa.Connection) -> str | None:
            if propose is not None:
                self._insert(connection, board, 'name', {'name': 'coordinator', 'value': propose})
            return connection.scalar(query)

        return self._database.run(work, writing=propose is not None)

    def _lives_on(self, connection: sa.Connection, incarnation: str) -> bool:
        statement = (
            sa.update(members).values(expires_at=self._now + self._lease)
            .where(members.c.incarnation == incarnation, members.c.expires_at > self._now))
        return connection.execute(statement).rowcount == 1

    def _owner(self, connection: sa.Connection, name: str) -> str | None:
        return connection.scalar(sa.select(locks.c.owner).where(locks.c.name == name))

    def _is_dead(self, connection: sa.Connection, incarnation: str | None) -> bool:
        # Looks without a lock: two living members that want each other's locks would lock each other's rows.
        lives = sa.select(members.c.incarnation).where(
            members.c.incarnation == incarnation, members.c.expires_at > self._now)
        return connection.scalar(lives) is None

    def _bury(self, connection: sa.Connection, incarnation: str | None) -> None:
        """Remove a member whose lease has ended, and its locks; nothing happens where it was prolonged meanwhile."""
        buried = connection.execute(sa.delete(members).where(
            members.c.incarnation == incarnation, members.c.expires_at <= self._now))
        if buried.rowcount:
            connection.execute(sa.delete(locks).where(locks.c.owner == incarnation))

    def _insert(self, connection: sa.Connection, table: sa.Table, key: str, row: dict[str, Any]) -> None:
        """Insert a row unless there is one of that key, which stays as it is."""
        statement: Any = upsert(connection.dialect, table, (key,), ())
        connection.execute(statement.values(row))
