# SPDX-License-Identifier: Apache-2.0
"""The flow that the daemons run: six tasks in a row, each of which makes one thing."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Mapping
from typing import Any

from tests.functional.fleet import ledger, points
from tfd import task
from tfd.patterns import linear_flow

__all__ = ['STEPS', 'six']

STEPS = 6


class _Step(task.Task):
    """Makes a thing once for its idempotency key, and removes it on revert.

    ``fleet`` has what the test wants of the job: its folder, the points, for how many seconds a
    task pauses once its effect is there, and which task fails then.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f'step-{number}', provides=f'thing-{number}')
        self._number = number

    def execute(
        self, fleet: Mapping[str, Any], tfd_job_id: str, tfd_epoch: int, tfd_idempotency_key: str,
    ) -> str:
        act = _Act(fleet, tfd_job_id, tfd_epoch, 'execute', self._number, tfd_idempotency_key)
        act.begin()
        thing = act.world.create(tfd_job_id, tfd_idempotency_key)
        act.end(thing)
        if fleet['fails'] == self._number:
            raise ValueError('told to fail')
        return thing

    def revert(
        self, fleet: Mapping[str, Any], tfd_job_id: str, tfd_epoch: int, tfd_idempotency_key: str,
        result: Any, **kwargs: Any,
    ) -> None:
        act = _Act(fleet, tfd_job_id, tfd_epoch, 'revert', self._number, tfd_idempotency_key)
        act.begin()
        act.world.delete(tfd_job_id, tfd_idempotency_key)
        act.end(result if isinstance(result, str) else '')


class _Act:
    """One call of a task, with its points and its lines in the ledger."""

    def __init__(
        self, fleet: Mapping[str, Any], job: str, epoch: int, action: str, number: int, key: str,
    ) -> None:
        folder = pathlib.Path(fleet['folder'])
        self.world = ledger.World(folder)
        self._ledger = ledger.Ledger(folder)
        self._fleet = fleet
        self._job = job
        self._about = (job, epoch, action, number)
        self._point = f'{action}:{number}'
        self._key = key

    def begin(self) -> None:
        self._note('start')
        self._reach('before')

    def end(self, value: str) -> None:
        self._note('effect', value)
        self._reach('effect')
        time.sleep(self._fleet['pause'])
        self._note('end', value)
        self._reach('return')

    def _note(self, what: str, value: str = '') -> None:
        self._ledger.note(*self._about, what, self._key, value)

    def _reach(self, where: str) -> None:
        points.reach(self._fleet, self._job, f'{self._point}:{where}')


def six() -> linear_flow.Flow:
    """Return the flow; it requires ``fleet``."""
    return linear_flow.Flow('six').add(*(_Step(number) for number in range(1, STEPS + 1)))
