# SPDX-License-Identifier: Apache-2.0
"""The logbook side of a backend, written once: a driver brings rows, this brings books, details and merging."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from tfd import exceptions
from tfd.persistence import base, details, models, record

__all__ = ['LogbookConnection', 'Rows', 'Storage']

_R = TypeVar('_R')


class Rows(Protocol):
    """The rows of books, flows and atoms, inside one transaction."""

    def books(self, uuid: str | None = None) -> Sequence[record.BookRecord]:
        """Return this book, or every book, oldest first."""

    def flows(self, book: str | None = None, uuid: str | None = None) -> Sequence[record.FlowRecord]:
        """Return the flows of a book, oldest first, or this flow."""

    def atoms(self, flow: str | None = None, uuid: str | None = None) -> Sequence[record.AtomRecord]:
        """Return the atoms of a flow, in the order of their numbers, or this atom."""

    def claim(self, flow: str) -> tuple[str, str] | None:
        """Return job and owner of a flow whose job is CLAIMED.

        A job of another state is kept from being claimed until the transaction ends.
        """

    def put_book(self, book: record.BookRecord) -> None:
        """Insert or replace a book."""

    def put_flow(self, flow: record.FlowRecord) -> None:
        """Insert or replace a flow."""

    def put_atoms(self, atoms: Sequence[record.AtomRecord]) -> None:
        """Insert or replace atoms, by flow and number."""

    def delete_book(self, uuid: str) -> None:
        """Remove a book, its flows, their atoms and what was decided in them."""

    def clear(self) -> None:
        """Remove every book, flow and atom that no job owns."""


class Storage(Protocol):
    """What a driver gives :class:`LogbookConnection`."""

    @property
    def backend(self) -> base.Backend:
        """The backend that this belongs to."""

    @property
    def codec(self) -> base.Codec:
        """The codec of what this stores."""

    def run(self, work: Callable[[Rows], _R], writing: bool) -> _R:
        """Run ``work`` in one transaction, committed where it returns; it may be run more than once."""

    def upgrade(self) -> None:
        """As :meth:`tfd.persistence.base.Connection.upgrade`."""

    def validate(self) -> str:
        """As :meth:`tfd.persistence.base.Connection.validate`."""


class LogbookConnection:
    """A :class:`tfd.persistence.base.Connection` over the rows of a driver. Each call is one transaction.

    A flow whose job is claimed is its owner's: here it may be given as it is stored, and is left alone then.
    """

    def __init__(self, storage: Storage, wall: Callable[[], float] = time.time) -> None:
        self._storage = storage
        self._codec = storage.codec
        self._wall = wall

    @property
    def backend(self) -> base.Backend:
        """The backend that made this connection."""
        return self._storage.backend

    def close(self) -> None:
        """Do nothing: connections to a database are taken from the backend's pool call by call."""

    def upgrade(self) -> None:
        """Bring the schema to this release's revision."""
        self._storage.upgrade()

    def validate(self) -> str:
        """Check that the backend can be used; return the revision of its schema."""
        return self._storage.validate()

    def clear_all(self) -> None:
        """Remove every logbook, flow and atom that no job owns."""
        self._storage.run(lambda rows: rows.clear(), writing=True)

    def _write(self, work: Callable[[Rows], _R]) -> _R:
        return self._storage.run(work, writing=True)

    def _read(self, work: Callable[[Rows], _R]) -> _R:
        return self._storage.run(work, writing=False)

    # -- books ---------------------------------------------------------------------------------------

    def save_logbook(self, book: models.LogBook) -> models.LogBook:
        """Store the book with its flow and atom details; flows that are stored already and not in it stay."""
        _check('a logbook', book, models.LogBook)
        return self._write(lambda rows: self._save_book(rows, book))

    def _save_book(self, rows: Rows, book: models.LogBook) -> models.LogBook:
        now = self._wall()
        stored = rows.books(book.uuid)
        mine = details.book_record(book, self._codec, stored[0] if stored else None)
        if stored:
            mine = replace(mine, name=stored[0].name, created_at=stored[0].created_at)
        rows.put_book(replace(mine, created_at=mine.created_at or now, updated_at=now if stored else None))
        for flow in book:
            known = rows.flows(uuid=flow.uuid)
            self._save_flow(rows, flow, known[0] if known else None, book.uuid, now)
        return self._book(rows, rows.books(book.uuid)[0], lazy=False)

    def _save_flow(
        self, rows: Rows, flow: models.FlowDetail, known: record.FlowRecord | None, book: str | None, now: float
    ) -> None:
        mine = details.flow_record(flow, book, self._codec, known)
        stored = rows.atoms(flow=flow.uuid) if known is not None else ()
        atoms = self._numbered(flow, stored)
        claim = rows.claim(flow.uuid)
        if known is not None:
            mine = replace(mine, name=known.name, digest=known.digest, created_at=known.created_at)
            if claim and replace(mine, updated_at=known.updated_at) == known and _are_in(atoms, stored):
                return
        if claim:
            raise exceptions.FlowOwned(flow.name, flow.uuid, *claim)
        rows.put_flow(replace(mine, created_at=mine.created_at or now, updated_at=now))
        rows.put_atoms(atoms)

    def _numbered(self, flow: models.FlowDetail, known: Sequence[record.AtomRecord]) -> list[record.AtomRecord]:
        """Return records of the flow's atoms: those that are known keep their numbers, the others get the next ones."""
        stored = {atom.uuid: atom for atom in known}
        following = max((atom.number for atom in known), default=-1) + 1
        result = []
        for atom in flow:
            found = stored.get(atom.uuid)
            number = following if found is None else found.number
            following += found is None
            mine = details.atom_record(atom, flow.uuid, number, self._codec, found)
            _check_kind(mine, mine.kind if found is None else found.kind)
            result.append(mine)
        return result

    def get_logbook(self, book_uuid: str, lazy: bool = False) -> models.LogBook:
        """Return a book, without its flow details where ``lazy``."""
        return self._read(lambda rows: self._book(rows, _one('logbook', book_uuid, rows.books(book_uuid)), lazy))

    def get_logbooks(self, lazy: bool = False) -> Iterator[models.LogBook]:
        """Yield every book."""
        yield from self._read(lambda rows: [self._book(rows, stored, lazy) for stored in rows.books()])

    def destroy_logbook(self, book_uuid: str) -> None:
        """Remove a book, its flows and their atoms."""
        def destroy(rows: Rows) -> None:
            _one('logbook', book_uuid, rows.books(book_uuid))
            for flow in rows.flows(book=book_uuid):
                if claim := rows.claim(flow.uuid):
                    raise exceptions.FlowOwned(flow.name, flow.uuid, *claim)
            rows.delete_book(book_uuid)

        self._write(destroy)

    # -- flows ---------------------------------------------------------------------------------------

    def get_flow_details(self, fd_uuid: str, lazy: bool = False) -> models.FlowDetail:
        """Return a flow detail, without its atoms where ``lazy``."""
        return self._read(lambda rows: self._flow(rows, _one('flow details', fd_uuid, rows.flows(uuid=fd_uuid)), lazy))

    def get_flows_for_book(self, book_uuid: str, lazy: bool = False) -> Iterator[models.FlowDetail]:
        """Yield the flow details of a book; nothing where there is no such book."""
        yield from self._read(lambda rows: [self._flow(rows, stored, lazy) for stored in rows.flows(book=book_uuid)])

    def update_flow_details(self, flow_detail: models.FlowDetail) -> models.FlowDetail:
        """Store state, metadata and atoms of a flow that exists."""
        _check('a flow detail', flow_detail, models.FlowDetail)
        return self._write(lambda rows: self._update_flow(rows, flow_detail))

    def _update_flow(self, rows: Rows, flow: models.FlowDetail) -> models.FlowDetail:
        known = _one('flow details', flow.uuid, rows.flows(uuid=flow.uuid))
        self._save_flow(rows, flow, known, known.book, self._wall())
        return self._flow(rows, rows.flows(uuid=flow.uuid)[0], lazy=False)

    # -- atoms ---------------------------------------------------------------------------------------

    def get_atom_details(self, ad_uuid: str) -> models.AtomDetail:
        """Return an atom detail."""
        found = self._read(lambda rows: _one('atom details', ad_uuid, rows.atoms(uuid=ad_uuid)))
        return details.shown_atom(found, self._codec)

    def get_atoms_for_flow(self, fd_uuid: str) -> Iterator[models.AtomDetail]:
        """Yield the atom details of a flow."""
        atoms = self._read(lambda rows: rows.atoms(flow=fd_uuid))
        yield from (details.shown_atom(atom, self._codec) for atom in atoms)

    def update_atom_details(self, atom_detail: models.AtomDetail) -> models.AtomDetail:
        """Store an atom that exists."""
        _check('an atom detail', atom_detail, models.AtomDetail)
        return self._write(lambda rows: self._update_atom(rows, atom_detail))

    def _update_atom(self, rows: Rows, atom: models.AtomDetail) -> models.AtomDetail:
        known = _one('atom details', atom.uuid, rows.atoms(uuid=atom.uuid))
        mine = replace(details.atom_record(atom, known.flow, known.number, self._codec, known), name=known.name)
        _check_kind(mine, known.kind)
        claim = rows.claim(known.flow)
        if claim and mine != known:
            (flow,) = rows.flows(uuid=known.flow)
            raise exceptions.FlowOwned(flow.name, flow.uuid, *claim)
        if not claim:
            rows.put_atoms([mine])
        return details.shown_atom(rows.atoms(uuid=atom.uuid)[0], self._codec)

    # -- from rows -----------------------------------------------------------------------------------

    def _book(self, rows: Rows, stored: record.BookRecord, lazy: bool) -> models.LogBook:
        flows: Iterable[record.FlowRecord] = () if lazy else rows.flows(book=stored.uuid)
        return details.logbook(stored, (self._flow(rows, flow, lazy=False) for flow in flows), self._codec)

    def _flow(self, rows: Rows, stored: record.FlowRecord, lazy: bool) -> models.FlowDetail:
        return details.flow_detail(stored, () if lazy else rows.atoms(flow=stored.uuid), self._codec)


def _check(what: str, value: Any, kind: type) -> None:
    """Check what is to be stored.

    :raises TypeError: it is something else.
    """
    if not isinstance(value, kind):
        raise TypeError(f'{what} can be stored here, not {value!r} ({type(value).__name__})')


def _check_kind(atom: record.AtomRecord, known: str) -> None:
    """Check that an atom is stored as what it was before.

    :raises NotImplementedError: it was stored as another kind (as TaskFlow's SQL backend).
    """
    if atom.kind != known:
        raise exceptions.NotImplementedError(
            f'atom {atom.name!r} ({atom.uuid}) is stored as a {known}, it cannot become a {atom.kind}')


def _are_in(atoms: Sequence[record.AtomRecord], stored: Sequence[record.AtomRecord]) -> bool:
    known = {atom.number: atom for atom in stored}
    return all(known.get(atom.number) == atom for atom in atoms)


def _one(what: str, uuid: str, found: Sequence[_R]) -> _R:
    """Return the only row.

    :raises NotFound: there is none.
    """
    if not found:
        raise exceptions.NotFound(f'no {what} found with UUID {uuid!r}')
    return found[0]
