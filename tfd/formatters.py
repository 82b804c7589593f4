# SPDX-License-Identifier: Apache-2.0
"""Puts failures into words, for logs."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any

from tfd import exceptions, retry, states
from tfd.plan import Kind, Plan
from tfd.types import failure as ft
from tfd.types.secret import MASK, Veil

__all__ = ['FailureFormatter', 'Node']

#: How many predecessors are told of: more than a reader wants, and little beside a flow of 100,000 atoms.
_MOST = 100

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    """An atom in its flow, as matchers see it.

    :ivar item: the atom.
    :ivar metadata: ``{'kind': 'task'}`` or ``{'kind': 'retry'}``.
    """

    item: Any
    metadata: Mapping[str, Any]


class FailureFormatter:
    """Tells what an atom was given, and by which atoms, when it failed.

    What is secret in the flow is masked, whatever the arguments say.

    :param engine: runs the atom, or did.
    :param hide_inputs_outputs_of: names of atoms of which neither arguments nor results are told.
    :param mask_inputs_keys: names of arguments, and keys inside of arguments, whose values are not told.
    :param mask_outputs_keys: symbols that atoms provide, and keys inside of results, whose values are not told.
    """

    def __init__(
        self, engine: Any, hide_inputs_outputs_of: Iterable[str] = (), mask_inputs_keys: Iterable[str] = (),
        mask_outputs_keys: Iterable[str] = (),
    ) -> None:
        self._engine = engine
        self._hide_inputs_outputs_of = frozenset(hide_inputs_outputs_of)
        self._mask_inputs_keys = frozenset(mask_inputs_keys)
        self._mask_outputs_keys = frozenset(mask_outputs_keys)

    def format(self, fail: ft.Failure, atom_matcher: Callable[[Node], Any]) -> tuple[_ExcInfo | None, str]:
        """Return what was raised, and a text for whoever looks into it.

        The text has the traceback where the exception itself is no longer there, or has secrets in its text, and
        the atoms that ran before the failed one, as long as that one is not reverted.

        :param atom_matcher: called with a :class:`Node` for each atom of the flow, tells whether that one failed.
        :returns: ``(exc_info, text)``; ``exc_info`` is None where the failure was recorded by another process, or is
            not to be logged as it is.
        """
        # What was raised has the secrets that are masked in the failure's texts.
        exc_info = None if fail.is_veiled else fail.exc_info
        parts = [] if exc_info is not None else [fail.pformat(traceback=True)]
        plan: Plan = self._engine.plan
        found = next((node for node in plan.iter_atoms() if atom_matcher(_node_of(plan, node))), None)
        if found is not None and self._is_unresolved(plan.atoms[found].name):
            parts.append(self._tell_predecessors(plan, found))
        return exc_info, '\n'.join(part for part in parts if part)

    def _is_unresolved(self, name: str) -> bool:
        try:
            state, intention = self._engine.storage.get_atoms_states([name])[name]
        except exceptions.TaskFlowException:
            # The engine is not prepared: nothing has run.
            return False
        return bool(state == states.FAILURE or intention == states.EXECUTE)

    def _tell_predecessors(self, plan: Plan, failed: int) -> str:
        before, more = _predecessors(plan, failed)
        if not before:
            return ''
        cache: dict[str, Any] = {}
        lines = [f'{len(before)}{" or more" if more else ""} predecessors, the nearest first:']
        for node, depth in before:
            lines.append('  ' * (depth + 1) + self._format_node(self._engine.storage, cache, _node_of(plan, node)))
        return '\n'.join(lines)

    def _format_node(self, storage: Any, cache: dict[str, Any], node: Node) -> str:
        """Return one line about an atom.

        :param cache: of whoever overrides this; lives for one call of :meth:`format`.
        """
        name = node.item.name
        state, intention = storage.get_atoms_states([name])[name]
        told = {'intention': intention, 'state': state}
        if name not in self._hide_inputs_outputs_of:
            told.update(self._values(storage, node.item))
        return f'{node.metadata["kind"]} {name!r} {told}'

    def _values(self, storage: Any, atom: Any) -> dict[str, Any]:
        values = {}
        try:
            arguments = storage.fetch_mapped_args(atom.rebind, atom_name=atom.name, optional_args=atom.optional)
            values['requires'] = self._veil.value(self._mask_keys(arguments, self._mask_inputs_keys))
        except exceptions.NotFound:
            # What it needed is gone again.
            pass
        try:
            result = storage.get_execute_result(atom.name)
        except exceptions.NotFound:
            return values
        values['provides'] = self._masked(atom, result[-1][0] if isinstance(atom, retry.Retry) else result)
        return values

    def mask_result(self, atom_name: str, result: Any) -> Any:
        """Return an atom's result with the values masked that are not to be told."""
        plan: Plan = self._engine.plan
        return self._masked(plan.atoms[plan.by_name[atom_name]], result)

    def _masked(self, atom: Any, result: Any) -> Any:
        masks, veil = self._mask_outputs_keys, self._veil
        masked = [index for symbol, index in atom.save_as.items() if symbol in masks or veil.is_named(symbol)]
        if None in masked:
            return MASK
        hidden = {index for index in masked if isinstance(index, int)}
        if hidden and isinstance(result, list | tuple):
            result = [MASK if at in hidden else item for at, item in enumerate(result)]
        return veil.value(self._mask_keys(result, masks))

    @property
    def _veil(self) -> Veil:
        veil: Veil = self._engine.storage.veil
        return veil

    def _mask_keys(self, data: Any, mask_keys: Iterable[str]) -> Any:
        """Return the data with the values of some keys masked, in whatever dictionaries, lists and tuples it has."""
        if isinstance(data, Mapping):
            return {
                key: MASK if key in mask_keys else self._mask_keys(value, mask_keys) for key, value in data.items()}
        if type(data) in (list, tuple):
            return type(data)(self._mask_keys(item, mask_keys) for item in data)
        return data


def _node_of(plan: Plan, node: int) -> Node:
    kind = 'retry' if plan.kinds[node] == Kind.RETRY else 'task'
    return Node(plan.atoms[node], {'kind': kind})


def _predecessors(plan: Plan, node: int) -> tuple[list[tuple[int, int]], bool]:
    """Return the atoms before one, as ``(node, depth)`` in the order of a tree, and whether there are more.

    Each atom comes once, under the one through which it is nearest.
    """
    children: dict[int, list[int]] = {node: []}
    seen = {node}
    queue = collections.deque([(node, node)])
    while queue and len(children) <= _MOST:
        current, behind = queue.popleft()
        for before in plan.predecessors[current]:
            if before in seen:
                continue
            seen.add(before)
            if plan.kinds[before] == Kind.JOIN:
                queue.append((before, behind))
            elif len(children) <= _MOST:
                children[before] = []
                children[behind].append(before)
                queue.append((before, before))
    found: list[tuple[int, int]] = []
    stack = [(child, 0) for child in reversed(children[node])]
    while stack:
        current, depth = stack.pop()
        found.append((current, depth))
        stack += [(child, depth + 1) for child in reversed(children[current])]
    return found, bool(queue)
