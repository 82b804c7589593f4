# SPDX-License-Identifier: Apache-2.0
"""Asks retries and deciders, on behalf of the scheduler: they are code of the user's, and may raise."""

from __future__ import annotations

from typing import Any

from tfd import deciders
from tfd import retry as retries
from tfd.executors import calls
from tfd.plan import NOBODY, Plan
from tfd.scheduler import Answered, Ask, Code, Decide, Decided
from tfd.scheduler.vocabulary import FAILED
from tfd.storage import Storage

__all__ = ['ask', 'decide']

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
    columns = storage.columns
    gate = plan.gates[command.target]
    history: dict[str, Any] = {}
    asked = []
    for at, source in enumerate(gate.sources):
        if source == NOBODY:
            asked.append(at)
        elif columns.states[source] != _IGNORE:
            asked.append(at)
            history[plan.atoms[source].name] = columns.results[source]
    refused = []
    try:
        for at in asked:
            # Each may do with what it is given what it likes.
            if not gate.deciders[at](history=dict(history)):
                refused.append(gate.depths[at])
    except BaseException as err:
        storage.add_failure(command.target, calls.caught(plan.atoms[command.target], err))
        return Decided(command.target, FAILED)
    return Decided(command.target, deciders.pick_widest(refused).value if refused else '')
