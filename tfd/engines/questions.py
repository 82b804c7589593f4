# SPDX-License-Identifier: Apache-2.0
"""Asks retries and deciders, on behalf of the scheduler: they are code of the user's, and may raise."""

from __future__ import annotations

from typing import Any

from tfd import deciders
from tfd import retry as retries
from tfd.executors import calls
from tfd.plan import NOBODY, Plan
from tfd.plan.model import Gate
from tfd.scheduler import Answered, Ask, Code, Decide, Decided
from tfd.scheduler.vocabulary import FAILED
from tfd.storage import Storage
from tfd.storage.columns import Columns

__all__ = ['answer', 'ask', 'decide']

_DECISIONS = tuple(retries.Decision)
_IGNORE = int(Code.IGNORE)


def ask(storage: Storage, plan: Plan, command: Ask) -> Answered:
    """Ask a retry about a failure."""
    failure = storage.columns.failures[command.node]
    storage.blame(command.retry, str(plan.atoms[command.blamed].name), failure)
    retry = plan.atoms[command.retry]
    try:
        arguments = storage.arguments(command.retry, plan.execute_arguments[command.retry])
        answer = retry.on_failure(history=storage.history_of(command.retry), **arguments)
        if answer not in _DECISIONS:
            raise TypeError(
                f'retry {retry.name!r} answered {answer!r} to a failure; RETRY, REVERT or REVERT_ALL is expected')
    except BaseException as err:
        failed = calls.caught(retry, err)
        # Where it has failed in this way before, that is what is recorded and was decided about.
        if storage.columns.states[command.retry] != Code.FAILURE:
            storage.add_failure(command.retry, failed)
        return Answered(command.retry, '')
    return Answered(command.retry, str(answer))


def decide(storage: Storage, plan: Plan, command: Decide) -> Decided:
    """Ask all the deciders that can keep an atom from starting."""
    return Decided(command.target, answer(storage, plan, command.target))


def answer(storage: Storage, plan: Plan, target: int) -> str:
    """Ask the deciders of a target; return what :class:`~tfd.scheduler.Decided` says of them."""
    columns = storage.columns
    gate = plan.gates[target]
    source = gate.sources[0]
    try:
        if len(gate.sources) == 1 and source != NOBODY and columns.states[source] != _IGNORE:
            # As most are: without the lists that several take.
            yes = gate.deciders[0](history={plan.atoms[source].name: columns.results[source]})
            return '' if yes else gate.depths[0].value
        return _ask_all(columns, gate)
    except BaseException as err:
        storage.add_failure(target, calls.caught(plan.atoms[target], err))
        return FAILED


def _ask_all(columns: Columns, gate: Gate) -> str:
    atoms = columns.plan.atoms
    history: dict[str, Any] = {}
    asked = []
    for at, source in enumerate(gate.sources):
        if source == NOBODY:
            asked.append(at)
        elif columns.states[source] != _IGNORE:
            asked.append(at)
            history[atoms[source].name] = columns.results[source]
    # Each may do with what it is given what it likes.
    refused = [gate.depths[at] for at in asked if not gate.deciders[at](history=dict(history))]
    return deciders.pick_widest(refused).value if refused else ''
