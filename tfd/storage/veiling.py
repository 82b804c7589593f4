# SPDX-License-Identifier: Apache-2.0
"""What is secret in a run: by which names, and what is known of it."""

from __future__ import annotations

from collections.abc import Iterable

from tfd.persistence import base
from tfd.plan import Plan
from tfd.storage.columns import NOTHING, Columns
from tfd.types.secret import Veil

__all__ = ['learn_recorded', 'named_nodes', 'veil_for']


def veil_for(journal: base.Journal | None) -> Veil:
    """Return the veil of a flow that is recorded there."""
    if journal is None or not journal.codec.sealing.has_names:
        return Veil()
    return Veil(journal.codec.sealing.is_named)


def named_nodes(plan: Plan, veil: Veil) -> frozenset[int]:
    """Return the nodes of the atoms that provide something whose name is secret."""
    def is_named(symbols: Iterable[str]) -> bool:
        return any(map(veil.is_named, symbols))

    return frozenset(node for node in plan.iter_atoms() if is_named(plan.atoms[node].save_as or ()))


def learn_recorded(veil: Veil, columns: Columns, named: frozenset[int]) -> None:
    """Learn what atoms came to in earlier runs, and what they are given beside the flow's inputs."""
    for node in columns.plan.iter_atoms():
        veil.learn(columns.plan.atoms[node].inject)
        if columns.results[node] is not NOTHING:
            veil.learn(columns.results[node], node in named)
    for node, history in columns.histories.items():
        for provided, _failures in history:
            veil.learn(provided, node in named)
    for node, result in columns.revert_results.items():
        veil.learn(result, node in named)
