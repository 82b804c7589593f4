# SPDX-License-Identifier: Apache-2.0
"""Writes a run's steps to a journal. An atom's failure that was decided about has the intention REVERT."""

from __future__ import annotations

import collections
import logging
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from tfd import exceptions, states
from tfd.persistence import base
from tfd.persistence.record import AtomRecord, Change, DecisionRecord, Entry, Fence, FlowRecord, Settlement
from tfd.plan import Kind, Plan
from tfd.scheduler import Code, Gated, Moved, Resolved, Step
from tfd.scheduler.vocabulary import FAILED, STATE_NAMES
from tfd.storage.columns import Columns
from tfd.storage.decisions import next_record
from tfd.types.secret import Veil

__all__ = ['MAX_NAME', 'Recorder']

LOG = logging.getLogger(__name__)

#: The longest name of an atom that can be recorded, in characters (TaskFlow's column has the same width).
MAX_NAME = 255

_DETAILS = 'progress_details'
_VALUES = ('result', 'failure', 'revert_result', 'revert_failure')
_FORGOTTEN = ('state', 'intention', *_VALUES)


class Recorder:
    """Records the steps of one flow in one journal.

    :param columns: where the values of the steps are.
    :param fence: goes with every write; None for a flow that no job owns.
    :param veil: hides secrets in what tasks tell of their progress.
    :param named: nodes whose results are secret by their names.
    """

    def __init__(
        self, journal: base.Journal, columns: Columns, fence: Fence | None, veil: Veil, named: frozenset[int],
    ) -> None:
        self._veil = veil
        self._named = named
        self._journal = journal
        self._columns = columns
        self._plan: Plan = columns.plan
        self._fence = fence
        self._flow = columns.flow_uuid
        # One write at a time: a task may tell its progress from another thread.
        self._lock = threading.Lock()
        self._encoded: dict[int, Any] = {}
        self._unsaved_meta: set[int] = set()
        self._unsaved_history: set[int] = set()

    # -- before the first step ---------------------------------------------------------------------

    def create(self, flow: FlowRecord, atoms: Iterable[AtomRecord]) -> None:
        """Record the flow, and those of its atoms that are not recorded yet.

        :raises InvalidFormat: an atom's name is too long to be recorded; nothing is.
        """
        rows = list(atoms)
        for row in rows:
            if len(row.name) > MAX_NAME:
                raise exceptions.InvalidFormat(
                    f'the name of an atom can have {MAX_NAME} characters, {row.name[:40]!r}... has {len(row.name)}')
        self._journal.create(flow, rows, self._fence)

    # -- values ------------------------------------------------------------------------------------

    def keep(self, node: int, value: Any) -> None:
        """Make the stored form of what an atom's execute or revert returned, for the step that records it.

        :raises NotStorable: it has none; nothing has changed.
        """
        what = f'result of atom {self._plan.atoms[node].name!r}'
        if self._plan.kinds[node] == Kind.RETRY:
            self._journal.codec.encode(value, what, secret=node in self._named)
            self._unsaved_history.add(node)
        else:
            self._encoded[node] = self._journal.codec.encode(value, what, secret=node in self._named)

    def history_changed(self, retry: int) -> None:
        """Record a retry's history with the next step."""
        self._unsaved_history.add(retry)

    def meta_changed(self, node: int) -> None:
        """Record an atom's metadata with the next step."""
        self._unsaved_meta.add(node)

    def record_meta(self, flow: Mapping[str, Any] | None = None) -> None:
        """Record metadata that changed since the last step, in a transaction of its own.

        :param flow: that of the flow, where it changed.
        """
        columns: tuple[str, ...] = ()
        values: tuple[Any, ...] = ()
        if flow is not None:
            columns, values = ('meta',), (self._journal.codec.encode(flow, f'metadata of flow {self._plan.name!r}'),)
        with self._lock:
            changes: dict[int, dict[str, Any]] = {}
            taken = self._take_unsaved_meta()
            try:
                self._add_meta(changes, taken)
                if changes or columns:
                    self._append(changes, [], columns, values, None)
            except BaseException:
                self._unsaved_meta |= taken
                raise

    def injector(self, number: int, name: str, uuid: str, values: dict[str, Any]) -> AtomRecord:
        """Return the record of the flow's inputs: the result of an atom of their own.

        :raises NotStorable: a value has no stored form.
        """
        return AtomRecord(
            flow=self._flow, number=number, uuid=uuid, name=name, kind='task', state=states.SUCCESS,
            result=self._inputs(values))

    def record_inputs(self, number: int, values: dict[str, Any]) -> None:
        """Record the flow's inputs anew, in a transaction of its own.

        :raises NotStorable: a value has no stored form; nothing is recorded.
        """
        change = Change(number, ('state', 'result'), (states.SUCCESS, self._inputs(values)))
        with self._lock:
            self._journal.append(Entry(flow=self._flow, fence=self._fence, changes=[change]))

    def _inputs(self, values: dict[str, Any]) -> Any:
        return self._journal.codec.encode(values, f'inputs of flow {self._plan.name!r}')

    # -- steps -------------------------------------------------------------------------------------

    def record(
        self, step: Step, flow_state: str | None = None, settlement: Settlement | None = None
    ) -> bool:
        """Record one step, with everything that has waited for it. May be repeated after StorageUnavailable.

        :returns: whether there was anything to record.
        :raises OwnershipLost: the job is somebody else's; nothing is recorded.
        :raises StorageUnavailable: it may or may not be recorded.
        """
        changes: dict[int, dict[str, Any]] = {}
        decisions: dict[str, DecisionRecord] = {}
        known = collections.ChainMap(decisions, self._columns.decisions)
        for item in step.transitions:
            if isinstance(item, Moved):
                self._moved(changes, item.node, item.code)
            elif isinstance(item, Resolved):
                changes.setdefault(item.node, {})['intention'] = states.REVERT
            else:
                if isinstance(item, Gated) and item.answer == FAILED:
                    # The atom does not begin: its failure is that of its decider.
                    failure = self._columns.failures.get(item.target)
                    changes.setdefault(item.target, {})['failure'] = self._failure(failure)
                row = next_record(self._plan, self._flow, item, known)
                decisions[row.subject] = row
        columns: tuple[str, ...] = ()
        values: tuple[Any, ...] = ()
        if flow_state is not None:
            columns, values = ('state',), (flow_state,)
        with self._lock:
            for retry in self._unsaved_history:
                changes.setdefault(retry, {}).setdefault('result', self._history(retry))
            taken = self._take_unsaved_meta()
            try:
                self._add_meta(changes, taken)
                if changes or decisions or columns or settlement is not None:
                    self._append(changes, list(decisions.values()), columns, values, settlement)
            except BaseException:
                self._unsaved_meta |= taken
                raise
            self._unsaved_history.clear()
        self._encoded.clear()
        return bool(changes or decisions or columns or settlement is not None)

    def _moved(self, changes: dict[int, dict[str, Any]], node: int, code: int) -> None:
        change = changes.setdefault(node, {})
        if code == Code.PENDING:
            change.update(dict.fromkeys(_FORGOTTEN))
            change['intention'] = states.EXECUTE
            self._unsaved_history.discard(node)
        change['state'] = STATE_NAMES[code]
        if code == Code.SUCCESS:
            # An atom whose revert was withdrawn is a SUCCESS again too: its result stands where it was recorded.
            if node in self._encoded:
                change['result'] = self._encoded[node]
        elif code == Code.FAILURE:
            change['failure'] = self._failure(self._columns.failures.get(node))
        elif code == Code.REVERTED:
            change['revert_result'] = self._encoded.get(node)
        elif code == Code.REVERT_FAILURE:
            change['revert_failure'] = self._failure(self._columns.revert_failures.get(node))

    def _failure(self, failure: Any) -> Any:
        try:
            return self._journal.codec.encode(failure, 'failure')
        except exceptions.NotStorable:
            # The text of a failure always has a stored form; its arguments may be anything.
            return self._journal.codec.encode(type(failure).from_dict(failure.to_dict(include_args=False)), 'failure')

    def _history(self, retry: int) -> Any:
        name = self._plan.atoms[retry].name
        history = self._columns.stored_history(retry)
        secret = retry in self._named
        try:
            return self._journal.codec.encode(history, f'history of retry {name!r}', secret=secret)
        except exceptions.NotStorable:
            plain = [
                (provided, {atom: type(failure).from_dict(failure.to_dict(include_args=False))
                            for atom, failure in failures.items()})
                for provided, failures in history]
            return self._journal.codec.encode(plain, f'history of retry {name!r}', secret=secret)

    def _take_unsaved_meta(self) -> set[int]:
        """Return the nodes whose metadata is not recorded yet; from here on it counts as recorded."""
        taken = set()
        while self._unsaved_meta:
            # One by one: a task may tell its progress from another thread meanwhile.
            taken.add(self._unsaved_meta.pop())
        return taken

    def _add_meta(self, changes: dict[int, dict[str, Any]], nodes: Iterable[int]) -> None:
        """Add the metadata of these nodes."""
        for node in nodes:
            # A copy: the task that tells its progress may go on doing so.
            meta = dict(self._columns.metas[node])
            try:
                stored = self.stored_meta(node, self._told(meta))
            except Exception as err:
                if _DETAILS not in meta:
                    raise
                # What a task tells of its progress, or changes after it has told it, keeps no step from being recorded.
                LOG.warning('details of the progress of atom %s of flow %s are not recorded: %s',
                            self._plan.atoms[node].name, self._flow, err)
                stored = self.stored_meta(node, {**meta, _DETAILS: None})
            changes.setdefault(node, {})['meta'] = stored

    def stored_meta(self, node: int, meta: dict[str, Any]) -> Any:
        """Return the stored form of an atom's metadata.

        :raises NotStorable: it has none.
        """
        return self._journal.codec.encode(meta, f'metadata of atom {self._plan.atoms[node].name!r}')

    def _told(self, meta: dict[str, Any]) -> dict[str, Any]:
        """Return metadata as it is recorded: what tasks tell of their progress is for people to read."""
        return {**meta, _DETAILS: self._veil.value(meta[_DETAILS])} if self._veil and _DETAILS in meta else meta

    def _append(
        self, changes: dict[int, dict[str, Any]], decisions: list[DecisionRecord], columns: tuple[str, ...],
        values: tuple[Any, ...], settlement: Settlement | None,
    ) -> None:
        numbers = self._columns.numbers
        rows = [
            Change(numbers[node], tuple(change), tuple(change.values()))
            for node, change in changes.items()]
        self._journal.append(Entry(
            flow=self._flow, fence=self._fence, changes=rows, decisions=decisions, columns=columns, values=values,
            settlement=settlement))
