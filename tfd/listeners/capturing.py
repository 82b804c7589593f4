# SPDX-License-Identifier: Apache-2.0
"""A listener that keeps what it hears, for tests and for finding out what a flow did."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tfd.listeners import base

__all__ = ['CaptureListener']


class CaptureListener(base.Listener):
    """Keeps what it hears in :attr:`values`, oldest first.

    An element is ``(kind, state, details)``, with :attr:`FLOW`, :attr:`TASK` or :attr:`RETRY` as its kind; a subclass
    that overrides :meth:`_format_capture` decides otherwise. What is kept is not let go of before the listener is:
    results and engines among it.

    :param capture_flow, capture_task, capture_retry: whether to keep what is heard of the flow, tasks, retries.
    :param skip_tasks, skip_retries, skip_flows: names that are not kept.
    :param values: the list to append to; a new one where it is not given.

    The other arguments are those of :class:`~tfd.listeners.base.Listener`.
    """

    #: Kinds.
    FLOW = 'flow'
    TASK = 'task'
    RETRY = 'retry'

    def __init__(
        self, engine: Any, task_listen_for: Any = base.DEFAULT_LISTEN_FOR,
        flow_listen_for: Any = base.DEFAULT_LISTEN_FOR, retry_listen_for: Any = base.DEFAULT_LISTEN_FOR,
        capture_flow: bool = True, capture_task: bool = True, capture_retry: bool = True,
        skip_tasks: Iterable[str] | None = None, skip_retries: Iterable[str] | None = None,
        skip_flows: Iterable[str] | None = None, values: list[Any] | None = None,
    ) -> None:
        super().__init__(engine, task_listen_for, flow_listen_for, retry_listen_for)
        self._kept = {self.FLOW: capture_flow, self.TASK: capture_task, self.RETRY: capture_retry}
        self._skipped = {
            self.FLOW: frozenset(skip_flows or ()), self.TASK: frozenset(skip_tasks or ()),
            self.RETRY: frozenset(skip_retries or ())}
        self.values: list[Any] = [] if values is None else values

    @staticmethod
    def _format_capture(kind: str, state: str, details: dict[str, Any]) -> Any:
        """Return what to keep."""
        return (kind, state, details)

    def _keep(self, kind: str, state: str, details: dict[str, Any]) -> None:
        if self._kept[kind] and details[kind + '_name'] not in self._skipped[kind]:
            self.values.append(self._format_capture(kind, state, details))

    def _flow_receiver(self, state: str, details: dict[str, Any]) -> None:
        self._keep(self.FLOW, state, details)

    def _task_receiver(self, state: str, details: dict[str, Any]) -> None:
        self._keep(self.TASK, state, details)

    def _retry_receiver(self, state: str, details: dict[str, Any]) -> None:
        self._keep(self.RETRY, state, details)
