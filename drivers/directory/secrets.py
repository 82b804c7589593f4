# SPDX-License-Identifier: Apache-2.0
"""Secrets in the files of logbooks and flows: which keys encrypted them, and encrypting them anew file by file."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, TypeVar

from tfd.persistence import record
from tfd.persistence.base import SecretsBatch
from tfd.persistence.rotation import Rotation, check_keys
from tfd.persistence.sealing import Sealing
from tfd_drivers.directory import flows
from tfd_drivers.directory.files import Files

__all__ = ['DirectorySecrets']

_Record = TypeVar('_Record', record.BookRecord, record.FlowRecord, record.AtomRecord)


class DirectorySecrets:
    """A :class:`tfd.persistence.base.Secrets` over files. A batch is one file, whatever its size."""

    def __init__(self, files: Files, sealing: Sealing) -> None:
        self._files = files
        self._sealing = sealing

    def batches(self, size: int, rotate: bool) -> Iterator[SecretsBatch]:
        """Go through all files, and yield what each had."""
        check_keys(self._sealing, rotate)
        with self._files.alone():
            names = [*self._files.names('*/book'), *self._files.names('*/*.flow')]
        for name in names:
            yield self._batch(name, rotate)

    def _batch(self, name: str, rotate: bool) -> SecretsBatch:
        values = _Values(Rotation(self._sealing, rotate))
        with self._files.alone():
            content = self._files.read(name)
            # None: it was removed meanwhile.
            if content is not None:
                new = _book(name, content, values) if name.endswith('/book') else _flow(name, content, values)
                if values.changed:
                    self._files.change({name: new})
        return values.rotation.batch(values.changed)


class _Values:
    """Looks at the values of records.

    :ivar changed: how many are to be put in the place of others.
    """

    def __init__(self, rotation: Rotation) -> None:
        self.rotation = rotation
        self.changed = 0

    def renewed(self, item: _Record, where: str) -> _Record:
        """Return a record with what is to be in the place of its values."""
        new: dict[str, Any] = {}
        for field in dataclasses.fields(item):
            if field.name in record.VALUES:
                value = self.rotation.look(getattr(item, field.name), f'{field.name} of {where}')
                if value is not None:
                    new[field.name] = value
        self.changed += len(new)
        return dataclasses.replace(item, **new) if new else item


def _book(name: str, content: bytes, values: _Values) -> bytes:
    book = flows.book_of(name, content)
    return flows.book_line(values.renewed(book, f'logbook {book.uuid}'))


def _flow(name: str, content: bytes, values: _Values) -> bytes:
    stored = flows.StoredFlow.read(name, content)
    stored.flow = values.renewed(stored.flow, f'flow {stored.flow.uuid}')
    stored.atoms = {
        number: values.renewed(atom, f'atom {atom.name!r} of flow {stored.flow.uuid}')
        for number, atom in stored.atoms.items()}
    return stored.whole()
