# SPDX-License-Identifier: Apache-2.0
"""The backend ``directory``: journal and logbooks over files."""

from __future__ import annotations

import json
import pathlib
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from tfd import exceptions
from tfd.persistence import codec as codecs
from tfd.persistence import logbooks, record
from tfd.persistence.sealing import Sealing
from tfd_drivers.directory import flows
from tfd_drivers.directory.files import Files, as_line
from tfd_drivers.directory.secrets import DirectorySecrets

__all__ = ['DirectoryBackend', 'DirectoryJournal']

_R = TypeVar('_R')

#: The folder of flows that are in no book: nothing that is quoted looks like it.
_NO_BOOK = '%none'


class DirectoryBackend:
    """Keeps logbooks in a directory, ``<path>/<book>/book`` and ``<path>/<book>/<flow>.flow``.

    Any number of threads, and of processes on one host, may share it. It knows no jobs: there is no fence, every entry
    that has one is refused, and nothing keeps two hosts with a common file system from disturbing each other. A book or
    flow is found by its name, an atom by reading every flow.

    :param conf: a mapping with ``path``, or with a URL such as ``dir:///var/lib/mine`` under ``connection``;
        ``secret_keys`` and ``secret_names`` beside it.
    :raises BadConfiguration: there is no path.
    """

    def __init__(self, conf: Mapping[str, Any]) -> None:
        path = conf.get('path') or urllib.parse.urlsplit(str(conf.get('connection', ''))).path
        if not isinstance(path, str | pathlib.PurePath) or not str(path).startswith('/'):
            raise exceptions.BadConfiguration('path', path or None, 'an absolute path of a directory')
        self._files = Files(pathlib.Path(path))
        self._journal = DirectoryJournal(self._files, Sealing.take(dict(conf)))

    def get_connection(self) -> logbooks.LogbookConnection:
        """Return a new connection."""
        return logbooks.LogbookConnection(_DirectoryStorage(self, self._files))

    def journal(self) -> DirectoryJournal:
        """Return the journal."""
        return self._journal

    def secrets(self) -> DirectorySecrets:
        """Return what encrypts stored secrets anew."""
        return DirectorySecrets(self._files, self._journal.codec.sealing)

    def close(self) -> None:
        """Let go of the directory. Calling it again does nothing."""
        self._files.close()


def _quoted(uuid: str) -> str:
    # Who records a flow may call it as they like; a dot could mean another folder.
    return urllib.parse.quote(uuid, safe='').replace('.', '%2E')


def _book_file(uuid: str) -> str:
    return f'{_quoted(uuid)}/book'


def _flow_file(files: Files, uuid: str) -> str | None:
    """Return the name of a flow's file, None where there is none."""
    found = files.names(f'*/{_quoted(uuid)}.flow')
    return found[0] if found else None


def _new_flow_file(flow: record.FlowRecord) -> str:
    return f'{_NO_BOOK if flow.book is None else _quoted(flow.book)}/{_quoted(flow.uuid)}.flow'


class DirectoryJournal:
    """A :class:`tfd.persistence.base.Journal` over files: a step is one line, which is there or not.

    A flow that was read is remembered as long as nobody else has changed its file.
    """

    def __init__(
        self, files: Files, sealing: Sealing | None = None, wall: Callable[[], float] = time.time
    ) -> None:
        self._files = files
        self._wall = wall
        self._codec = codecs.JsonCodec(keys=sealing)
        self._known: dict[str, tuple[str, flows.StoredFlow, tuple[int, int, int] | None]] = {}

    @property
    def codec(self) -> codecs.JsonCodec:
        """The codec of the value fields."""
        return self._codec

    def create(
        self, flow: record.FlowRecord, atoms: Sequence[record.AtomRecord], fence: record.Fence | None = None
    ) -> None:
        """Record a flow and its atoms, or the atoms that a recorded flow has not got yet."""
        _refuse(fence)
        now = self._wall()
        with self._files.alone():
            found = self._find(flow.uuid)
            if found is not None:
                self._append(*found, flows.creation(flow, atoms, now))
                return
            mine = replace(flow, created_at=flow.created_at or now, updated_at=now)
            changed: dict[str, bytes | None] = {_new_flow_file(flow): flows.StoredFlow(mine, atoms).whole()}
            if flow.book is not None and self._files.read(_book_file(flow.book)) is None:
                changed[_book_file(flow.book)] = flows.book_line(
                    record.BookRecord(flow.book, flow.name, created_at=now, updated_at=now))
            self._files.change(changed)

    def append(self, entry: record.Entry) -> None:
        """Record one step."""
        _refuse(entry.fence)
        with self._files.alone():
            found = self._find(entry.flow)
            if found is None or any(change.number not in found[1].atoms for change in entry.changes):
                raise exceptions.NotFound(f'no flow {entry.flow!r} is recorded, or not with all of its atoms')
            line = flows.step(entry, self._wall())
            if line:
                self._append(*found, line)

    def _append(self, name: str, stored: flows.StoredFlow, line: dict[str, Any]) -> None:
        self._known.pop(stored.flow.uuid, None)
        if stored.is_due():
            stored.apply(line)
            self._files.change({name: stored.whole()})
            return
        text = as_line(json.dumps(line, separators=(',', ':')))
        self._files.append(name, text)
        stored.apply(json.loads(text[9:]))
        self._known[stored.flow.uuid] = name, stored, self._files.mark(name)

    def _find(self, flow: str) -> tuple[str, flows.StoredFlow] | None:
        known = self._known.get(flow)
        if known is not None and self._files.mark(known[0]) == known[2]:
            return known[:2]
        name = _flow_file(self._files, flow)
        content = None if name is None else self._files.read(name)
        if name is None or content is None:
            return None
        stored = flows.StoredFlow.read(name, content)
        if stored.size < len(content):
            # The last line was being written when its writer died: it was never recorded.
            self._files.cut(name, stored.size)
        return name, stored

    def history(self, flow: str, after: int = 0, limit: int = 1000) -> Sequence[record.StepRecord]:
        """Return nothing: a directory knows no jobs, whose steps a history keeps."""
        return ()

    def load(self, flow: str) -> record.Snapshot:
        """Return all that is recorded of the flow."""
        with self._files.alone():
            self._known.pop(flow, None)
            found = self._find(flow)
        if found is None:
            raise exceptions.NotFound(f'no flow {flow!r} is recorded')
        return found[1].snapshot()


def _refuse(fence: record.Fence | None) -> None:
    if fence is not None:
        raise exceptions.OwnershipLost(fence.job, fence.epoch, 'a directory knows no jobs')


class _DirectoryStorage:
    """The directory's side of :class:`tfd.persistence.logbooks.LogbookConnection`."""

    def __init__(self, backend: DirectoryBackend, files: Files) -> None:
        self.backend = backend
        self.codec = backend.journal().codec
        self._files = files

    def run(self, work: Callable[[logbooks.Rows], _R], writing: bool) -> _R:
        """Run ``work``, and change at once whatever it changed."""
        with self._files.alone():
            rows = _DirectoryRows(self._files)
            result = work(rows)
            if rows.changed:
                self._files.change(rows.changed)
            return result

    def upgrade(self) -> None:
        """Make the directory."""
        with self._files.alone():
            pass

    def validate(self) -> str:
        """Check that the directory can be used."""
        self.upgrade()
        return ''


class _DirectoryRows:
    """The rows of one transaction: what it changes is in ``changed``, and read from there, until it is over."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.changed: dict[str, bytes | None] = {}

    def _read(self, name: str) -> bytes | None:
        return self.changed[name] if name in self.changed else self._files.read(name)

    def _names(self, pattern: str) -> list[str]:
        found = {*self._files.names(pattern), *(
            name for name in self.changed if pathlib.PurePath(name).match(pattern))}
        return sorted(name for name in found if self.changed.get(name, b'') is not None)

    def _stored(self, pattern: str) -> list[tuple[str, flows.StoredFlow]]:
        found = [(name, flows.StoredFlow.read(name, self._read(name) or b'')) for name in self._names(pattern)]
        return sorted(found, key=lambda item: (item[1].flow.created_at or 0.0, item[1].flow.uuid))

    def books(self, uuid: str | None = None) -> list[record.BookRecord]:
        names = self._names('*/book') if uuid is None else [_book_file(uuid)]
        found = [(name, self._read(name)) for name in names]
        books = [flows.book_of(name, content) for name, content in found if content is not None]
        return sorted(books, key=lambda book: (book.created_at or 0.0, book.uuid))

    def flows(self, book: str | None = None, uuid: str | None = None) -> list[record.FlowRecord]:
        pattern = f'*/{_quoted(uuid)}.flow' if uuid is not None else f'{_quoted(book or _NO_BOOK)}/*.flow'
        return [stored.flow for _, stored in self._stored(pattern)]

    def atoms(self, flow: str | None = None, uuid: str | None = None) -> list[record.AtomRecord]:
        pattern = '*/*.flow' if flow is None else f'*/{_quoted(flow)}.flow'
        atoms = [atom for _, stored in self._stored(pattern) for atom in stored.snapshot().atoms]
        return atoms if flow is not None else [atom for atom in atoms if atom.uuid == uuid]

    def claim(self, flow: str) -> tuple[str, str] | None:
        return None

    def put_book(self, book: record.BookRecord) -> None:
        self.changed[_book_file(book.uuid)] = flows.book_line(book)

    def put_flow(self, flow: record.FlowRecord) -> None:
        """Insert or replace a flow; one that comes into another book is moved."""
        found = self._stored(f'*/{_quoted(flow.uuid)}.flow')
        mine = _new_flow_file(flow)
        name, stored = found[0] if found else (mine, flows.StoredFlow(flow))
        if name != mine:
            self.changed[name] = None
        stored.flow = flow
        self.changed[mine] = stored.whole()

    def put_atoms(self, atoms: Sequence[record.AtomRecord]) -> None:
        for flow in {atom.flow for atom in atoms}:
            ((name, stored),) = self._stored(f'*/{_quoted(flow)}.flow')
            stored.atoms |= {atom.number: atom for atom in atoms if atom.flow == flow}
            self.changed[name] = stored.whole()

    def delete_book(self, uuid: str) -> None:
        for name in [*self._names(f'{_quoted(uuid)}/*.flow'), _book_file(uuid)]:
            self.changed[name] = None

    def clear(self) -> None:
        for name in [*self._names('*/*.flow'), *self._names('*/book')]:
            self.changed[name] = None
