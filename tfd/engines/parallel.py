# SPDX-License-Identifier: Apache-2.0
"""The parallel engine: atoms that are ready run at the same time, on an executor of concurrent.futures."""

from __future__ import annotations

import queue
from collections.abc import Mapping
from concurrent import futures
from typing import Any

from tfd import exceptions, executors
from tfd import scheduler as machine
from tfd.engines import calls, engine
from tfd.persistence import base as persistence
from tfd.persistence import models
from tfd.scheduler import Code, Event, Executed, Reverted
from tfd.types import failure as ft

__all__ = ['ParallelEngine']

#: Atoms under way at once, running or handed over: enough to keep any pool busy; their starts share a transaction.
WINDOW = 500
#: Completions that are taken in one go, and share a transaction.
BATCH = 500
#: Seconds between two looks for a suspend while atoms run.
_PERIOD = 0.1


class ParallelEngine(engine.ActionEngine):
    """Runs atoms that are ready at the same time.

    Completions are taken as they come: what an atom made ready starts without waiting for its siblings.

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
        executors.check(options.get('executor'))
        self._executor: futures.Executor | None = None
        self._under_way: dict[Any, tuple[int, bool]] = {}
        self._ended: Any = None

    def _begin(self) -> machine.Scheduler:
        self._executor = executors.acquire(self._options.get('executor'), self._options.get('max_workers'))
        self._ended = executors.completions(self._executor)
        return super()._begin()

    def _end(self) -> None:
        """Let nothing more begin; what runs after an error runs on without being waited for, its outcome unrecorded."""
        for future in self._under_way:
            future.cancel()
        abandoned = bool(self._under_way)
        self._under_way.clear()
        if self._executor is not None:
            executors.release(self._options.get('executor'), self._executor, wait=not abandoned)
            self._executor = None

    def _start(self, node: int, reverting: bool, events: list[Event]) -> None:
        atom = self.plan.atoms[node]
        self._dispatch(node, int(Code.REVERTING if reverting else Code.RUNNING))
        if reverting and not calls.has_revert(atom):
            events.append(Reverted(node, self._storage.reverted(node, None)))
            return
        arguments = self._arguments(node, reverting)
        if isinstance(arguments, ft.Failure):
            events.append(self._outcome(node, reverting, arguments))
            return
        assert self._executor is not None
        call = calls.revert if reverting else calls.execute
        try:
            future = self._executor.submit(self._call, call, atom, arguments)
        except RuntimeError as err:
            raise exceptions.ExecutionFailure(
                f'atom {atom.name!r} cannot be handed to {self._executor!r}: {err}') from err
        self._under_way[future] = (node, reverting)
        future.add_done_callback(self._ended.put)

    def _call(self, call: Any, atom: Any, arguments: Any) -> Any:
        """Run in a worker: look at the claim, then call at once."""
        if self._ownership is not None:
            self._ownership.check()
        return calls.in_context(self._publisher.progress, call, atom, arguments)

    def _wait(self, timeout: float | None) -> list[Event]:
        events: list[Event] = []
        if not self._under_way:
            return events
        try:
            future = self._ended.get(timeout=_PERIOD if timeout is None else timeout)
        except queue.Empty:
            return events
        while True:
            known = self._under_way.pop(future, None)
            if known is not None:
                # Raises what the call must not hide: the claim is lost, the process is to end.
                events.append(self._outcome(*known, future.result()))
            if len(events) >= BATCH:
                return events
            try:
                future = self._ended.get_nowait()
            except queue.Empty:
                return events

    def _outcome(self, node: int, reverting: bool, value: Any) -> Event:
        if reverting:
            return Reverted(node, self._storage.reverted(node, value))
        return Executed(node, self._storage.executed(node, value))
