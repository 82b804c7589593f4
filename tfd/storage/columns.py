# SPDX-License-Identifier: Apache-2.0
"""The values of a run, as columns indexed by the nodes of its plan.

Objects per atom are made only for those who look: a flow detail shows the columns as atom details, on demand.
"""

from __future__ import annotations

import functools
import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tfd import states
from tfd.persistence import models
from tfd.persistence.details import PROGRESS
from tfd.persistence.record import AtomRecord, DecisionRecord
from tfd.plan import Kind, Plan
from tfd.scheduler import Code
from tfd.scheduler.vocabulary import STATE_NAMES
from tfd.types import failure as ft

__all__ = ['NOTHING', 'UNCALLED', 'Columns', 'derived_uuid']

#: In the metadata of an atom that failed: its execute was not called. Counts for as long as that failure stands.
UNCALLED = 'uncalled'


class _Nothing:
    """Stands for "no result": None is one."""

    __slots__ = ()

    def __repr__(self) -> str:
        return 'NOTHING'


NOTHING = _Nothing()

_CODES = {name: code for code, name in enumerate(STATE_NAMES)}
#: The digit that says which variant of UUIDs one is, by what the hash has there.
_VARIANT = {digit: '89ab'[int(digit, 16) & 3] for digit in '0123456789abcdef'}


class Columns:
    """States, results and failures by node. Changed by :class:`~tfd.storage.storage.Storage` only.

    :ivar states: as they may be seen: RUNNING and REVERTING only once the atom is called.
    :ivar results: of ``execute``; of a retry what its latest attempt provided. NOTHING where there is none.
    :ivar failures: of ``execute``; changed by :meth:`fail`, which counts in ``failure_changes``.
    :ivar uncalled: those of ``failures`` whose atoms could not be called: there is nothing of them to revert.
    :ivar gone: failures of atoms that are recorded and not in the plan any more, by name.
    :ivar histories: of each retry, ``[(provided, {atom name: Failure}), …]``.
    :ivar decisions: what was decided and is in force, by subject (:mod:`tfd.storage.decisions`).
    :ivar passed: targets whose deciders have said yes, beside those in ``decisions``; where nothing is recorded.
    :ivar open_attempts: retries whose latest attempt is not recorded yet.
    :ivar numbers: the number of each node's record in its flow.
    """

    def __init__(self, plan: Plan, flow_uuid: str) -> None:
        size = len(plan)
        self.plan = plan
        self.flow_uuid = flow_uuid
        self.states = bytearray(size)
        self.results: list[Any] = [NOTHING] * size
        self.failures: dict[int, ft.Failure] = {}
        self.uncalled: set[int] = set()
        self.gone: dict[str, ft.Failure] = {}
        self.failure_changes = 0
        self.revert_results: dict[int, Any] = {}
        self.revert_failures: dict[int, ft.Failure] = {}
        self.histories: dict[int, list[tuple[Any, dict[str, ft.Failure]]]] = {}
        self.resolved: set[int] = set()
        self.metas: dict[int, dict[str, Any]] = {}
        self.decisions: dict[str, DecisionRecord] = {}
        self.passed: set[int] = set()
        self.open_attempts: set[int] = set()
        self.numbers: Sequence[int] = range(1, size + 1)
        # Those that are recorded; the others are not kept.
        self._uuids: dict[int, str] = {}
        self._by_uuid: dict[str, int] | None = None

    # -- one node ----------------------------------------------------------------------------------

    def uuid_of(self, node: int) -> str:
        """Return the atom's UUID: the recorded one, or one derived from the flow's UUID and the atom's name."""
        known = self._uuids.get(node)
        return known if known is not None else derived_uuid(self.flow_uuid, str(self.plan.atoms[node].name))

    def state_of(self, node: int) -> str:
        """Return the atom's state as a word."""
        return STATE_NAMES[self.states[node]]

    def fail(self, node: int, failure: ft.Failure | None) -> None:
        """Keep how an atom's execute failed; None for one that did not."""
        self.uncalled.discard(node)
        if failure is not None:
            self.failures[node] = failure
        elif self.failures.pop(node, None) is None:
            return
        self.failure_changes += 1

    def forget(self, node: int) -> None:
        """Forget what an atom did, a retry's history too."""
        self.results[node] = NOTHING
        self.fail(node, None)
        self.revert_results.pop(node, None)
        self.revert_failures.pop(node, None)
        self.histories.pop(node, None)
        self.resolved.discard(node)

    def intention_of(self, node: int) -> str:
        """Return what is to happen to an atom, as far as its own record says."""
        code = self.states[node]
        if code == Code.IGNORE:
            return states.IGNORE
        if node in self.resolved or code in (Code.REVERTING, Code.REVERTED, Code.REVERT_FAILURE):
            return states.REVERT
        return states.EXECUTE

    def progress_of(self, node: int) -> dict[str, Any]:
        """Return an atom's metadata, the progress of a task filled in where it never told any."""
        meta = dict(self.metas.get(node) or {})
        if 'progress' not in meta and self.plan.kinds[node] != Kind.RETRY:
            progress = PROGRESS.get(self.state_of(node))
            if progress is not None:
                meta['progress'] = progress
        return meta

    # -- as records --------------------------------------------------------------------------------

    def number(self, known: Mapping[str, int], other: str) -> int:
        """Give each node the number of its record, and the next free one where it has none; joins have no record.

        :param known: numbers of records, by name.
        :param other: the name of a record that no node has.
        :returns: the number of that one.
        """
        following = max(known.values(), default=0) + 1
        if not known.keys() - {other}:
            self.numbers = range(following, following + len(self.plan))
            return known.get(other, 0)
        given: list[int] = []
        for node, atom in enumerate(self.plan.atoms):
            number = known.get(str(atom.name)) if atom is not None else None
            if number is None and self.plan.kinds[node] != Kind.JOIN:
                number, following = following, following + 1
            given.append(-1 if number is None else number)
        self.numbers = given
        return known.get(other, following)

    def stored_history(self, node: int) -> list[tuple[Any, dict[str, ft.Failure]]]:
        """Return a retry's history in a list of its own."""
        return [(provided, dict(failures)) for provided, failures in self.histories.get(node, ())]

    def record_of(self, node: int, flow: str) -> AtomRecord:
        """Return the record of an atom as it is at first: PENDING."""
        atom = self.plan.atoms[node]
        kind = 'retry' if self.plan.kinds[node] == Kind.RETRY else 'task'
        return AtomRecord(
            flow=flow, number=self.numbers[node], uuid=self.uuid_of(node), name=str(atom.name), kind=kind,
            version=version_text(atom.version), state=states.PENDING, intention=states.EXECUTE)

    def take(self, node: int, stored: models.AtomDetail) -> None:
        """Fill in what is recorded of an atom."""
        self._uuids[node] = stored.uuid
        code = self.states[node] = _CODES.get(stored.state or states.PENDING, int(Code.PENDING))
        if stored.failure is not None:
            self.fail(node, stored.failure)
        if isinstance(stored, models.RetryDetail):
            history = [(provided, dict(failures)) for provided, failures in stored.results or ()]
            if history:
                self.histories[node] = history
                self.results[node] = history[-1][0]
        elif code in (Code.SUCCESS, Code.REVERTING, Code.REVERT_FAILURE) and node not in self.failures:
            self.results[node] = stored.results
        if code == Code.REVERTED:
            self.revert_results[node] = stored.revert_results
        if stored.revert_failure is not None:
            self.revert_failures[node] = stored.revert_failure
        if stored.intention == states.REVERT and code in (Code.FAILURE, Code.PENDING):
            self.resolved.add(node)
        if stored.meta:
            self.metas[node] = dict(stored.meta)
            if UNCALLED in stored.meta and node in self.failures:
                self.uncalled.add(node)

    # -- as atom details (models.AtomSource) -------------------------------------------------------

    def __len__(self) -> int:
        return sum(1 for _ in self.plan.iter_atoms())

    def __iter__(self) -> Iterator[models.AtomDetail]:
        for node in self.plan.iter_atoms():
            yield self.detail_of(node)

    def find(self, atom_uuid: str) -> models.AtomDetail | None:
        """Return a detail of the atom with this UUID, or None."""
        if self._by_uuid is None:
            self._by_uuid = {self.uuid_of(node): node for node in self.plan.iter_atoms()}
        node = self._by_uuid.get(atom_uuid)
        return None if node is None else self.detail_of(node)

    def detail_of(self, node: int) -> models.AtomDetail:
        """Return an atom as it is now."""
        atom = self.plan.atoms[node]
        retry = self.plan.kinds[node] == Kind.RETRY
        detail: models.AtomDetail = (models.RetryDetail if retry else models.TaskDetail)(
            str(atom.name), self.uuid_of(node))
        detail.version = version_text(atom.version)
        detail.state = self.state_of(node)
        detail.intention = self.intention_of(node)
        result = self.results[node]
        detail.results = self.stored_history(node) if retry else None if result is NOTHING else result
        detail.failure = self.failures.get(node)
        detail.revert_results = self.revert_results.get(node)
        detail.revert_failure = self.revert_failures.get(node)
        detail.meta = self.progress_of(node)
        return detail


def derived_uuid(flow_uuid: str, name: str) -> str:
    """Return the UUID of an atom that has no recorded one: always the same for this flow and name."""
    # The text of uuid.uuid5 (RFC 9562, 5.5) without the objects: listeners hear of each.
    spell = _space_of(flow_uuid).copy()
    spell.update(name.encode())
    text = spell.hexdigest()
    return f'{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}'


@functools.lru_cache(maxsize=1024)
def _space_of(flow_uuid: str) -> Any:
    """Return a hash that has been given the namespace of a flow: to copy it is faster than to begin one."""
    try:
        space = uuid.UUID(flow_uuid)
    except ValueError:
        # Who records a flow may call it as they like.
        space = uuid.uuid5(uuid.NAMESPACE_OID, flow_uuid)
    return hashlib.sha1(space.bytes, usedforsecurity=False)


def version_text(version: Any) -> str:
    """Return an atom's version as stored: ``(1, 0)`` as ``1.0``."""
    if isinstance(version, list | tuple):
        return '.'.join(str(part) for part in version)
    return str(version)
