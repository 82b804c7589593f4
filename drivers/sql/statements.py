# SPDX-License-Identifier: Apache-2.0
"""Statements that are built and compiled once and then sent as text: the path of every step of every flow."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

__all__ = ['Prepared', 'Statements', 'upsert']


class Prepared:
    """A statement as text, and the order of its parameters where the database's client takes them by position."""

    __slots__ = ('_constants', '_order', '_text')

    def __init__(self, statement: sa.ClauseElement, dialect: sa.Dialect) -> None:
        # Values are text, numbers and None only, so nothing has to be converted on the way.
        compiled = statement.compile(dialect=dialect)
        self._text = str(compiled)
        self._order: Sequence[str] | None = getattr(compiled, 'positiontup', None)
        self._constants = {name: value for name, value in compiled.params.items() if value is not None}

    def run(self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run the statement for each of these rows of parameters; return how many rows of the table it met in all."""
        parameters = self._parameters(rows)
        result = connection.exec_driver_sql(self._text, parameters if len(parameters) > 1 else parameters[0])
        return result.rowcount

    def select(self, connection: sa.Connection, row: Mapping[str, Any]) -> sa.CursorResult[Any]:
        """Run a query."""
        return connection.exec_driver_sql(self._text, self._parameters((row,))[0])

    def send(self, dialect: sa.Dialect, cursor: Any, rows: Sequence[Mapping[str, Any]]) -> int:
        """Do what :meth:`run` does with a cursor of the client library."""
        parameters = self._parameters(rows)
        if len(parameters) > 1:
            dialect.do_executemany(cursor, self._text, parameters)
        else:
            dialect.do_execute(cursor, self._text, parameters[0])
        met: int = cursor.rowcount
        return met

    def _parameters(self, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        order = self._order
        if self._constants:
            rows = [{**self._constants, **row} for row in rows]
        if order is None:
            return list(rows)
        return [tuple([row[name] for name in order]) for row in rows]


class Statements:
    """Prepared statements, each made when it is first asked for. Safe to use from any thread."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Prepared] = {}

    def get(
        self, connection: sa.Connection | sa.Engine, key: Hashable, build: Callable[[sa.Dialect], sa.ClauseElement],
    ) -> Prepared:
        """Return the statement of this key.

        :param connection: compiled for its dialect, which knows its server's version by now.
        """
        found = self._known.get(key)
        if found is None:
            dialect = connection.dialect
            found = self._known[key] = Prepared(build(dialect), dialect)
        return found


def upsert(
    dialect: sa.Dialect, table: sa.Table, keys: Iterable[str], columns: Iterable[str]
) -> sa.ClauseElement:
    """Return a statement that inserts a row or, where the keys exist, gives these columns their new values.

    :param keys: the columns of a unique index; none, with no columns either, means whichever there is.
    :param columns: none of them leaves an existing row alone.
    """
    changed = list(columns)
    names = [column.name for column in table.c]
    binds = {name: sa.bindparam(name, type_=table.c[name].type) for name in names}
    if dialect.name == 'mysql':
        statement = mysql.insert(table).values(binds)
        key = next(iter(keys), names[0])
        return statement.on_duplicate_key_update(
            {name: statement.inserted[name] for name in changed} if changed else {key: table.c[key]})
    insert: Any = sqlite.insert if dialect.name == 'sqlite' else postgresql.insert
    made = insert(table).values(binds)
    if not changed:
        return made.on_conflict_do_nothing(index_elements=list(keys) or None)  # type: ignore[no-any-return]
    return made.on_conflict_do_update(  # type: ignore[no-any-return]
        index_elements=list(keys), set_={name: made.excluded[name] for name in changed})
