# SPDX-License-Identifier: Apache-2.0
"""The storage of a run: what an engine keeps, and what tasks, listeners and callers of the engine ask for."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tfd import exceptions, states
from tfd.persistence import base, details, models
from tfd.persistence.record import AtomRecord, DecisionRecord, Fence, FlowRecord, Settlement
from tfd.plan import Kind, Plan
from tfd.scheduler import Asked, Code, Gated, GatedAll, Judged, Moved, MovedAll, Progress, Resolved, Step
from tfd.storage.columns import UNCALLED, Columns, derived_uuid
from tfd.storage.decisions import found, in_force, next_record
from tfd.storage.reading import Reader
from tfd.storage.recorder import Recorder
from tfd.storage.veiling import learn_recorded, named_nodes
from tfd.types import failure as ft
from tfd.types.secret import Secret

__all__ = ['INJECTOR', 'Storage']

LOG = logging.getLogger(__name__)

#: Name of the atom detail that holds the flow's inputs (TaskFlow's, so that its logbooks can be read).
INJECTOR = '_TaskFlow_INJECTOR'

#: Seconds of silence after which news of progress is worth a transaction of its own.
_PROGRESS_PERIOD = 1.0

_PENDING, _RUNNING, _REVERTING = int(Code.PENDING), int(Code.RUNNING), int(Code.REVERTING)
_RETRY = int(Kind.RETRY)


class Storage(Reader):
    """States, results, failures and inputs of one flow.

    Reading is safe from any thread; what is read changes as the engine goes on. Only the engine moves states.

    :param flow_detail: the flow that this is the storage of; shows the atoms from :meth:`bind` on.
    :param backend: where steps are recorded; None keeps them in this object only.
    :param fence: goes with every write; None for a flow that no job owns.
    """

    injector_name = INJECTOR

    def __init__(
        self, flow_detail: models.FlowDetail, backend: base.Backend | None = None,
        fence: Fence | None = None, book: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(flow_detail, backend)
        self._fence = fence
        self._book = book
        self._clock = clock
        self._recorder: Recorder | None = None
        self._injector_number = 0
        self._injector_known = False
        self._on_record: frozenset[str] = frozenset()
        self._digest = ''
        #: Taken up under a plan that was made of records, not of the flow: whose digest says nothing.
        self._by_hand = False
        self._recorded_at = 0.0

    # -- the engine's side: binding, recording -----------------------------------------------------

    def bind(self, plan: Plan, refuse_changed: bool = False) -> None:
        """Take up the flow under this plan: record it, or fill in what is recorded of it.

        :param refuse_changed: refuse a flow that has begun under another plan; it is logged and taken up otherwise,
            atom by name.
        :raises IncompatibleVersion: it has, and ``refuse_changed``; nothing is recorded.
        :raises OwnershipLost, StorageUnavailable, NotStorable: as the journal does.
        """
        columns = Columns(plan, self.flow_uuid)
        named = self._secret_nodes = named_nodes(plan, self._veil) if self._has_names else frozenset()
        recorder = None
        if self._journal is not None:
            recorder = Recorder(self._journal, columns, self._fence, self._veil, named)
        stored, decisions = self._stored()
        known: dict[str, models.AtomDetail] = {atom.name: atom for _, atom in stored}
        numbers = {atom.name: number for number, atom in stored}
        self._injector_number = columns.number(numbers, INJECTOR)
        for node in plan.iter_atoms() if known.keys() - {INJECTOR} else ():
            atom = known.get(str(plan.atoms[node].name))
            if atom is not None:
                columns.take(node, atom)
        columns.gone = {
            name: atom.failure for name, atom in known.items() if atom.failure is not None and name not in plan.by_name}
        injected = known.get(INJECTOR)
        self._injector_known = INJECTOR in self._on_record
        recorded = dict(injected.results or {}) if injected is not None else {}
        self._inputs = {**recorded, **self._inputs}
        self._columns, self._recorder = columns, recorder
        if Secret.made or self._has_names:
            self._veil.learn(self._inputs)
            learn_recorded(self._veil, columns, named)
        if self._flow_detail.state is None:
            self._flow_detail.state = states.PENDING
        if recorder is not None:
            self._check_digest(plan, refuse_changed)
            if self._injector_known and self._inputs != recorded:
                recorder.record_inputs(self._injector_number, self._inputs)
            self._create(recorder)
        columns.decisions = {row.subject: row for row in decisions}
        self._flow_detail.attach(columns)

    def progress(self) -> Progress:
        """Return how far the flow has come, for a scheduler; what could not be recorded does not count."""
        columns = self.columns
        for retry in columns.open_attempts:
            columns.histories[retry].pop()
        columns.open_attempts.clear()
        if not (any(columns.states) or columns.decisions or columns.passed or columns.resolved):
            return Progress()
        codes = {node: columns.states[node] for node in columns.plan.iter_atoms() if columns.states[node]}
        decided = found(columns.plan, in_force(columns))
        return Progress(codes, frozenset(columns.resolved), decided['asked'], decided['scope'], decided['gate'])

    def _check_digest(self, plan: Plan, refuse: bool) -> None:
        if self._by_hand or not self._digest or self._digest == plan.digest() or not any(self.columns.states):
            return
        if refuse:
            raise exceptions.IncompatibleVersion(
                f'flow {self.flow_name!r} ({self.flow_uuid}) began under another plan (digest {self._digest}) than the'
                f' one it is to go on under ({plan.digest()})')
        LOG.warning('flow %s (%s) goes on under a plan that differs from the one it began under', self.flow_name,
                    self.flow_uuid)

    def _stored(self) -> tuple[list[tuple[int, models.AtomDetail]], Iterable[DecisionRecord]]:
        """Return the atoms that are recorded, with their numbers, and what was decided."""
        if self._journal is not None:
            try:
                snapshot = self._journal.load(self.flow_uuid)
            except exceptions.NotFound:
                pass
            else:
                codec = self._journal.codec
                self._flow_detail.state = snapshot.flow.state
                self._digest = snapshot.flow.digest
                self._on_record = frozenset(atom.name for atom in snapshot.atoms)
                recorded = self._journal.codec.decode(snapshot.flow.meta) or {}
                self._flow_detail.meta = {**recorded, **(self._flow_detail.meta or {})}
                stored = [(atom.number, details.atom_detail(atom, codec)) for atom in snapshot.atoms]
                return stored + self._added(len(stored)), snapshot.decisions
        source = self._flow_detail.source
        decisions = in_force(source) if isinstance(source, Columns) else []
        return list(enumerate(self._flow_detail)), decisions

    def _added(self, following: int) -> list[tuple[int, models.AtomDetail]]:
        """Return the details that somebody added to the flow detail and that are not recorded yet, with numbers."""
        if self._flow_detail.source is not None:
            return []
        added = [detail for detail in self._flow_detail if detail.name not in self._on_record]
        return list(enumerate(added, following))

    def _create(self, recorder: Recorder) -> None:
        columns, known = self.columns, self._on_record
        atoms = [
            columns.record_of(node, self.flow_uuid)
            for node in columns.plan.iter_atoms() if str(columns.plan.atoms[node].name) not in known]
        if self._inputs and INJECTOR not in known:
            self._injector_known = True
            atoms.append(self._injector(recorder, self._inputs))
        recorder.create(self._flow_record(), atoms)

    def _injector(self, recorder: Recorder, inputs: dict[str, Any]) -> AtomRecord:
        return recorder.injector(
            self._injector_number, INJECTOR, derived_uuid(self.flow_uuid, INJECTOR), inputs)

    def _flow_record(self) -> FlowRecord:
        assert self._journal is not None
        digest = self._digest if self._by_hand else self.columns.plan.digest()
        return FlowRecord(
            uuid=self.flow_uuid, book=self._book, name=str(self.flow_name), state=self._flow_detail.state,
            meta=self._journal.codec.encode(self._flow_detail.meta, f'metadata of flow {self.flow_name!r}'),
            digest=digest)

    def record(
        self, step: Step, flow_state: str | None = None, settlement: Settlement | None = None
    ) -> None:
        """Record a step, then show it: states change here, but for those of atoms that are about to begin.

        May be repeated after StorageUnavailable.

        :raises OwnershipLost: the job is somebody else's; nothing is recorded, nothing shown.
        """
        if self._recorder is not None and self._recorder.record(step, flow_state, settlement):
            self._recorded_at = self._clock()
        columns = self.columns
        shown = columns.states
        for item in step.transitions:
            if type(item) is Moved:
                node, code = item
                if code == _RUNNING or code == _REVERTING:
                    continue
                shown[node] = code
                if code == _PENDING:
                    columns.forget(node)
                elif columns.open_attempts:
                    columns.open_attempts.discard(node)
            elif type(item) is MovedAll:
                first, last, code = item
                shown[first:last + 1] = bytes((code,)) * (last + 1 - first)
            elif type(item) is Resolved:
                columns.resolved.add(item[0])
            else:
                self._decided(item)
        if flow_state is not None:
            self._flow_detail.state = flow_state

    def _decided(self, item: Any) -> None:
        if type(item) is GatedAll:
            self.columns.passed.update(item.targets)
            return
        decisions = self.columns.decisions
        row = next_record(self.columns.plan, self.flow_uuid, item, decisions)
        if row.answer:
            decisions[row.subject] = row
        elif decisions.pop(row.subject, None) is None and type(item) is Gated:
            self.columns.passed.discard(item.target)

    def show_flow_state(self, state: str) -> None:
        """Change the flow's state as it is shown; it is recorded with a step."""
        self._flow_detail.state = state

    def clear(self) -> Step:
        """Return the step that makes every atom PENDING, as if it had never run. To be recorded."""
        columns = self.columns
        kept = {*columns.failures, *columns.resolved, *columns.histories}
        moved = [Moved((node, int(Code.PENDING))) for node in columns.plan.iter_atoms()
                 if columns.states[node] or node in kept]
        decided = found(columns.plan, in_force(columns))
        return Step([
            *moved, *(Judged(scope, '') for scope in decided['scope']), *(Asked(node, 0) for node in decided['asked']),
            *(Gated(target, '') for target in decided['gate'])], [])

    def executed(self, node: int, value: Any) -> bool:
        """Keep what an atom's execute came to: a result, or a Failure; tell whether it is a result.

        A result that has no stored form is a failure of the atom.
        """
        columns = self.columns
        if isinstance(value, ft.Failure):
            return self._failed(node, value)
        if self._recorder is not None:
            try:
                self._recorder.keep(node, value)
            except exceptions.NotStorable as err:
                return self._failed(node, ft.Failure.from_exception(err))
        columns.results[node] = value
        if Secret.made or self._has_names:
            self._veil.learn(value, node in self._secret_nodes)
        if columns.metas:
            self._complete(node)
        if columns.failures:
            columns.fail(node, None)
        if columns.plan.kinds[node] == _RETRY:
            columns.histories.setdefault(node, []).append((value, {}))
            columns.open_attempts.add(node)
        return True

    def _failed(self, node: int, failure: ft.Failure) -> bool:
        self.columns.fail(node, failure.veiled(self._veil))
        if UNCALLED in self.columns.metas.get(node, ()):
            self._change_meta(node, {})
        return False

    def not_called(self, node: int, failure: ft.Failure) -> bool:
        """Keep why an atom's execute could not be called; return False, as of any failure."""
        self.columns.fail(node, failure.veiled(self._veil))
        self.columns.uncalled.add(node)
        self._change_meta(node, {UNCALLED: True})
        return False

    def reverted(self, node: int, value: Any) -> bool:
        """Keep what an atom's revert came to: what it returned, or a Failure; tell whether it succeeded."""
        columns = self.columns
        if isinstance(value, ft.Failure):
            columns.revert_failures[node] = value.veiled(self._veil)
            return False
        if self._recorder is not None:
            try:
                self._recorder.keep(node, value)
            except exceptions.NotStorable:
                # It is undone all the same: what it returned is for listeners, and not worth an orphan.
                value = None
        columns.revert_results[node] = value
        if Secret.made or self._has_names:
            self._veil.learn(value, node in self._secret_nodes)
        if columns.metas:
            self._complete(node)
        return True

    def restart_progress(self, node: int) -> None:
        """Set the progress of a task that has told any to its begin; what else it told stays."""
        meta = self.columns.metas[node]
        if meta.get('progress'):
            self.columns.metas[node] = {**meta, 'progress': 0.0}
            if self._recorder is not None:
                self._recorder.meta_changed(node)

    def _change_meta(self, node: int, change: dict[str, Any]) -> None:
        """Add to an atom's metadata; that it was not called is forgotten, unless it is added."""
        meta = {**self.columns.metas.get(node, {}), **change}
        if UNCALLED not in change:
            meta.pop(UNCALLED, None)
        self.columns.metas[node] = meta
        if self._recorder is not None:
            self._recorder.meta_changed(node)

    def _complete(self, node: int) -> None:
        """Set the progress of a task that has told any to its end."""
        if node in self.columns.metas:
            self._change_meta(node, {'progress': 1.0})

    def add_failure(self, node: int, failure: ft.Failure) -> None:
        """Keep the failure of an atom that did not come to execute, or of a retry that could not answer."""
        self.columns.fail(node, failure.veiled(self._veil))

    def blame(self, retry: int, name: str, failure: ft.Failure) -> None:
        """Add a failure to the latest attempt of a retry; the first of a name stays."""
        history = self.columns.histories.setdefault(retry, [(None, {})])
        history[-1][1].setdefault(name, failure.veiled(self._veil))
        if self._recorder is not None:
            self._recorder.history_changed(retry)

    # -- inputs ------------------------------------------------------------------------------------

    def inject(self, pairs: Mapping[str, Any], transient: bool = False) -> None:
        """Add inputs, visible to every atom; those of the same name are replaced.

        :param transient: keep them in this object only; they must be injected again to resume.
        :raises NotStorable: a value has no stored form; nothing is added.
        """
        self._learn(pairs)
        if transient:
            self._transient.update(pairs)
            return
        if pairs:
            self._set_inputs({**self._inputs, **pairs})

    def _set_inputs(self, inputs: dict[str, Any]) -> None:
        if self._recorder is not None:
            if self._injector_known:
                self._recorder.record_inputs(self._injector_number, inputs)
            else:
                row = self._injector(self._recorder, inputs)
                self._recorder.create(self._flow_record(), [row])
                self._injector_known = True
        self._inputs = inputs

    def inject_atom_args(self, atom_name: str, pairs: Mapping[str, Any], transient: bool = True) -> None:
        """Add inputs that one atom alone sees; kept in this object only.

        :raises NotFound: there is no such atom.
        """
        self._node(atom_name)
        self._learn(pairs)
        self._atom_inputs.setdefault(atom_name, {}).update(pairs)

    # -- progress ----------------------------------------------------------------------------------

    def set_task_progress(self, task_name: str, progress: float, details: Mapping[str, Any] | None = None) -> None:
        """Keep how far a task is. Recorded with the next step, or by itself where there was none for a second.

        :param progress: 0.0 to 1.0.
        :param details: more about it; an empty dictionary forgets what was told, None leaves it.
        :raises NotFound: there is no such task.
        """
        node = self._node(task_name)
        meta = {**self.columns.metas.get(node, {}), 'progress': progress}
        if details is not None:
            meta['progress_details'] = {'at_progress': progress, 'details': dict(details)} if details else None
        self.columns.metas[node] = meta
        self._note(node)

    # -- metadata ----------------------------------------------------------------------------------

    def _note(self, node: int) -> None:
        """Record an atom's metadata with the next step, or now where there was none for a second."""
        if self._recorder is None:
            return
        self._recorder.meta_changed(node)
        if self._clock() - self._recorded_at >= _PROGRESS_PERIOD:
            self._recorded_at = self._clock()
            self._recorder.record_meta()

    def _note_flow(self) -> None:
        """Record the flow's metadata, and what is not recorded yet of that of its atoms."""
        if self._recorder is not None:
            self._recorder.record_meta(dict(self._flow_detail.meta))
