# SPDX-License-Identifier: Apache-2.0
"""Logbooks in the memory of one process: nothing survives it."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from tfd import exceptions
from tfd.persistence import logbooks, record
from tfd.persistence.sealing import Sealing

__all__ = ['Fences', 'MemoryBackend', 'MemoryJournal', 'ReferenceCodec']

_R = TypeVar('_R')


class ReferenceCodec:
    """Stores each value as the object itself: everything has a stored form, and nothing is copied.

    The price is the one promise of :class:`tfd.persistence.base.Codec` that it does not keep: a value that its owner
    changes later has changed in storage too, as it has for whoever else holds that object.
    """

    def __init__(self, sealing: Sealing | None = None) -> None:
        self._sealing = Sealing() if sealing is None else sealing

    @property
    def sealing(self) -> Sealing:
        """What is secret by its name; nothing is encrypted, because nothing leaves the process."""
        return self._sealing

    def encode(self, value: Any, what: str, secret: bool = False) -> Any:
        """Return the value itself."""
        return value

    def decode(self, stored: Any) -> Any:
        """Return the value itself."""
        return stored

    def renewed(self, value: Any, what: str, stored: Any) -> Any:
        """Return the value itself."""
        return self.encode(value, what)


class _CopyCodec(ReferenceCodec):
    """Stores and returns copies: a logbook's user cannot change what is stored. What cannot be copied is shared."""

    def encode(self, value: Any, what: str, secret: bool = False) -> Any:
        return self.decode(value)

    def decode(self, stored: Any) -> Any:
        try:
            return copy.deepcopy(stored)
        except Exception:
            return stored


class Fences(Protocol):
    """Whoever knows the jobs that own the flows: a job store in the same memory."""

    def guard(self, fence: record.Fence, progress: bool) -> None:
        """Count a write under this fence.

        :raises OwnershipLost: it does not hold.
        """

    def claim_on(self, flow: str) -> tuple[str, str] | None:
        """Return job and owner of a flow whose job is CLAIMED."""

    def settle(self, fence: record.Fence, settlement: record.Settlement, progress: bool = False) -> None:
        """Give the job back. Does nothing where this claim did so before.

        :raises OwnershipLost: the fence does not hold.
        """


class _Flow:
    """A flow's rows. An atom is the record that it was created with, and what changed since."""

    __slots__ = ('atoms', 'changed', 'decisions', 'record')

    def __init__(self, stored: record.FlowRecord) -> None:
        self.record = stored
        self.atoms: dict[int, record.AtomRecord] = {}
        self.changed: dict[int, dict[str, Any]] = {}
        self.decisions: dict[str, record.DecisionRecord] = {}

    def atom(self, number: int) -> record.AtomRecord:
        changed = self.changed.get(number)
        return replace(self.atoms[number], **changed) if changed else self.atoms[number]

    def all_atoms(self) -> list[record.AtomRecord]:
        return [self.atom(number) for number in sorted(self.atoms)]


class _Tables:
    """All rows, and the lock that makes each use of them one transaction."""

    def __init__(self, fences: Fences | None = None) -> None:
        self.fences = fences
        self.lock = threading.RLock()
        self.books: dict[str, record.BookRecord] = {}
        self.flows: dict[str, _Flow] = {}


class MemoryBackend:
    """Keeps logbooks in this object, and values as the objects that they are: it refuses none, as a database does.

    :param conf: ``secret_names``, and ``secret_keys`` that are not needed, as every backend takes them; the rest is
        ignored.
    :param fences: who checks the fences of entries that have one; without it every fence is lost.
    """

    def __init__(self, conf: Mapping[str, Any] | None = None, fences: Fences | None = None) -> None:
        self._tables = _Tables(fences)
        self._journal = MemoryJournal(self._tables, sealing=Sealing.take(dict(conf or {})))

    def get_connection(self) -> logbooks.LogbookConnection:
        """Return a new connection."""
        return logbooks.LogbookConnection(_MemoryStorage(self, self._tables))

    def journal(self) -> MemoryJournal:
        """Return the journal."""
        return self._journal

    def close(self) -> None:
        """Do nothing: what is stored goes when this object goes."""


class MemoryJournal:
    """A :class:`tfd.persistence.base.Journal` over rows in memory."""

    def __init__(
        self, tables: _Tables, wall: Callable[[], float] = time.time, sealing: Sealing | None = None
    ) -> None:
        self._tables = tables
        self._fences = tables.fences
        self._wall = wall
        self._codec = ReferenceCodec(sealing)

    @property
    def codec(self) -> ReferenceCodec:
        """The codec: values are kept as they are."""
        return self._codec

    def create(
        self, flow: record.FlowRecord, atoms: Sequence[record.AtomRecord], fence: record.Fence | None = None
    ) -> None:
        """Record a flow and its atoms, or the atoms that a recorded flow has not got yet."""
        with self._tables.lock:
            if fence is not None:
                self._guard(fence, progress=False)
            stored = self._put_flow(flow)
            for atom in atoms:
                stored.atoms.setdefault(atom.number, atom)

    def _put_flow(self, flow: record.FlowRecord) -> _Flow:
        now = self._wall()
        stored = self._tables.flows.get(flow.uuid)
        if stored is None:
            created = flow.created_at or now
            stored = self._tables.flows[flow.uuid] = _Flow(replace(flow, created_at=created, updated_at=now))
        else:
            stored.record = replace(stored.record, digest=flow.digest, meta=flow.meta, updated_at=now)
        if flow.book is not None and flow.book not in self._tables.books:
            self._tables.books[flow.book] = record.BookRecord(flow.book, flow.name, created_at=now, updated_at=now)
        return stored

    def append(self, entry: record.Entry) -> None:
        """Record one step."""
        with self._tables.lock:
            stored = self._tables.flows.get(entry.flow)
            if stored is None or any(change.number not in stored.atoms for change in entry.changes):
                raise exceptions.NotFound(f'no flow {entry.flow!r} is recorded, or not with all of its atoms')
            if entry.fence is not None:
                self._guard(entry.fence, entry.progresses, entry.settlement)
            self._apply(stored, entry)

    def _apply(self, stored: _Flow, entry: record.Entry) -> None:
        changed = stored.changed
        for change in entry.changes:
            row = changed.get(change.number)
            if row is None:
                row = changed[change.number] = {}
            row.update(zip(change.columns, change.values, strict=True))
        for decision in entry.decisions:
            if decision.answer:
                stored.decisions[decision.subject] = decision
            else:
                stored.decisions.pop(decision.subject, None)
        if entry.columns:
            fields = dict(zip(entry.columns, entry.values, strict=True))
            stored.record = replace(stored.record, updated_at=self._wall(), **fields)

    def _guard(
        self, fence: record.Fence, progress: bool, settlement: record.Settlement | None = None
    ) -> None:
        if self._fences is None:
            raise exceptions.OwnershipLost(fence.job, fence.epoch, 'this memory backend knows no jobs')
        if settlement is not None:
            self._fences.settle(fence, settlement, progress)
        else:
            self._fences.guard(fence, progress)

    def load(self, flow: str) -> record.Snapshot:
        """Return all that is recorded of the flow."""
        with self._tables.lock:
            stored = self._tables.flows.get(flow)
            if stored is None:
                raise exceptions.NotFound(f'no flow {flow!r} is recorded')
            return record.Snapshot(stored.record, stored.all_atoms(), list(stored.decisions.values()))

    def history(self, flow: str, after: int = 0, limit: int = 1000) -> Sequence[record.StepRecord]:
        """Return nothing: what is kept in memory is gone before anybody asks what had happened."""
        return ()


class _MemoryStorage:
    """The memory's side of :class:`tfd.persistence.logbooks.LogbookConnection`."""

    def __init__(self, backend: MemoryBackend, tables: _Tables) -> None:
        self.backend = backend
        self.codec = _CopyCodec(backend.journal().codec.sealing)
        self._tables = tables

    def run(self, work: Callable[[logbooks.Rows], _R], writing: bool) -> _R:
        """Run ``work``, and undo what it did where it raises."""
        with self._tables.lock:
            rows = _MemoryRows(self._tables)
            try:
                return work(rows)
            except BaseException:
                rows.undo()
                raise

    def upgrade(self) -> None:
        """Do nothing: there is no schema."""

    def validate(self) -> str:
        """Do nothing: memory can always be used."""
        return ''


class _MemoryRows:
    """Rows inside one transaction, with what undoes it."""

    def __init__(self, tables: _Tables) -> None:
        self._tables = tables
        self._undo: list[Callable[[], object]] = []

    def undo(self) -> None:
        for step in reversed(self._undo):
            step()

    def _set(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        if key in table:
            before = table[key]
            self._undo.append(lambda: table.__setitem__(key, before))
        else:
            self._undo.append(lambda: table.pop(key))
        table[key] = value

    def _remove(self, table: dict[Any, Any], key: Any) -> None:
        if key in table:
            before = table.pop(key)
            self._undo.append(lambda: table.__setitem__(key, before))

    def books(self, uuid: str | None = None) -> list[record.BookRecord]:
        if uuid is None:
            return list(self._tables.books.values())
        return [self._tables.books[uuid]] if uuid in self._tables.books else []

    def flows(self, book: str | None = None, uuid: str | None = None) -> list[record.FlowRecord]:
        if uuid is not None:
            return [self._tables.flows[uuid].record] if uuid in self._tables.flows else []
        return [flow.record for flow in self._tables.flows.values() if flow.record.book == book]

    def atoms(self, flow: str | None = None, uuid: str | None = None) -> list[record.AtomRecord]:
        """Return the atoms of a flow in the order of their numbers, or this atom: found by looking at all of them."""
        if flow is not None:
            return self._tables.flows[flow].all_atoms() if flow in self._tables.flows else []
        return [
            stored.atom(number) for stored in self._tables.flows.values()
            for number, atom in stored.atoms.items() if atom.uuid == uuid
        ]

    def claim(self, flow: str) -> tuple[str, str] | None:
        # Whoever claims it now loads it after this transaction.
        return self._tables.fences.claim_on(flow) if self._tables.fences is not None else None

    def put_book(self, book: record.BookRecord) -> None:
        self._set(self._tables.books, book.uuid, book)

    def put_flow(self, flow: record.FlowRecord) -> None:
        new = _Flow(flow)
        known = self._tables.flows.get(flow.uuid)
        if known is not None:
            new.atoms, new.changed, new.decisions = known.atoms, known.changed, known.decisions
        self._set(self._tables.flows, flow.uuid, new)

    def put_atoms(self, atoms: Sequence[record.AtomRecord]) -> None:
        for atom in atoms:
            flow = self._tables.flows[atom.flow]
            self._remove(flow.changed, atom.number)
            self._set(flow.atoms, atom.number, atom)

    def delete_book(self, uuid: str) -> None:
        for flow in self.flows(book=uuid):
            self._remove(self._tables.flows, flow.uuid)
        self._remove(self._tables.books, uuid)

    def clear(self) -> None:
        for flow in list(self._tables.flows):
            self._remove(self._tables.flows, flow)
        for book in list(self._tables.books):
            self._remove(self._tables.books, book)
