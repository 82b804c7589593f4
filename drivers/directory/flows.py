# SPDX-License-Identifier: Apache-2.0
"""A flow as a file: what it was at first, then a line for each step; and a logbook as a file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

from tfd import exceptions
from tfd.persistence import record
from tfd_drivers.directory.files import as_line, whole_lines

__all__ = ['StoredFlow', 'book_line', 'book_of', 'creation', 'step']

_ATOM_FIELDS = tuple(field.name for field in dataclasses.fields(record.AtomRecord))
#: Steps after which a flow is written anew with the next one, where it has fewer atoms than that.
_STEPS = 200


class StoredFlow:
    """A flow's rows, as its file says.

    :ivar size: bytes of the file that are whole lines, when it was read.
    """

    def __init__(self, flow: record.FlowRecord, atoms: Iterable[record.AtomRecord] = ()) -> None:
        self.flow = flow
        self.atoms = {atom.number: atom for atom in atoms}
        self.decisions: dict[str, record.DecisionRecord] = {}
        self.size = 0
        self.steps = 0

    @classmethod
    def read(cls, name: str, content: bytes) -> StoredFlow:
        """Return the flow of a file.

        :raises StorageFailure: its first line is damaged.
        """
        found, size = whole_lines(content)
        if not found:
            raise exceptions.StorageFailure(f'the file {name} is damaged')
        first = json.loads(found[0])
        made = cls(record.FlowRecord(**first['flow']))
        made._add(first)
        for text in found[1:]:
            made.apply(json.loads(text))
        made.size = size
        return made

    def whole(self) -> bytes:
        """Return the file's content when it is written anew."""
        return as_line(json.dumps({
            'flow': asdict(self.flow), 'atoms': [_values(self.atoms[number]) for number in sorted(self.atoms)],
            'decisions': [[item.subject, item.attempt, item.answer] for item in self.decisions.values()],
        }, separators=(',', ':')))

    def is_due(self) -> bool:
        """Tell whether the steps since the last whole writing are worth to be put together."""
        return self.steps > max(_STEPS, len(self.atoms))

    def snapshot(self) -> record.Snapshot:
        """Return all of it."""
        return record.Snapshot(
            self.flow, [self.atoms[number] for number in sorted(self.atoms)], list(self.decisions.values()))

    def apply(self, step: dict[str, Any]) -> None:
        """Do what a line says: new atoms, changed atoms, decisions, fields of the flow."""
        self._add(step)
        for number, columns, values in step.get('changes', ()):
            self.atoms[number] = replace(self.atoms[number], **dict(zip(columns, values, strict=True)))
        if 'set' in step:
            self.flow = replace(self.flow, **step['set'])
        self.steps += 1

    def _add(self, step: dict[str, Any]) -> None:
        for values in step.get('atoms', ()):
            atom = record.AtomRecord(self.flow.uuid, *values)
            self.atoms.setdefault(atom.number, atom)
        for subject, attempt, answer in step.get('decisions', ()):
            if answer:
                self.decisions[subject] = record.DecisionRecord(self.flow.uuid, subject, attempt, answer)
            else:
                self.decisions.pop(subject, None)


def _values(atom: record.AtomRecord) -> list[Any]:
    return [getattr(atom, name) for name in _ATOM_FIELDS[1:]]


def creation(flow: record.FlowRecord, atoms: Sequence[record.AtomRecord], now: float) -> dict[str, Any]:
    """Return the line for a flow that is created again, with more atoms."""
    return {
        'atoms': [_values(atom) for atom in atoms],
        'set': {'digest': flow.digest, 'meta': flow.meta, 'updated_at': now}}


def step(entry: record.Entry, now: float) -> dict[str, Any]:
    """Return the line for a step."""
    line: dict[str, Any] = {}
    if entry.changes:
        line['changes'] = [[change.number, change.columns, change.values] for change in entry.changes]
    if entry.decisions:
        line['decisions'] = [[item.subject, item.attempt, item.answer] for item in entry.decisions]
    if entry.columns:
        line['set'] = {**dict(zip(entry.columns, entry.values, strict=True)), 'updated_at': now}
    return line


def book_line(book: record.BookRecord) -> bytes:
    """Return the content of a logbook's file."""
    return as_line(json.dumps(asdict(book)))


def book_of(name: str, content: bytes) -> record.BookRecord:
    """Return the logbook of a file.

    :raises StorageFailure: it is damaged.
    """
    found, _ = whole_lines(content)
    if not found:
        raise exceptions.StorageFailure(f'the file {name} is damaged')
    return record.BookRecord(**json.loads(found[0]))
