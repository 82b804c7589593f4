# SPDX-License-Identifier: Apache-2.0
"""Writes of an engine while the database is away: they wait and are tried again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import tenacity

from tfd import exceptions
from tfd.persistence import base as persistence
from tfd.storage import Storage

__all__ = ['PATIENCE', 'Patience']

LOG = logging.getLogger(__name__)

#: Seconds for which steps that cannot be recorded are tried again, unless the engine runs a job: then for as long as
#: that is owned.
PATIENCE = 60.0


class Patience:
    """Writes on behalf of one engine.

    A job's flow waits for as long as the job is owned and not to be handed over, another for the patience.

    :param options: those of the engine: ``patience`` and ``sleep``.
    :param suspending: tells whether the flow is to come to rest.
    """

    def __init__(
        self, storage: Storage, ownership: persistence.Ownership | None, options: Mapping[str, Any],
        suspending: Callable[[], bool],
    ) -> None:
        self._storage = storage
        self._ownership = ownership
        self._options = options
        self._suspending = suspending

    def write(self, write: Callable[[], None]) -> None:
        """Write; while the database is away, wait and try again.

        :raises OwnershipLost: the claim ended meanwhile.
        :raises StorageUnavailable: the waiting is over.
        """
        try:
            write()
        except exceptions.StorageUnavailable as err:
            self._write_later(write, err)

    def _write_later(self, write: Callable[[], None], first: exceptions.StorageUnavailable) -> None:
        """Go on trying to write, after a first try that failed. What makes tries costs more than one that succeeds."""
        failed = [first]
        for attempt in tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(exceptions.StorageUnavailable), stop=self._gives_up,
            wait=tenacity.wait_random_exponential(0.05, max=2.0),
            sleep=self._options.get('sleep', time.sleep), before_sleep=self._before_waiting, reraise=True,
        ):
            with attempt:
                if failed:
                    raise failed.pop()
                write()

    def _gives_up(self, attempt: tenacity.RetryCallState) -> bool:
        if self._ownership is not None:
            return self._suspending()
        patience: float = self._options.get('patience', PATIENCE)
        return (attempt.seconds_since_start or 0.0) >= patience

    def _before_waiting(self, attempt: tenacity.RetryCallState) -> None:
        if attempt.attempt_number == 1:
            # Once for each step that has to wait: an outage is one event, however often it is tried.
            fence = self._ownership.fence if self._ownership is not None else None
            job = fence.job if fence is not None else ''
            LOG.warning(
                'flow %s (%s) job=%s: a step cannot be recorded now, trying again: %s', self._storage.flow_name,
                self._storage.flow_uuid, job, attempt.outcome.exception() if attempt.outcome else '')
        if self._ownership is not None:
            self._ownership.check()
