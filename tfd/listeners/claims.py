# SPDX-License-Identifier: Apache-2.0
"""A listener that looks, as a flow goes on, whether its job is still claimed by who runs it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from tfd import exceptions, states
from tfd.listeners import base

__all__ = ['CheckingClaimListener']

LOG = logging.getLogger(__name__)


class CheckingClaimListener(base.Listener):
    """Suspends an engine that runs a job of somebody else's.

    Asks the board at every state of the flow and its tasks, before an execute and after it. That narrows the time in
    which two engines run one job and does not close it: what an engine that lost its job has begun, it ends, and it
    records what that came to. A job that tfd's own conductors run needs no such listener: it is fenced.

    :param job: has a ``state``.
    :param board: ``find_owner(job)`` returns who claims the job, None where nobody does.
    :param owner: who should.
    :param on_job_loss: called as ``on_job_loss(engine, state, details)`` instead of suspending, at each state that is
        come to while the claim is lost.
    :raises ValueError: ``on_job_loss`` cannot be called.
    """

    _engine: Any

    def __init__(
        self, engine: Any, job: Any, board: Any, owner: str,
        on_job_loss: Callable[[Any, str, dict[str, Any]], Any] | None = None,
    ) -> None:
        if on_job_loss is not None and not callable(on_job_loss):
            raise ValueError(f"custom 'on_job_loss' handler must be callable, {on_job_loss!r} is not")
        super().__init__(engine)
        self._job = job
        self._board = board
        self._owner = owner
        self._on_job_loss = on_job_loss if on_job_loss is not None else self._suspend_engine_on_loss

    def _suspend_engine_on_loss(self, engine: Any, state: str, details: dict[str, Any]) -> None:
        try:
            engine.suspend()
        except exceptions.TaskFlowException:
            LOG.warning(
                'engine %s could not be suspended, job %s was lost at state %s', engine, self._job, state,
                exc_info=True)

    def _flow_receiver(self, state: str, details: dict[str, Any]) -> None:
        self._claim_checker(state, details)

    def _task_receiver(self, state: str, details: dict[str, Any]) -> None:
        self._claim_checker(state, details)

    def _has_been_lost(self) -> bool:
        """Tell whether the job is not claimed, or not by the owner, or cannot be asked about."""
        try:
            state = self._job.state
            owner = self._board.find_owner(self._job)
        except (exceptions.JobFailure, exceptions.NotFound):
            return True
        return bool(state == states.UNCLAIMED or owner != self._owner)

    def _claim_checker(self, state: str, details: dict[str, Any]) -> None:
        if not self._has_been_lost():
            LOG.debug('job %s is still claimed by %r', self._job, self._owner)
            return
        LOG.warning('job %s is not claimed by %r any more', self._job, self._owner)
        self._on_job_loss(self._engine, state, details)
