# SPDX-License-Identifier: Apache-2.0
"""Between the record and the objects of :mod:`tfd.persistence.models`: the one place that knows both."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

from tfd import states
from tfd.persistence import base, models, record

__all__ = [
    'PROGRESS', 'atom_detail', 'atom_record', 'book_record', 'flow_detail', 'flow_record', 'logbook', 'shown_atom',
]

#: How far a task is that told nothing, by its state, as TaskFlow records it; tfd does not, for it follows.
PROGRESS: dict[str | None, float] = {
    states.SUCCESS: 1.0, states.REVERTED: 1.0,
    **dict.fromkeys((states.RUNNING, states.FAILURE, states.REVERTING, states.REVERT_FAILURE), 0.0)}

_KINDS: dict[str, type[models.AtomDetail]] = {'task': models.TaskDetail, 'retry': models.RetryDetail}


def _kind(detail: models.AtomDetail) -> str:
    return 'retry' if isinstance(detail, models.RetryDetail) else 'task'


def _encoded(codec: base.Codec, value: Any, what: str, known: Any, field: str) -> Any:
    """Return the stored form; None, and an empty collection of metadata or attempts, are stored as nothing."""
    if value is None:
        return None
    return codec.encode(value, what) if known is None else codec.renewed(value, what, getattr(known, field))


def _seconds(when: datetime.datetime | None) -> float | None:
    return None if when is None else when.replace(tzinfo=when.tzinfo or datetime.UTC).timestamp()


def _moment(seconds: float | None) -> datetime.datetime | None:
    return None if seconds is None else datetime.datetime.fromtimestamp(seconds, datetime.UTC).replace(tzinfo=None)


# -- to records ------------------------------------------------------------------------------------


def book_record(
    book: models.LogBook, codec: base.Codec, known: record.BookRecord | None = None
) -> record.BookRecord:
    """Return the record of a book.

    :param known: what is stored of it.

    :raises NotStorable: its metadata has no stored form.
    """
    return record.BookRecord(
        uuid=book.uuid, name=book.name,
        meta=_encoded(codec, book.meta or None, f'metadata of logbook {book.name!r}', known, 'meta'),
        created_at=_seconds(book.created_at), updated_at=_seconds(book.updated_at))


def flow_record(
    flow: models.FlowDetail, book: str | None, codec: base.Codec, known: record.FlowRecord | None = None
) -> record.FlowRecord:
    """Return the record of a flow detail, without its atoms.

    :param known: what is stored of it.

    :raises NotStorable: its metadata has no stored form.
    """
    return record.FlowRecord(
        uuid=flow.uuid, book=book, name=flow.name, state=flow.state,
        meta=_encoded(codec, flow.meta or None, f'metadata of flow {flow.name!r}', known, 'meta'))


def atom_record(
    atom: models.AtomDetail, flow: str, number: int, codec: base.Codec, known: record.AtomRecord | None = None
) -> record.AtomRecord:
    """Return the record of an atom detail.

    :param number: the atom's number in its flow.
    :param known: what is stored of it.
    :raises NotStorable: one of its values has no stored form.
    """
    who = f'{_kind(atom)} {atom.name!r}'
    results = atom.results
    if isinstance(atom, models.RetryDetail) and not results:
        results = None
    return record.AtomRecord(
        flow=flow, number=number, uuid=atom.uuid, name=atom.name, kind=_kind(atom),
        version='' if atom.version is None else str(atom.version),
        state=atom.state, intention=atom.intention,
        result=_encoded(codec, results, f'result of {who}', known, 'result'),
        failure=_encoded(codec, atom.failure, f'failure of {who}', known, 'failure'),
        revert_result=_encoded(codec, atom.revert_results, f'revert result of {who}', known, 'revert_result'),
        revert_failure=_encoded(codec, atom.revert_failure, f'revert failure of {who}', known, 'revert_failure'),
        meta=_encoded(codec, _own_meta(atom, codec, known) or None, f'metadata of {who}', known, 'meta'))


def _own_meta(atom: models.AtomDetail, codec: base.Codec, known: record.AtomRecord | None) -> dict[str, Any]:
    """Return metadata without the progress that :func:`shown_atom` has filled in."""
    if known is None or known.kind != 'task' or atom.meta.get('progress', -1) != PROGRESS.get(known.state):
        return atom.meta
    if 'progress' in (codec.decode(known.meta) or {}):
        return atom.meta
    return {key: value for key, value in atom.meta.items() if key != 'progress'}


# -- from records ----------------------------------------------------------------------------------


def logbook(stored: record.BookRecord, flows: Iterable[models.FlowDetail], codec: base.Codec) -> models.LogBook:
    """Return the book of this record, holding these flow details."""
    book = models.LogBook(stored.name, uuid=stored.uuid)
    for flow in flows:
        book.add(flow)
    book.meta = codec.decode(stored.meta) or {}
    book.created_at = _moment(stored.created_at)
    book.updated_at = _moment(stored.updated_at)
    return book


def flow_detail(stored: record.FlowRecord, atoms: Iterable[record.AtomRecord], codec: base.Codec) -> models.FlowDetail:
    """Return the flow detail of this record, holding details of these atoms."""
    flow = models.FlowDetail(stored.name, uuid=stored.uuid)
    flow.state = stored.state
    flow.meta = codec.decode(stored.meta) or {}
    for atom in atoms:
        flow.add(shown_atom(atom, codec))
    return flow


def shown_atom(stored: record.AtomRecord, codec: base.Codec) -> models.AtomDetail:
    """Return the detail of this record as it is shown: with the progress of a task that told none."""
    atom = atom_detail(stored, codec)
    if stored.kind == 'task' and 'progress' not in atom.meta and stored.state in PROGRESS:
        atom.meta['progress'] = PROGRESS[stored.state]
    return atom


def atom_detail(stored: record.AtomRecord, codec: base.Codec) -> models.AtomDetail:
    """Return the task detail or retry detail of this record."""
    atom = _KINDS[stored.kind](stored.name, uuid=stored.uuid)
    atom.state = stored.state
    atom.intention = stored.intention or states.EXECUTE
    atom.version = stored.version or None
    result = codec.decode(stored.result)
    atom.results = (result or []) if stored.kind == 'retry' else result
    atom.failure = codec.decode(stored.failure)
    atom.revert_results = codec.decode(stored.revert_result)
    atom.revert_failure = codec.decode(stored.revert_failure)
    atom.meta = codec.decode(stored.meta) or {}
    return atom
