# SPDX-License-Identifier: Apache-2.0
"""Logbooks, flow details and atom details: what was recorded, as objects that their users can read and change.

They are plain values: nothing here stores anything. A running engine keeps columns, not objects; its flow detail
shows them through an :class:`AtomSource`, which makes details when somebody looks.
"""

from __future__ import annotations

import copy
import datetime
import uuid as uuidlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, Self

from tfd import exceptions, states
from tfd.types import failure as ft

__all__ = [
    'ATOM_TYPES', 'AtomDetail', 'AtomSource', 'FlowDetail', 'LogBook', 'RetryDetail', 'TaskDetail',
    'atom_detail_class', 'atom_detail_type',
]

_TIME_PARTS = ('year', 'month', 'day', 'hour', 'minute', 'second', 'microsecond')


class AtomSource(Protocol):
    """Shows the atoms of a flow that something else keeps, as details made on demand.

    A detail that is handed out is a copy: changing it changes nothing in the source.
    """

    def __len__(self) -> int:
        """Return how many atoms there are."""

    def __iter__(self) -> Iterator[AtomDetail]:
        """Yield a detail of each atom, in a stable order."""

    def find(self, uuid: str) -> AtomDetail | None:
        """Return a detail of the atom with this UUID, or None."""


def _new_uuid() -> str:
    return str(uuidlib.uuid4())


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


def _time_to_dict(when: datetime.datetime | None) -> dict[str, int] | None:
    return None if when is None else {part: getattr(when, part) for part in _TIME_PARTS}


def _time_from_dict(parts: Mapping[str, int] | None) -> datetime.datetime | None:
    if parts is None:
        return None
    year, month, day, hour, minute, second, microsecond = (parts[part] for part in _TIME_PARTS)
    return datetime.datetime(year, month, day, hour, minute, second, microsecond)


def _meta_lines(meta: Mapping[str, Any] | None) -> list[str]:
    if not meta:
        return []
    return [' - metadata:', *(f'   + {key} = {meta[key]}' for key in sorted(meta, key=str))]


class _Detail:
    """What every record has: a name, a UUID that is made when it is first asked for, and free metadata."""

    __slots__ = ('__weakref__', '_name', '_uuid', 'meta')

    def __init__(self, name: str, uuid: str | None = None) -> None:
        self._name = name
        self._uuid = uuid
        self.meta: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """The name."""
        return self._name

    @property
    def uuid(self) -> str:
        """The UUID, as text."""
        if self._uuid is None:
            self._uuid = _new_uuid()
        return self._uuid

    def pformat(self, indent: int = 0, linesep: str = '\n') -> str:
        """Return the record, and what it contains, as text for people.

        :param indent: how many spaces stand before each line.
        """
        return linesep.join(' ' * indent + line for line in self._lines())

    def _lines(self) -> list[str]:
        return [f'{type(self).__name__}: {self._name!r}', f' - uuid = {self.uuid}']

    def __repr__(self) -> str:
        return f'<{type(self).__name__} {self._name!r} {self.uuid}>'


class LogBook(_Detail):
    """A collection of flow details, kept under one name.

    :ivar created_at: when it was made or first stored (UTC, without a time zone), None where that is not known.
    :ivar updated_at: when a flow detail was last added to it; None where none was.
    """

    __slots__ = ('_flows', 'created_at', 'updated_at')

    def __init__(self, name: str, uuid: str | None = None) -> None:
        super().__init__(name, uuid)
        self._flows: dict[str, FlowDetail] = {}
        self.created_at: datetime.datetime | None = _now()
        self.updated_at: datetime.datetime | None = None

    def add(self, fd: FlowDetail) -> None:
        """Add a flow detail; one with the same UUID is replaced."""
        self._flows[fd.uuid] = fd
        self.updated_at = _now()

    def find(self, flow_uuid: str) -> FlowDetail | None:
        """Return the flow detail with this UUID, or None."""
        return self._flows.get(flow_uuid)

    def __iter__(self) -> Iterator[FlowDetail]:
        return iter(list(self._flows.values()))

    def __len__(self) -> int:
        return len(self._flows)

    def __bool__(self) -> bool:
        # A book without flows is a book all the same.
        return True

    def merge(self, lb: LogBook, deep_copy: bool = False) -> Self:
        """Take over the other book's metadata and times, and return this book; its flow details stay as they are."""
        if lb is self:
            return self
        if lb.meta != self.meta:
            self.meta = copy.deepcopy(lb.meta) if deep_copy else lb.meta
        if lb.created_at is not None:
            self.created_at = lb.created_at
        if lb.updated_at is not None:
            self.updated_at = lb.updated_at
        return self

    def copy(self, retain_contents: bool = True) -> LogBook:
        """Return a book with the same fields that shares its flow details with this one, or has none of them."""
        clone = copy.copy(self)
        clone._uuid = self.uuid
        clone.meta = dict(self.meta)
        clone._flows = dict(self._flows) if retain_contents else {}
        return clone

    def to_dict(self, marshal_time: bool = False) -> dict[str, Any]:
        """Return the fields as a dictionary, without the flow details.

        :param marshal_time: give times as dictionaries of integers, not as datetime objects.
        """
        created, updated = self.created_at, self.updated_at
        return {
            'name': self.name, 'meta': self.meta, 'uuid': self.uuid,
            'created_at': _time_to_dict(created) if marshal_time else created,
            'updated_at': _time_to_dict(updated) if marshal_time else updated,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], unmarshal_time: bool = False) -> Self:
        """Return the book that :meth:`to_dict` described."""
        book = cls(data['name'], uuid=data['uuid'])
        convert = _time_from_dict if unmarshal_time else lambda when: when
        book.created_at = convert(data['created_at'])
        book.updated_at = convert(data['updated_at'])
        book.meta = _fixed_meta(data)
        return book

    def _lines(self) -> list[str]:
        lines = [*super()._lines(), *_meta_lines(self.meta)]
        for field in ('created_at', 'updated_at'):
            when = getattr(self, field)
            lines.append(f' - {field} = {when.isoformat() if when is not None else None}')
        for flow in self:
            lines += [' ' + line for line in flow._lines()]
        return lines


def _fixed_meta(data: Mapping[str, Any]) -> dict[str, Any]:
    return data.get('meta') or {}


class FlowDetail(_Detail):
    """A flow: its state, its metadata, and the details of its atoms.

    Atoms come from two places: those that were :meth:`add`-ed, and, while an engine runs the flow, those of the
    source that it attached. An added detail hides one of the source with the same UUID.

    :ivar state: the flow's state, None before the first run.
    """

    __slots__ = ('_atoms', '_source', 'state')

    def __init__(self, name: str, uuid: str | None = None) -> None:
        super().__init__(name, uuid)
        self._atoms: dict[str, AtomDetail] = {}
        self._source: AtomSource | None = None
        self.state: str | None = None

    def attach(self, source: AtomSource | None) -> None:
        """Show the atoms of this source from now on, live; None takes the present one away. It is not copied."""
        self._source = source

    @property
    def source(self) -> AtomSource | None:
        """What was attached, or None."""
        return self._source

    def add(self, ad: AtomDetail) -> None:
        """Add an atom detail; one with the same UUID is replaced, but for one that the attached source shows."""
        self._atoms[ad.uuid] = ad

    def find(self, ad_uuid: str) -> AtomDetail | None:
        """Return the atom detail with this UUID, or None."""
        found = self._source.find(ad_uuid) if self._source is not None else None
        return self._atoms.get(ad_uuid) if found is None else found

    def __iter__(self) -> Iterator[AtomDetail]:
        added = list(self._atoms.values())
        if self._source is None:
            return iter(added)
        return self._chained(added, self._source)

    def _chained(self, added: list[AtomDetail], source: AtomSource) -> Iterator[AtomDetail]:
        for detail in added:
            yield source.find(detail.uuid) or detail
        for detail in source:
            if detail.uuid not in self._atoms:
                yield detail

    def __len__(self) -> int:
        if self._source is None:
            return len(self._atoms)
        if not self._atoms:
            return len(self._source)
        hidden = sum(self._source.find(uuid) is not None for uuid in self._atoms)
        return len(self._atoms) + len(self._source) - hidden

    def __bool__(self) -> bool:
        # A flow without atoms is a flow all the same.
        return True

    def update(self, fd: FlowDetail) -> Self:
        """Take over everything that the other detail has, its atoms included, and return this one."""
        if fd is self:
            return self
        self._atoms = {atom.uuid: atom for atom in fd}
        self.state = fd.state
        self.meta = fd.meta
        return self

    def merge(self, fd: FlowDetail, deep_copy: bool = False) -> Self:
        """Take over the other detail's state and metadata, and return this one; its atoms stay as they are."""
        if fd is self:
            return self
        if fd.meta != self.meta:
            self.meta = copy.deepcopy(fd.meta) if deep_copy else fd.meta
        self.state = fd.state
        return self

    def copy(self, retain_contents: bool = True) -> FlowDetail:
        """Return a detail with the same fields that shares its atoms with this one, or has none of them."""
        clone = copy.copy(self)
        clone._uuid = self.uuid
        clone.meta = dict(self.meta)
        clone._atoms = dict(self._atoms) if retain_contents else {}
        clone._source = self._source if retain_contents else None
        return clone

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dictionary, without the atoms."""
        return {'name': self.name, 'meta': self.meta, 'state': self.state, 'uuid': self.uuid}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the flow detail that :meth:`to_dict` described."""
        flow = cls(data['name'], data['uuid'])
        flow.state = data.get('state')
        flow.meta = _fixed_meta(data)
        return flow

    def _lines(self) -> list[str]:
        lines = [*super()._lines(), f' - state = {self.state}', *_meta_lines(self.meta)]
        for atom in self:
            lines += [' ' + line for line in atom._lines()]
        return lines


class AtomDetail(_Detail):
    """What is recorded of one task or retry; use :class:`TaskDetail` and :class:`RetryDetail`.

    :ivar state: the atom's state, None before it was prepared.
    :ivar intention: what is to happen to it (``EXECUTE``, ``REVERT``, …).
    :ivar results: what ``execute`` returned; of a retry, its history.
    :ivar failure: how ``execute`` failed, None where it did not.
    :ivar revert_results: what ``revert`` returned.
    :ivar revert_failure: how ``revert`` failed, None where it did not.
    :ivar version: the atom's version as text, None where it is not known.
    """

    __slots__ = ('failure', 'intention', 'results', 'revert_failure', 'revert_results', 'state', 'version')

    #: The fields that :meth:`update` and :meth:`merge` take over, ``meta`` apart.
    _FIELDS = ('state', 'intention', 'version', 'results', 'failure', 'revert_results', 'revert_failure')

    def __init__(self, name: str, uuid: str | None = None) -> None:
        super().__init__(name, uuid)
        self.state: str | None = None
        self.intention: str = states.EXECUTE
        self.version: Any = None
        self.results: Any = None
        self.failure: ft.Failure | None = None
        self.revert_results: Any = None
        self.revert_failure: ft.Failure | None = None

    @property
    def last_results(self) -> Any:
        """What the latest ``execute`` returned."""
        return self.results

    def put(self, state: str, result: Any) -> bool:
        """Go to ``state``, keeping ``result`` where that state says it belongs.

        :param result: what was returned (SUCCESS, REVERTED) or a Failure (FAILURE, REVERT_FAILURE); left aside
            otherwise.
        :returns: whether anything changed.
        """
        before = self._values()
        self.state = state
        if state == states.FAILURE:
            self._failed(result)
        elif state == states.SUCCESS:
            self._succeeded(result)
        elif state == states.REVERTED:
            self.revert_results, self.revert_failure = result, None
        elif state == states.REVERT_FAILURE:
            self.revert_results, self.revert_failure = None, result
        return not _same(before, self._values())

    def _failed(self, failure: ft.Failure) -> None:
        raise NotImplementedError

    def _succeeded(self, result: Any) -> None:
        raise NotImplementedError

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, field) for field in self._FIELDS)

    def reset(self, state: str) -> None:
        """Go to ``state`` and forget results and failures; metadata and version stay."""
        self.state = state
        self.intention = states.EXECUTE
        self.results = None
        self.failure = None
        self.revert_results = None
        self.revert_failure = None

    def update(self, ad: AtomDetail) -> Self:
        """Take over everything that the other detail has, and return this one."""
        if ad is self:
            return self
        for field in self._FIELDS:
            setattr(self, field, getattr(ad, field))
        self.meta = ad.meta
        return self

    def merge(self, other: AtomDetail, deep_copy: bool = False) -> Self:
        """Take over the other detail's fields, as copies where ``deep_copy``, and return this one.

        A failure that says the same as the one that is here stays: it may still hold the exception object.

        :raises NotImplementedError: the other detail is of another kind.
        """
        if other is self:
            return self
        if type(other) is not type(self):
            raise exceptions.NotImplementedError(
                f'a {type(self).__name__} cannot be merged with a {type(other).__name__}')
        convert: Callable[[Any], Any] = copy.deepcopy if deep_copy else _itself
        for field in self._FIELDS:
            mine, theirs = getattr(self, field), getattr(other, field)
            if isinstance(mine, ft.Failure) and mine.matches(theirs):
                continue
            setattr(self, field, convert(theirs))
        if other.meta != self.meta:
            self.meta = convert(other.meta)
        return self

    def copy(self) -> Self:
        """Return a detail with the same fields; its metadata is its own, what that contains is shared."""
        clone = copy.copy(self)
        clone._uuid = self.uuid
        clone.meta = dict(self.meta)
        return clone

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dictionary, failures as dictionaries too."""
        return {
            'name': self.name, 'uuid': self.uuid, 'meta': self.meta, 'state': self.state,
            'intention': self.intention, 'version': self.version, 'results': self._results_to_dict(),
            'failure': _failure_to_dict(self.failure), 'revert_results': self.revert_results,
            'revert_failure': _failure_to_dict(self.revert_failure),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the atom detail that :meth:`to_dict` described."""
        atom = cls(data['name'], data['uuid'])
        atom.state = data.get('state')
        atom.intention = data.get('intention') or states.EXECUTE
        atom.version = data.get('version')
        atom.results = atom._results_from_dict(data.get('results'))
        atom.failure = _failure_from_dict(data.get('failure'))
        atom.revert_results = data.get('revert_results')
        atom.revert_failure = _failure_from_dict(data.get('revert_failure'))
        atom.meta = _fixed_meta(data)
        return atom

    def _results_to_dict(self) -> Any:
        return self.results

    def _results_from_dict(self, stored: Any) -> Any:
        return stored

    def _lines(self) -> list[str]:
        return [
            *super()._lines(), f' - state = {self.state}', f' - version = {self.version}',
            f' - results = {self.results}', f' - failure = {self.failure is not None}', *_meta_lines(self.meta),
        ]


def _itself(value: Any) -> Any:
    return value


def _same(before: tuple[Any, ...], after: tuple[Any, ...]) -> bool:
    """Compare values that may be anything: an object that cannot be compared counts as changed."""
    try:
        return bool(before == after)
    except Exception:
        return False


def _failure_to_dict(failure: ft.Failure | None) -> Any:
    return None if failure is None else failure.to_dict()


def _failure_from_dict(stored: Any) -> ft.Failure | None:
    if stored is None or isinstance(stored, ft.Failure):
        return stored
    return ft.Failure.from_dict(stored)


class TaskDetail(AtomDetail):
    """What is recorded of a task: ``results`` is what its latest ``execute`` returned."""

    __slots__ = ()

    def _failed(self, failure: ft.Failure) -> None:
        self.results, self.failure = None, failure

    def _succeeded(self, result: Any) -> None:
        self.results, self.failure = result, None


class RetryDetail(AtomDetail):
    """What is recorded of a retry: ``results`` is its history, (value, {atom name: Failure}), oldest first."""

    __slots__ = ()

    def __init__(self, name: str, uuid: str | None = None) -> None:
        super().__init__(name, uuid)
        self.results = []

    @property
    def last_results(self) -> Any:
        """The value of the latest attempt.

        :raises NotFound: there was none yet.
        """
        return self._last(0)

    @property
    def last_failures(self) -> dict[str, ft.Failure]:
        """The failures of the latest attempt, by atom name.

        :raises NotFound: there was none yet.
        """
        failures: dict[str, ft.Failure] = self._last(1)
        return failures

    def _last(self, index: int) -> Any:
        if not self.results:
            raise exceptions.NotFound(f'retry {self.name!r} has made no attempt yet')
        return self.results[-1][index]

    def _failed(self, failure: ft.Failure) -> None:
        self.failure = failure

    def _succeeded(self, result: Any) -> None:
        # A new list: what was compared, or handed out, before must not change.
        self.results = [*self.results, (result, {})]
        self.failure = None

    def reset(self, state: str) -> None:
        """Go to ``state`` with an empty history."""
        super().reset(state)
        self.results = []

    def update(self, ad: AtomDetail) -> Self:
        """Take over everything that the other detail has, and return this one; the history is copied."""
        if ad is not self:
            super().update(ad)
            self.results = _history_copy(self.results)
        return self

    def merge(self, other: AtomDetail, deep_copy: bool = False) -> Self:
        """Take over the other's fields and return this one; the history is copied, its values where ``deep_copy``."""
        if other is not self:
            super().merge(other, deep_copy=deep_copy)
            self.results = _history_copy(self.results)
        return self

    def copy(self) -> Self:
        """Return a detail with the same fields and a history of its own."""
        clone = super().copy()
        clone.results = _history_copy(self.results)
        return clone

    def _results_to_dict(self) -> Any:
        return [
            (value, {name: _failure_to_dict(failure) for name, failure in failures.items()})
            for value, failures in self.results
        ]

    def _results_from_dict(self, stored: Any) -> Any:
        return [
            (value, {name: _failure_from_dict(failure) for name, failure in failures.items()})
            for value, failures in stored or ()
        ]


def _history_copy(history: Any) -> list[tuple[Any, dict[str, ft.Failure]]]:
    return [(value, dict(failures)) for value, failures in history or ()]


#: Names of the kinds of atom details, as they are written down.
ATOM_TYPES = ('RETRY_DETAIL', 'TASK_DETAIL')

_CLASSES: dict[str, type[AtomDetail]] = {'RETRY_DETAIL': RetryDetail, 'TASK_DETAIL': TaskDetail}


def atom_detail_class(atom_type: str) -> type[AtomDetail]:
    """Return the class of atom details of this kind.

    :param atom_type: one of :data:`ATOM_TYPES`.
    :raises TypeError: it is another.
    """
    try:
        return _CLASSES[atom_type]
    except KeyError:
        raise TypeError(f'Unknown atom type {atom_type!r}, expected one of {ATOM_TYPES}') from None


def atom_detail_type(atom_detail: AtomDetail) -> str:
    """Return the kind of this detail, one of :data:`ATOM_TYPES`.

    :raises TypeError: it is of no known kind.
    """
    for name, cls in _CLASSES.items():
        if isinstance(atom_detail, cls):
            return name
    raise TypeError(f'{atom_detail!r} is no detail of a known kind, expected one of {ATOM_TYPES}')
