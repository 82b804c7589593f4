# SPDX-License-Identifier: Apache-2.0
"""What can be done to a run's storage by hand: without an engine, or before one goes on.

An engine does none of this. Tools that mend a flow do, and listeners that note something in its metadata.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from tfd import exceptions, retry, states
from tfd.persistence import models
from tfd.plan import NOBODY, Kind, Plan
from tfd.plan.model import Argument
from tfd.scheduler import Judged, Moved, Resolved, Step
from tfd.scheduler.vocabulary import STATE_NAMES
from tfd.storage import remembered, storage
from tfd.storage.columns import Columns, derived_uuid
from tfd.storage.inputs import as_inputs
from tfd.types import failure as ft

__all__ = ['Storage']

_CODES = {name: code for code, name in enumerate(STATE_NAMES)}
#: Key of an atom's metadata under which its own inputs are recorded, as TaskFlow does.
_INJECTED = 'injected'


class Storage(storage.Storage):
    """States, results, failures and inputs of one flow, to be read at any time and changed between runs.

    What is changed while an engine runs the flow may be lost on the engine, which looks at results and inputs and
    keeps a count of states of its own. Each change is recorded at once, metadata within a second or with what comes
    next.

    :param flow_detail: the flow that this is the storage of.
    :param backend: where changes are recorded; None keeps them in this object and the flow detail only.
    """

    def __init__(self, flow_detail: models.FlowDetail, backend: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(flow_detail, backend, *args, **kwargs)
        self._hands = threading.RLock()
        #: What somebody said is to happen to an atom, and the state that it had then: valid as long as it has that.
        self._intended: dict[int, tuple[int, str]] = {}
        self._injector_uuid = derived_uuid(self.flow_uuid, self.injector_name)
        injected = flow_detail.find(self._injector_uuid)
        self._inputs = dict(injected.results or {}) if injected is not None else {}

    @property
    def columns(self) -> Columns:
        """The values by node; where no engine is prepared those of the records that the flow detail has."""
        columns = self._columns
        return columns if columns is not None else self._view()

    @property
    def _flowdetail(self) -> models.FlowDetail:
        # By this name users of TaskFlow reach for it.
        return self._flow_detail

    def _is_known(self) -> bool:
        return True

    # -- without an engine -------------------------------------------------------------------------

    def _view(self) -> Columns:
        source = self._flow_detail.source
        if isinstance(source, Columns):
            return source
        details = [detail for detail in self._flow_detail if detail.name != self.injector_name]
        columns = Columns(remembered.plan_of(details), self.flow_uuid)
        for detail in details:
            columns.take(columns.plan.by_name[detail.name], detail)
        return columns

    def ensure_atoms(self, atoms: Iterable[Any]) -> list[str]:
        """Make sure that there are records of these atoms; return their UUIDs.

        :raises Duplicate: there is a record of that name for another kind of atom; nothing is recorded.
        """
        with self._hands:
            wanted = list(atoms)
            plan = self.columns.plan
            for atom in wanted:
                node = plan.by_name.get(atom.name)
                if node is not None and isinstance(atom, retry.Retry) != (plan.kinds[node] == Kind.RETRY):
                    raise exceptions.Duplicate(
                        f'Atom detail {atom.name!r} exists and is that of a {Kind(plan.kinds[node]).name.lower()}')
            new = [atom for atom in wanted if atom.name not in plan.by_name]
            if new or self._columns is None:
                self._bind_by_hand(remembered.plan_of_atoms([*(plan.atoms[node] for node in plan.iter_atoms()), *new]))
            return [self.get_atom_uuid(atom.name) for atom in wanted]

    def ensure_atom(self, atom: Any) -> str:
        """Make sure that there is a record of this atom; return its UUID.

        :raises Duplicate: there is a record of that name for another kind of atom.
        """
        return self.ensure_atoms([atom])[0]

    def _held(self, atom_name: str) -> int:
        """Return the node of an atom that is to be changed.

        :raises NotFound: there is no such atom.
        """
        node = self._node(atom_name)
        if self._columns is None:
            self._bind_by_hand(self.columns.plan)
        return node

    def _bind_by_hand(self, plan: Plan) -> None:
        self._by_hand = True
        self._take_up(plan)

    def _held_retry(self, retry_name: str) -> int:
        node = self._held(retry_name)
        if self.columns.plan.kinds[node] != Kind.RETRY:
            raise TypeError(f'atom {retry_name!r} is not a retry')
        return node

    # -- results and states ------------------------------------------------------------------------

    def save(self, atom_name: str, result: Any, state: str = states.SUCCESS) -> None:
        """Record what an atom came to.

        :param result: with SUCCESS and REVERTED what execute or revert returned, with FAILURE and REVERT_FAILURE a
            Failure.
        :raises NotFound: there is no such atom.
        :raises NotStorable: the result has no stored form; nothing is recorded.
        """
        with self._hands:
            if atom_name == self.injector_name:
                self._replace_inputs(dict(result))
                return
            node = self._held(atom_name)
            if state == states.FAILURE:
                self.add_failure(node, result)
            elif state in (states.REVERTED, states.REVERT_FAILURE):
                self.reverted(node, result)
            elif not self.executed(node, result) and not isinstance(result, ft.Failure):
                error = self.columns.failures[node].exception
                self.columns.fail(node, None)
                assert error is not None
                raise error
            self._move(node, state)

    def set_atom_state(self, atom_name: str, state: str) -> None:
        """Record an atom's state; PENDING forgets what it came to.

        :raises NotFound: there is no such atom.
        :raises ValueError: there is no such state.
        """
        with self._hands:
            self._move(self._held(atom_name), state)

    def _move(self, node: int, state: str) -> None:
        if state not in _CODES:
            raise ValueError(f'an atom has one of the states {sorted(_CODES)}, not {state!r}')
        self.record(Step([Moved((node, _CODES[state]))], []))
        # A step shows the states that an atom begins with when it does begin.
        self.columns.states[node] = _CODES[state]

    def reset(self, atom_name: str, state: str = states.PENDING) -> None:
        """Forget what an atom came to.

        :raises NotFound: there is no such atom.
        """
        with self._hands:
            node = self._held(atom_name)
            self._move(node, states.PENDING)
            if state != states.PENDING:
                self._move(node, state)

    def get_atom_intention(self, atom_name: str) -> str:
        """Return what is to happen to an atom.

        :raises NotFound: there is no such atom.
        """
        node = self._node(atom_name)
        state, intention = self._intended.get(node, (None, ''))
        return intention if state == self.columns.states[node] else self.columns.intention_of(node)

    def get_atoms_states(self, atom_names: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Return ``{name: (state, intention)}``.

        :raises NotFound: one of them does not exist.
        """
        return {name: (self.get_atom_state(name), self.get_atom_intention(name)) for name in atom_names}

    def set_atom_intention(self, atom_name: str, intention: str) -> None:
        """Say what is to happen to an atom: REVERT of one that failed, RETRY or REVERT of a retry's scope.

        Other intentions are shown until the atom changes its state, and have no effect.

        :raises NotFound: there is no such atom.
        :raises ValueError: there is no such intention.
        """
        if intention not in states.INTENTIONS:
            raise ValueError(f'an intention is one of {sorted(states.INTENTIONS)}, not {intention!r}')
        with self._hands:
            node = self._held(atom_name)
            plan = self.columns.plan
            if plan.kinds[node] == Kind.RETRY and intention in (states.RETRY, states.REVERT):
                scope = next(at for at, scope in enumerate(plan.scopes) if scope.retry == node)
                self.record(Step([Judged(scope, intention)], []))
            elif intention == states.REVERT:
                self.record(Step([Resolved(node)], []))
            self._intended[node] = (self.columns.states[node], intention)

    def set_flow_state(self, state: str) -> None:
        """Record the flow's state."""
        with self._hands:
            self.record(Step([], []), flow_state=state)

    def change_flow_state(self, state: str) -> tuple[bool, str]:
        """Record the flow's state where it may go there; return whether it changed, and what it was.

        :raises InvalidState: it may not.
        """
        with self._hands:
            old = self.get_flow_state()
            changed = states.check_flow_transition(old, state)
            if changed:
                self.set_flow_state(state)
            return changed, old

    # -- retries -----------------------------------------------------------------------------------

    def save_retry_failure(self, retry_name: str, failed_atom_name: str, failure: ft.Failure) -> None:
        """Add a failure to the latest attempt of a retry; the first of a name stays.

        :raises NotFound: there is no such atom.
        :raises TypeError: it is not a retry.
        """
        with self._hands:
            self.blame(self._held_retry(retry_name), failed_atom_name, failure)
            self.record(Step([], []))

    def cleanup_retry_history(self, retry_name: str, state: str) -> None:
        """Forget a retry's attempts, and record its state.

        :raises NotFound: there is no such atom.
        :raises TypeError: it is not a retry.
        """
        with self._hands:
            node = self._held_retry(retry_name)
            self._move(node, states.PENDING)
            self._move(node, state)

    def get_retry_histories(self) -> list[tuple[str, retry.History]]:
        """Return the name and the history of each retry."""
        plan = self.columns.plan
        return [(plan.atoms[node].name, self.history_of(node))
                for node in plan.iter_atoms() if plan.kinds[node] == Kind.RETRY]

    # -- arguments and inputs ----------------------------------------------------------------------

    def fetch_mapped_args(
        self, args_mapping: Mapping[str, str] | None, atom_name: str | None = None,
        scope_walker: Any = None, optional_args: Collection[str] | None = None,
    ) -> dict[str, Any]:
        """Return ``{argument: value}`` for ``{argument: symbol}``.

        :param atom_name: whose arguments they are: its own inputs and the providers that it can see count; every
            provider, where it is not given.
        :param scope_walker: kept for TaskFlow's signature; the atom's place in its flow is known.
        :param optional_args: arguments that are left out where there is no value.
        :raises NotFound: there is no such atom, or no value.
        """
        mapping = args_mapping or {}
        optional = frozenset(optional_args or ())
        if atom_name is not None:
            node = self._node(atom_name)
            return self.arguments(node, self._arguments_of(node, mapping, optional))
        found = {}
        for name, symbol in mapping.items():
            try:
                found[name] = self.fetch(symbol)
            except exceptions.NotFound:
                if name not in optional:
                    raise
        return found

    def _arguments_of(self, node: int, mapping: Mapping[str, str], optional: Collection[str]) -> list[Argument]:
        plan = self.columns.plan
        entries = {
            symbol: entry
            for _name, symbol, entry, _optional in (*plan.execute_arguments[node], *plan.revert_arguments[node])}
        return [(name, symbol, entries.get(symbol, NOBODY), name in optional)
                for name, symbol in mapping.items()]

    def fetch_unsatisfied_args(
        self, atom_name: str, args_mapping: Mapping[str, str] | None, scope_walker: Any = None,
        optional_args: Collection[str] | None = None,
    ) -> set[str]:
        """Return the arguments of an atom that nothing gives, or will give: neither an input nor a provider.

        :raises NotFound: there is no such atom.
        """
        node = self._node(atom_name)
        plan = self.columns.plan
        return {
            name for name, symbol, entry, optional in self._arguments_of(node, args_mapping or {}, optional_args or ())
            if not optional and entry == NOBODY and not self.has_input(symbol, plan.atoms[node])}

    def inject(self, pairs: Any, transient: bool = False) -> None:
        """Add inputs, visible to every atom; those of the same name are replaced.

        :param pairs: a mapping, or pairs.
        :param transient: keep them in this object only; they must be injected again to resume.
        :raises TypeError: they are neither.
        :raises NotStorable: a value has no stored form; nothing is added.
        """
        with self._hands:
            super().inject(as_inputs(pairs, 'inputs'), transient)
            self._show_inputs()

    def _show_inputs(self) -> None:
        if self._inputs:
            detail = models.TaskDetail(self.injector_name, self._injector_uuid)
            detail.state = states.SUCCESS
            detail.results = self._inputs
            self._flow_detail.add(detail)

    def bind(self, plan: Plan, refuse_changed: bool = False) -> None:
        """Take up the flow under this plan: record it, or fill in what is recorded of it.

        An engine does so when it is prepared.

        :param refuse_changed: refuse a flow that has begun under another plan.
        :raises IncompatibleVersion: it has; nothing is recorded.
        """
        self._by_hand = False
        self._take_up(plan, refuse_changed)

    def _take_up(self, plan: Plan, refuse_changed: bool = False) -> None:
        with self._hands:
            super().bind(plan, refuse_changed)
            self._show_inputs()
            for node, meta in self.columns.metas.items():
                if _INJECTED in meta:
                    name = plan.atoms[node].name
                    self._atom_inputs[name] = {**meta[_INJECTED], **self._atom_inputs.get(name, {})}

    def _replace_inputs(self, values: dict[str, Any]) -> None:
        self._set_inputs(values)
        self._flow_detail.add(models.TaskDetail(self.injector_name, self._injector_uuid))
        self._show_inputs()

    def inject_atom_args(self, atom_name: str, pairs: Mapping[str, Any], transient: bool = True) -> None:
        """Add inputs that one atom alone sees.

        :param transient: keep them in this object only; they go before those that are recorded.
        :raises NotFound: there is no such atom.
        """
        with self._hands:
            if transient:
                super().inject_atom_args(atom_name, pairs)
                return
            recorded = self.columns.metas.get(self._held(atom_name), {}).get(_INJECTED, {})
            self.update_atom_metadata(atom_name, {_INJECTED: {**recorded, **pairs}})
            self._atom_inputs[atom_name] = {**pairs, **self._atom_inputs.get(atom_name, {})}

    # -- metadata ----------------------------------------------------------------------------------

    def update_atom_metadata(self, atom_name: str, update_with: Mapping[str, Any] | None) -> None:
        """Add to an atom's metadata; recorded with the next step, or by itself where there was none for a second.

        :raises NotFound: there is no such atom.
        :raises NotStorable: it has no stored form; nothing is added.
        """
        with self._hands:
            node = self._held(atom_name)
            if update_with:
                meta = {**self.columns.metas.get(node, {}), **update_with}
                if self._recorder is not None:
                    self._recorder.stored_meta(node, meta)
                self.columns.metas[node] = meta
                self._note(node)

    def update_flow_metadata(self, update_with: Mapping[str, Any] | None) -> None:
        """Add to the flow's metadata, and record it, with whatever metadata of atoms is not recorded yet."""
        with self._hands:
            if update_with:
                self._flow_detail.meta = {**(self._flow_detail.meta or {}), **update_with}
                self._note_flow()

    def set_task_progress(self, task_name: str, progress: float, details: Mapping[str, Any] | None = None) -> None:
        """Keep how far a task is. Recorded with the next step, or by itself where there was none for a second.

        :param progress: 0.0 to 1.0.
        :param details: more about it; None leaves what was told before.
        :raises NotFound: there is no such task.
        """
        self._held(task_name)
        super().set_task_progress(task_name, progress, details)
