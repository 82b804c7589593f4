# SPDX-License-Identifier: Apache-2.0
"""Logbooks in the tables of TaskFlow 6.5, read as they are; nothing is written there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from tfd import exceptions, states
from tfd.persistence import models
from tfd.persistence.foreign import LeftOut
from tfd.types import failure as ft
from tfd_drivers.sql import errors
from tfd_drivers.sql.settings import Settings

__all__ = ['TaskFlowSource']

_BOOKS, _FLOWS, _ATOMS = 'logbooks', 'flowdetails', 'atomdetails'
_NEEDED = {
    _BOOKS: {'uuid', 'name', 'meta', 'created_at', 'updated_at'},
    _FLOWS: {'uuid', 'parent_uuid', 'name', 'state', 'meta'},
    _ATOMS: {'uuid', 'parent_uuid', 'name', 'atom_type', 'version', 'state', 'intention', 'results', 'failure',
             'revert_results', 'revert_failure', 'meta'},
}
_KINDS: dict[str, type[models.AtomDetail]] = {'TASK_DETAIL': models.TaskDetail, 'RETRY_DETAIL': models.RetryDetail}
#: Flows whose atoms are read at once: TaskFlow's table of them has no index that would find those of one.
_AT_ONCE = 200


class _Unreadable(Exception):
    """A row has something in it that has no meaning here."""


class TaskFlowSource:
    """A :class:`tfd.persistence.foreign.Source`.

    :param connection: the URL of the database.
    :raises BadConfiguration: it cannot be used.
    """

    def __init__(self, connection: str) -> None:
        self._settings = Settings.from_conf(connection)
        url = self._settings.url
        if url.get_backend_name() == 'sqlite' and not os.path.exists(url.database or ''):
            # Connecting would make the file.
            raise exceptions.BadConfiguration('connection', self._settings.place, 'a database that exists')
        self._engine = sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True)
        self._tables: dict[str, sa.Table] = {}

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    def read(self, book: str | None) -> Iterator[models.LogBook | LeftOut]:
        """Yield every book, or the one of this UUID, with its flows, and what had to be left out."""
        self._run(self._look)
        books = self._tables[_BOOKS]
        query = sa.select(books).order_by(books.c.created_at, books.c.uuid)
        if book is not None:
            query = query.where(books.c.uuid == book)
        rows = self._run(lambda connection: connection.execute(query).mappings().all())
        if book is not None and not rows:
            raise exceptions.NotFound(f'no logbook found with UUID {book!r} in {self._settings.place}')
        for row in rows:
            yield from self._book(row)

    def _run(self, work: Callable[[sa.Connection], Any]) -> Any:
        try:
            with self._engine.connect() as connection:
                return work(connection)
        except sa.exc.SQLAlchemyError as err:
            raise errors.translated(err, errors.judge(err), self._settings, "TaskFlow's") from err

    def _look(self, connection: sa.Connection) -> None:
        found = sa.inspect(connection)
        for name, needed in _NEEDED.items():
            known = {column['name'] for column in found.get_columns(name)} if found.has_table(name) else set()
            if not needed <= known:
                raise exceptions.InvalidFormat(
                    f'{self._settings.place} has no logbooks of TaskFlow 6.5: its table {name} lacks'
                    f' {sorted(needed - known)}')
        metadata = sa.MetaData()
        for name in _NEEDED:
            self._tables[name] = sa.Table(name, metadata, autoload_with=connection, resolve_fks=False)

    # -- from rows ---------------------------------------------------------------------------------

    def _book(self, row: Any) -> Iterator[models.LogBook | LeftOut]:
        book = models.LogBook(row['name'] or '', uuid=row['uuid'])
        try:
            book.meta = _mapping(row, 'meta')
        except _Unreadable as err:
            yield LeftOut('metadata of logbook', book.name, book.uuid, str(err))
        # The time of the last change is now.
        book.created_at = row['created_at'] or book.created_at
        flows = self._tables[_FLOWS]
        query = sa.select(flows).where(flows.c.parent_uuid == book.uuid).order_by(flows.c.created_at, flows.c.uuid)
        rows = self._run(lambda connection: connection.execute(query).mappings().all())
        for first in range(0, len(rows), _AT_ONCE):
            yield from self._fill(book, rows[first:first + _AT_ONCE])
        yield book

    def _fill(self, book: models.LogBook, rows: Sequence[Any]) -> Iterator[LeftOut]:
        atoms = self._tables[_ATOMS]
        query = sa.select(atoms).where(atoms.c.parent_uuid.in_([row['uuid'] for row in rows])).order_by(
            atoms.c.created_at, atoms.c.uuid)
        found: dict[str, list[Any]] = {}
        for atom in self._run(lambda connection: connection.execute(query).mappings().all()):
            found.setdefault(atom['parent_uuid'], []).append(atom)
        for row in rows:
            try:
                book.add(_flow(row, found.get(row['uuid'], ())))
            except _Unreadable as err:
                # Without a part of it, it could not be resumed.
                yield LeftOut('flow', row['name'] or '', row['uuid'], str(err))


def _flow(row: Any, atoms: Sequence[Any]) -> models.FlowDetail:
    flow = models.FlowDetail(row['name'] or '', uuid=row['uuid'])
    flow.state = row['state']
    flow.meta = _mapping(row, 'meta')
    names = set()
    for atom in atoms:
        if atom['name'] in names:
            raise _Unreadable(f'two atoms have the name {atom["name"]!r}')
        names.add(atom['name'])
        try:
            flow.add(_atom(atom))
        except _Unreadable as err:
            raise _Unreadable(f'atom {atom["name"]!r}: {err}') from err
    return flow


def _atom(row: Any) -> models.AtomDetail:
    kind = _KINDS.get(row['atom_type'])
    if kind is None:
        raise _Unreadable(f'it is of the unknown type {row["atom_type"]!r}')
    if row['intention'] not in states.INTENTIONS:
        raise _Unreadable(f'it has the unknown intention {row["intention"]!r}')
    atom = kind(row['name'], uuid=row['uuid'])
    atom.state, atom.intention, atom.version = row['state'], row['intention'], row['version']
    atom.meta = _mapping(row, 'meta')
    results = _value(row, 'results')
    atom.results = _history(results) if kind is models.RetryDetail else results
    atom.revert_results = _value(row, 'revert_results')
    atom.failure = _failure(_value(row, 'failure'), 'failure')
    atom.revert_failure = _failure(_value(row, 'revert_failure'), 'revert_failure')
    return atom


def _value(row: Any, column: str) -> Any:
    """Return what a column of JSON has in it."""
    stored = row[column]
    if stored is None or stored == '':
        return None
    try:
        return json.loads(stored)
    except (ValueError, TypeError) as err:
        raise _Unreadable(f'{column} is no JSON ({err})') from err


def _mapping(row: Any, column: str) -> dict[str, Any]:
    value = _value(row, column)
    if value is not None and not isinstance(value, dict):
        raise _Unreadable(f'{column} is a {type(value).__name__}, expected a dictionary')
    return value or {}


def _failure(stored: Any, column: str) -> ft.Failure | None:
    if stored is None:
        return None
    try:
        return ft.Failure.from_dict(stored)
    except Exception as err:
        raise _Unreadable(f'{column} is no failure of a known form ({type(err).__name__}: {err})') from err


def _history(stored: Any) -> list[tuple[Any, dict[str, ft.Failure]]]:
    """Return the attempts of a retry: what it provided, and how which atoms failed."""
    history = []
    try:
        for provided, failures in stored or ():
            history.append((provided, {
                name: ft.Failure.from_dict(failure) for name, failure in failures.items()}))
    except Exception as err:
        raise _Unreadable(f'results are no history of a known form ({type(err).__name__}: {err})') from err
    return history
