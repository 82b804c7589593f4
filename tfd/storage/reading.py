# SPDX-License-Identifier: Apache-2.0
"""What is asked of a run: the values of arguments, and everything that can be read of flow and atoms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tfd import exceptions, states
from tfd.persistence import base, models
from tfd.plan.model import Argument, Kind
from tfd.retry import History
from tfd.scheduler import Code
from tfd.storage.columns import NOTHING, Columns
from tfd.storage.veiling import veil_for
from tfd.types import failure as ft
from tfd.types.secret import Secret, Veil

__all__ = ['IDEMPOTENCY_KEY', 'Reader']

#: Symbol of a text that is the same at every call of an atom in one run of its flow, whatever retries, crashes and
#: takeovers come in between: for tasks to pass to the services that they call. An input of that name goes first.
IDEMPOTENCY_KEY = 'tfd_idempotency_key'

_NOTHING_OF_ITS_OWN: dict[str, Any] = {}
_IGNORE = int(Code.IGNORE)
_AT_WORK = frozenset((Code.RUNNING, Code.REVERTING))
_READABLE = frozenset((Code.SUCCESS, Code.REVERTING, Code.REVERT_FAILURE))


class Reader:
    """The reading side of a storage. Safe from any thread; what is read changes as the engine goes on."""

    def __init__(self, flow_detail: models.FlowDetail, backend: base.Backend | None) -> None:
        self._flow_detail = flow_detail
        self._backend = backend
        self._journal = backend.journal() if backend is not None else None
        self._veil = veil_for(self._journal)
        self._has_names = bool(self._veil)
        self._secret_nodes: frozenset[int] = frozenset()
        self._inputs: dict[str, Any] = {}
        self._transient: dict[str, Any] = {}
        self._atom_inputs: dict[str, dict[str, Any]] = {}
        self._columns: Columns | None = None
        self._told: tuple[int, dict[str, ft.Failure]] | None = None

    @property
    def columns(self) -> Columns:
        """The values by node.

        :raises InvalidState: the engine is not prepared yet.
        """
        if self._columns is None:
            raise exceptions.InvalidState(f'flow {self.flow_name!r} is not prepared: nothing is known of its atoms')
        return self._columns

    @property
    def veil(self) -> Veil:
        """What hides the flow's secrets from whatever is shown of it."""
        return self._veil

    def _learn(self, pairs: Mapping[str, Any]) -> None:
        if Secret.made or self._has_names:
            self._veil.learn(pairs)

    # -- arguments ---------------------------------------------------------------------------------

    def has_input(self, symbol: str, atom: Any = None) -> bool:
        """Tell whether a symbol is an input of the flow, or of this atom."""
        if symbol in self._inputs or symbol in self._transient or symbol == IDEMPOTENCY_KEY:
            return True
        return atom is not None and (symbol in (atom.inject or ()) or symbol in self._atom_inputs.get(atom.name, ()))

    def arguments(self, node: int, arguments: Iterable[Argument]) -> dict[str, Any]:
        """Return the values of an atom's arguments, by name.

        Looked for in the atom's own inputs, the flow's, and then the providers that it can see, nearest first, ignored
        ones passed over.

        :raises NotFound: a value that is not optional is not there.
        """
        atom = self.columns.plan.atoms[node]
        own: Mapping[str, Any] = atom.inject or _NOTHING_OF_ITS_OWN
        if self._atom_inputs:
            own = {**own, **self._atom_inputs.get(atom.name, {})}
        transient, inputs = self._transient, self._inputs
        found: dict[str, Any] = {}
        for argument in arguments:
            name, symbol, _entry, _optional = argument
            if symbol in own:
                found[name] = own[symbol]
            elif symbol in transient:
                found[name] = transient[symbol]
            elif symbol in inputs:
                found[name] = inputs[symbol]
            else:
                self._provide(found, node, argument)
        return found

    def _provide(self, found: dict[str, Any], node: int, argument: Argument) -> None:
        columns = self.columns
        name, symbol, entry, optional = argument
        for provider, index in columns.plan.providers(entry, node):
            if columns.states[provider] == _IGNORE:
                continue
            value = columns.results[provider]
            if value is NOTHING:
                break
            if index is not None:
                value = _extract(value, index, symbol, columns.plan.atoms[provider].name)
            found[name] = value
            return
        if symbol == IDEMPOTENCY_KEY:
            found[name] = columns.uuid_of(node)
        elif not optional:
            atom = columns.plan.atoms[node]
            raise exceptions.NotFound(
                f'argument {name!r} of atom {atom.name!r}: nothing that it can see has provided {symbol!r}')

    def outcome_of(self, node: int) -> Any:
        """Return what a task's revert is told of its execute: the result, the Failure, or None for neither."""
        failure = self.columns.failures.get(node)
        if failure is not None:
            return failure
        result = self.columns.results[node]
        return None if result is NOTHING else result

    # -- reading -----------------------------------------------------------------------------------

    @property
    def flow_name(self) -> str:
        """The flow's name."""
        return self._flow_detail.name

    @property
    def flow_uuid(self) -> str:
        """The UUID of the flow's record."""
        return self._flow_detail.uuid

    @property
    def flow_meta(self) -> dict[str, Any]:
        """A copy of the flow's metadata."""
        return dict(self._flow_detail.meta or {})

    @property
    def backend(self) -> base.Backend | None:
        """Where the flow is recorded, or None."""
        return self._backend

    def _node(self, atom_name: str) -> int:
        node = self.columns.plan.by_name.get(atom_name)
        if node is None:
            raise exceptions.NotFound(f'Unknown atom name {atom_name!r} in flow {self.flow_name!r}')
        return node

    def get_flow_state(self) -> str:
        """Return the flow's state."""
        return self._flow_detail.state or states.PENDING

    def get_atom_state(self, atom_name: str) -> str:
        """Return an atom's state.

        :raises NotFound: there is no such atom.
        """
        return self.columns.state_of(self._node(atom_name))

    def get_atoms_states(self, atom_names: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Return ``{name: (state, intention)}``.

        :raises NotFound: one of them does not exist.
        """
        nodes = {name: self._node(name) for name in atom_names}
        return {name: (self.columns.state_of(node), self.columns.intention_of(node)) for name, node in nodes.items()}

    def running_atoms(self) -> list[str]:
        """Return the names of the atoms that are being executed or reverted now."""
        if self._columns is None:
            return []
        plan, seen = self._columns.plan, bytes(self._columns.states)
        return [plan.atoms[node].name for node in plan.iter_atoms() if seen[node] in _AT_WORK]

    def get_atom_uuid(self, atom_name: str) -> str:
        """Return an atom's UUID.

        :raises NotFound: there is no such atom.
        """
        return self.columns.uuid_of(self._node(atom_name))

    def get(self, atom_name: str) -> Any:
        """Return what an atom's execute returned, or its Failure; of a retry, its history in a list.

        :raises NotFound: there is no such atom, or it has done neither.
        """
        node = self._node(atom_name)
        failure = self.columns.failures.get(node)
        if failure is not None:
            return failure
        result = self.columns.results[node]
        if result is NOTHING or self.columns.states[node] not in _READABLE:
            raise exceptions.NotFound(f'Result for atom {atom_name!r} is not known ({self.get_atom_state(atom_name)})')
        return self.columns.stored_history(node) if self.columns.plan.kinds[node] == Kind.RETRY else result

    get_execute_result = get

    def get_revert_result(self, atom_name: str) -> Any:
        """Return what an atom's revert returned, or its Failure.

        :raises NotFound: there is no such atom, or it was not reverted.
        """
        node = self._node(atom_name)
        if node in self.columns.revert_failures:
            return self.columns.revert_failures[node]
        if self.columns.states[node] != Code.REVERTED:
            raise exceptions.NotFound(f'Revert result for atom {atom_name!r} is not known')
        return self.columns.revert_results.get(node)

    def flow_failures(self) -> dict[str, ft.Failure]:
        """Return ``{atom name: Failure}`` for reverts: one dictionary for all of them until there is news."""
        changes = self.columns.failure_changes
        if self._told is None or self._told[0] != changes:
            self._told = changes, self.get_execute_failures()
        return self._told[1]

    def get_execute_failures(self) -> dict[str, ft.Failure]:
        """Return ``{atom name: Failure}`` of the failures of execute, of atoms too that the flow has no more."""
        columns = self.columns
        return {**columns.gone, **self._named(columns.failures)}

    def get_revert_failures(self) -> dict[str, ft.Failure]:
        """Return ``{atom name: Failure}`` of the failures of revert."""
        return self._named(self.columns.revert_failures)

    def get_failures(self) -> dict[str, ft.Failure]:
        """Return both kinds of failures; of an atom that has both that of execute."""
        return {**self.get_revert_failures(), **self.get_execute_failures()}

    def has_failures(self) -> bool:
        """Tell whether there are failures of either kind."""
        return bool(self.columns.failures or self.columns.revert_failures or self.columns.gone)

    def _named(self, failures: Mapping[int, ft.Failure]) -> dict[str, ft.Failure]:
        return {self.columns.plan.atoms[node].name: failure for node, failure in dict(failures).items()}

    def fetch(self, name: str, many_handler: Callable[[list[Any]], Any] | None = None) -> Any:
        """Return the value of a symbol: an input, or what an atom provided.

        :param many_handler: given all values, inputs first and then those of atoms in the flow's order, returns the one
            meant; the first by default.
        :raises NotFound: nothing provides it, or what does has not.
        """
        providers = self._providers_of(name)
        values = [inputs[name] for inputs in (self._inputs, self._transient) if name in inputs]
        values += [value for value in (self._value_of(*provider) for provider in providers) if value is not NOTHING]
        if not values and providers:
            names = [self.columns.plan.atoms[node].name for node, _ in providers]
            raise exceptions.NotFound(
                f'Unable to find result {name!r}: it is to be provided by {names}, and none of them has a result that'
                ' holds it')
        if not values:
            raise exceptions.NotFound(f"Name '{name}' is not mapped as a produced output by any providers")
        return many_handler(values) if many_handler is not None else values[0]

    def fetch_all(self, many_handler: Callable[[list[Any]], Any] | None = None) -> dict[str, Any]:
        """Return the values of all symbols that have one, inputs included.

        :param many_handler: given all values of a symbol, in the order of :meth:`fetch`, returns what to put in
            their place; by default the list of them.
        """
        several = self._provided() if self._is_known() else {}
        for inputs in (self._transient, self._inputs):
            for symbol, value in inputs.items():
                several.setdefault(symbol, []).insert(0, value)
        return {
            symbol: many_handler(found) if many_handler is not None else found if len(found) > 1 else found[0]
            for symbol, found in several.items()}

    def _is_known(self) -> bool:
        """Tell whether anything is known of the atoms."""
        return self._columns is not None

    def _provided(self) -> dict[str, list[Any]]:
        several: dict[str, list[Any]] = {}
        for node, atom in enumerate(self.columns.plan.atoms):
            if atom is not None and atom.save_as:
                for symbol, index in atom.save_as.items():
                    value = self._value_of(node, index)
                    if value is not NOTHING:
                        several.setdefault(symbol, []).append(value)
        return several

    def _providers_of(self, symbol: str) -> list[tuple[int, Any]]:
        plan = self.columns.plan
        return [
            (node, plan.atoms[node].save_as[symbol]) for node in range(len(plan))
            if plan.atoms[node] is not None and symbol in plan.atoms[node].save_as]

    def _value_of(self, node: int, index: Any) -> Any:
        """Return an element of an atom's result, its failure where it failed, NOTHING where it has neither."""
        columns = self.columns
        if columns.states[node] in _READABLE and columns.results[node] is not NOTHING:
            try:
                value = columns.results[node]
                return value if index is None else value[index]
            except (IndexError, KeyError, TypeError):
                return NOTHING
        return columns.failures.get(node, NOTHING)

    # -- retries -----------------------------------------------------------------------------------

    def get_retry_history(self, retry_name: str) -> History:
        """Return a retry's history.

        :raises NotFound: there is no such atom.
        :raises TypeError: it is not a retry.
        """
        node = self._node(retry_name)
        if self.columns.plan.kinds[node] != Kind.RETRY:
            raise TypeError(f'atom {retry_name!r} of flow {self.flow_name!r} is a task, not a retry: it has no history')
        return self.history_of(node)

    def history_of(self, node: int) -> History:
        """Return the history of the retry at a node."""
        return History(self.columns.stored_history(node), self.columns.failures.get(node))

    # -- progress ----------------------------------------------------------------------------------

    def get_task_progress(self, task_name: str) -> float:
        """Return how far a task is, 0.0 where it never told.

        :raises NotFound: there is no such task.
        """
        progress: float = self.columns.progress_of(self._node(task_name)).get('progress', 0.0)
        return progress

    def get_task_progress_details(self, task_name: str) -> Any:
        """Return what a task told about its progress, or None.

        :raises NotFound: there is no such task.
        """
        return self.columns.progress_of(self._node(task_name)).get('progress_details')


def _extract(value: Any, index: Any, symbol: str, provider: str) -> Any:
    try:
        return value[index]
    except (IndexError, KeyError, TypeError) as err:
        raise exceptions.NotFound(
            f'{symbol!r} is element {index!r} of the result of atom {provider!r}, which is a'
            f' {type(value).__name__} without it') from err
