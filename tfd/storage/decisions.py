# SPDX-License-Identifier: Apache-2.0
"""What a scheduler decided, under names that another process finds its nodes by.

Subjects are ``scope:NAME`` (the verdict on the scope of that retry, on the whole flow where NAME is empty),
``asked:NAME`` (how many retries have said REVERT to that atom's failure, the next being asked) and ``gate:NAME`` (what
the deciders before that atom answered).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tfd.persistence.record import DecisionRecord
from tfd.plan import NOBODY, Plan
from tfd.scheduler import Asked, Gated, Judged
from tfd.storage.columns import Columns

__all__ = ['found', 'in_force', 'next_record']


def next_record(plan: Plan, flow: str, item: Any, known: Mapping[str, DecisionRecord]) -> DecisionRecord:
    """Return the record of a transition that is a decision.

    :param known: the decisions in force, by subject.
    :raises TypeError: the transition is none.
    """
    if isinstance(item, Gated):
        subject, answer = f'gate:{plan.atoms[item.target].name}', item.answer
    elif isinstance(item, Judged):
        retry = plan.scopes[item.scope].retry
        subject, answer = f'scope:{plan.atoms[retry].name if retry != NOBODY else ""}', item.verdict
    elif isinstance(item, Asked):
        subject, answer = f'asked:{plan.atoms[item.node].name}', str(item.level or '')
    else:
        raise TypeError(f'{item!r} is no decision')
    before = known.get(subject)
    attempt = (before.attempt if before is not None else 0) + bool(answer)
    return DecisionRecord(flow, subject, attempt, answer)


def in_force(columns: Columns) -> list[DecisionRecord]:
    """Return the records of what was decided and has not been forgotten."""
    atoms = columns.plan.atoms
    return [
        *columns.decisions.values(),
        *(DecisionRecord(columns.flow_uuid, f'gate:{atoms[target].name}', 1, 'yes') for target in columns.passed)]


def found(plan: Plan, decisions: Iterable[DecisionRecord]) -> dict[str, dict[int, Any]]:
    """Return ``{'scope': {scope: verdict}, 'asked': {node: level}, 'gate': {node: answer}}`` of decisions in force.

    Those whose subject the plan does not have are left out.
    """
    scopes = {'': 0, **{str(plan.atoms[scope.retry].name): at for at, scope in enumerate(plan.scopes) if at}}
    result: dict[str, dict[int, Any]] = {'scope': {}, 'asked': {}, 'gate': {}}
    for row in decisions:
        kind, _, name = row.subject.partition(':')
        at = (scopes if kind == 'scope' else plan.by_name).get(name)
        if at is not None and kind in result and row.answer:
            result[kind][at] = int(row.answer) if kind == 'asked' else row.answer
    return result
