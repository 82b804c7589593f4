# SPDX-License-Identifier: Apache-2.0
"""The parallel engine: atoms that are ready run at the same time, on an executor of concurrent.futures."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from concurrent import futures
from typing import Any

from tfd import executors
from tfd import scheduler as machine
from tfd.engines import engine
from tfd.executors import calls, carriers
from tfd.persistence import base as persistence
from tfd.persistence import models
from tfd.plan import Kind
from tfd.scheduler import Code, Event, Executed, Reverted
from tfd.types import failure as ft

__all__ = ['ParallelEngine']

#: Atoms under way at once, running or handed over, where the executor has fewer workers: enough to keep those busy;
#: their starts share a transaction.
WINDOW = 500
#: Completions that are taken in one go, and share a transaction.
BATCH = 500
#: Seconds between two looks for a suspend while atoms run.
_PERIOD = 0.1

_RUNNING, _REVERTING = int(Code.RUNNING), int(Code.REVERTING)


class ParallelEngine(engine.ActionEngine):
    """Runs atoms that are ready at the same time.

    Completions are taken as they come: what an atom made ready starts without waiting for its siblings. Retries and
    deciders run in the thread of :meth:`run`.

    :param executor: option; an executor of :mod:`concurrent.futures` that the caller owns and closes, or the name of a
        kind of which the engine makes, and closes, its own at each run: ``threads`` by default.
    :param max_workers: option; how many workers an executor of the engine's own has.
    """

    _barrier = False
    _window = WINDOW

    def __init__(
        self, flow: Any, flow_detail: models.FlowDetail, backend: persistence.Backend | None,
        options: Mapping[str, Any], book: str | None = None,
    ) -> None:
        super().__init__(flow, flow_detail, backend, options, book)
        self._executor: futures.Executor | None = None
        self._carrier: carriers.Carrier | None = None

    def _begin(self) -> machine.Scheduler:
        self._executor = executors.acquire(self._options.get('executor'), self._options.get('max_workers'))
        self._carrier = executors.carrier(
            self._executor, self._ownership.check if self._ownership is not None else None, self._publisher.progress)
        self._scheduling = dataclasses.replace(
            self._scheduling, window=max(WINDOW, executors.capacity(self._executor)))
        return super()._begin()

    def _end(self) -> None:
        """Let nothing more begin; what runs after an error runs on without being waited for, its outcome unrecorded."""
        abandoned = self._carrier is not None and self._carrier.close()
        self._carrier = None
        if self._executor is not None:
            executors.release(self._options.get('executor'), self._executor, wait=not abandoned)
            self._executor = None

    def _start(self, node: int, reverting: bool, events: list[Event]) -> None:
        plan = self.plan
        atom = plan.atoms[node]
        self._dispatch(node, _REVERTING if reverting else _RUNNING)
        if reverting and (node in self._columns.uncalled or not calls.has_revert(atom)):
            events.append(Reverted((node, self._storage.reverted(node, None))))
            return
        is_retry = plan.kinds[node] == Kind.RETRY
        arguments: Any = {}
        if reverting or is_retry or plan.execute_arguments[node]:
            arguments = self._arguments(node, reverting)
        call = calls.revert if reverting else calls.execute
        if isinstance(arguments, ft.Failure):
            events.append(self._outcome(node, carriers.Uncalled(arguments)))
        elif is_retry:
            if self._ownership is not None:
                self._ownership.check()
            events.append(self._outcome(node, call(atom, arguments)))
        else:
            assert self._carrier is not None
            self._carrier.submit(node, call, atom, arguments)

    def _wait(self, timeout: float | None) -> list[Event]:
        assert self._carrier is not None
        outcome = self._outcome
        return [outcome(*ended) for ended in self._carrier.take(_PERIOD if timeout is None else timeout, BATCH)]

    def _outcome(self, node: int, value: Any) -> Event:
        uncalled = type(value) is carriers.Uncalled
        if uncalled:
            value = value.failure
        if self._storage.columns.states[node] == _REVERTING:
            return Reverted((node, self._storage.reverted(node, value)))
        if uncalled:
            return Executed((node, self._storage.not_called(node, value)))
        return Executed((node, self._storage.executed(node, value)))
