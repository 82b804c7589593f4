# SPDX-License-Identifier: Apache-2.0
"""What every engine offers."""

from __future__ import annotations

import abc
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from tfd.persistence import base as persistence
from tfd.persistence import models
from tfd.storage import Storage
from tfd.types.notifier import Notifier

__all__ = ['Engine', 'seconds']


def seconds(timeout: float | None, least: float = 0) -> float | None:
    """Return a timeout as it can be waited for: not below the least, and no longer than a wait can last.

    :raises TypeError, ValueError: it is no number.
    """
    if timeout is None:
        return None
    if not isinstance(timeout, int | float):
        raise TypeError(f'timeout must be a number of seconds or None, not {timeout!r} ({type(timeout).__name__})')
    if timeout != timeout:
        raise ValueError(f'timeout must be a number of seconds or None, not {timeout}')
    return min(max(timeout, least), threading.TIMEOUT_MAX)


class Engine(abc.ABC):
    """Runs one flow, or goes on running it. Made by :func:`tfd.engines.load`; driven from one thread at a time.

    :param flow: what to run.
    :param flow_detail: the record of the run; shows the atoms once the engine is prepared.
    :param backend: where steps are recorded, None to keep them in memory.
    :param options: see the engine's class.
    """

    def __init__(
        self, flow: Any, flow_detail: models.FlowDetail, backend: persistence.Backend | None, options: Mapping[str, Any]
    ) -> None:
        self._flow = flow
        self._flow_detail = flow_detail
        self._backend = backend
        self._options = dict(options)
        self._notifier = Notifier()
        self._atom_notifier = Notifier()

    @property
    def notifier(self) -> Notifier:
        """Tells of the flow's states, after they are recorded.

        The details are ``engine``, ``flow_name``, ``flow_uuid`` and ``old_state``.
        """
        return self._notifier

    @property
    def atom_notifier(self) -> Notifier:
        """Tells of the atoms' states, after they are recorded; of RUNNING and REVERTING just before the call.

        The details are ``task_name`` and ``task_uuid``, or ``retry_name`` and ``retry_uuid``, ``old_state``, and with
        SUCCESS, FAILURE, REVERTED and REVERT_FAILURE the ``result``.
        """
        return self._atom_notifier

    @property
    def options(self) -> dict[str, Any]:
        """The options that the engine was made with."""
        return self._options

    @property
    @abc.abstractmethod
    def storage(self) -> Storage:
        """States, results and inputs of the run."""

    @property
    @abc.abstractmethod
    def statistics(self) -> dict[str, Any]:
        """How much was done so far: ``steps`` recorded, and ``active_for`` seconds of running."""

    @abc.abstractmethod
    def compile(self) -> None:
        """Make the plan; once, further calls do nothing.

        :raises Duplicate, CompilationFailure: the flow cannot be run; CoroutineRefused, a CompilationFailure, where
            an atom has an ``async def`` to be called.
        """

    @abc.abstractmethod
    def prepare(self) -> None:
        """Record the flow, or load what is recorded of it; once, further calls do nothing. Compiles first.

        :raises StorageUnavailable, OwnershipLost, NotStorable: it cannot be recorded.
        """

    @abc.abstractmethod
    def validate(self) -> None:
        """Check that whatever an atom requires is there. Prepares first.

        :raises MissingDependencies: something is not.
        """

    @abc.abstractmethod
    def run(self, timeout: float | None = None) -> None:
        """Run the flow until it comes to rest: to its end, reverted, or suspended. Prepares and validates first.

        :param timeout: seconds to wait for a running atom before looking for a suspend again; less than 0.01 is taken
            as that, and None as 0.1.
        :raises TypeError, ValueError: the timeout is no number; nothing has begun.
        :raises Exception: what the failed atom raised, where one alone failed in this process.
        :raises WrappedFailure: several failed, or one whose failure was recorded by another process.
        :raises KeyboardInterrupt, SystemExit: raised in this thread; the flow is SUSPENDED, and can be resumed.
        :raises ExecutionFailure: the executor takes no calls, or has dropped some; likewise.
        :raises OwnershipLost: the job is somebody else's by now; nothing more was done.
        :raises StorageUnavailable: steps cannot be recorded; nothing was reverted because of it, the flow can be
            resumed.
        """

    @abc.abstractmethod
    def run_iter(self, timeout: float | None = None) -> Iterator[str]:
        """Run as :meth:`run` does, yielding what the engine is about to do; ``send(True)`` suspends.

        :param timeout: as that of :meth:`run`; 0, or less, waits for nothing: whoever takes the steps waits.
        """

    @abc.abstractmethod
    def suspend(self) -> None:
        """Let the flow come to rest once the atoms that run have ended; may be called from any thread.

        :raises InvalidState: the engine is not compiled.
        """

    @abc.abstractmethod
    def reset(self) -> None:
        """Make the flow as it was before its first run.

        :raises InvalidState: it is running, suspended, or was not prepared.
        """
