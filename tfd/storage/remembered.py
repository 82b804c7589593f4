# SPDX-License-Identifier: Apache-2.0
"""Plans of atoms of which nothing is known but records, or that were added by hand: for storing, never to be run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tfd import plan as planning
from tfd import retry, task
from tfd.patterns import linear_flow, unordered_flow
from tfd.persistence import models
from tfd.plan import Plan

__all__ = ['plan_of', 'plan_of_atoms']


class _KnownTask(task.Task):
    """Stands for a task of which there is a record only."""

    def execute(self) -> None:
        """Do nothing."""


def plan_of(details: Iterable[models.AtomDetail]) -> Plan:
    """Return a plan of atoms that stand for these records."""
    return plan_of_atoms(
        retry.AlwaysRevert(detail.name) if isinstance(detail, models.RetryDetail) else _KnownTask(detail.name)
        for detail in details)


def plan_of_atoms(atoms: Iterable[Any]) -> Plan:
    """Return a plan of these atoms side by side."""
    flow = unordered_flow.Flow('')
    for atom in atoms:
        flow.add(linear_flow.Flow('', retry=atom) if isinstance(atom, retry.Retry) else atom)
    return planning.compile_flow(flow)
