# SPDX-License-Identifier: Apache-2.0
"""Listeners that note when things happened, and how long they took."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from typing import Any

from tfd import exceptions, states
from tfd.listeners import base

__all__ = ['DurationListener', 'EventTimeListener', 'PrintingDurationListener']

LOG = logging.getLogger(__name__)

_STARTING = frozenset((states.RUNNING, states.REVERTING))
_FINISHED = frozenset(base.FINISH_STATES)
_WATCHED = tuple(sorted((states.PENDING, *_STARTING, *_FINISHED)))


class DurationListener(base.Listener):
    """Notes how long the flow, and each execute and revert of its tasks, took.

    The seconds are put under ``duration`` in the metadata of the flow detail and of the atom detail; of an atom that
    is executed or reverted more than once, the latest.
    """

    _engine: Any

    def __init__(self, engine: Any) -> None:
        super().__init__(engine, task_listen_for=_WATCHED, flow_listen_for=_WATCHED)
        self._begun: dict[str, dict[str, float]] = {'task': {}, 'flow': {}}

    def deregister(self) -> None:
        """Hear nothing any more; warn of what has begun and not ended."""
        super().deregister()
        for kind, begun in self._begun.items():
            if begun:
                LOG.warning('%d %s(s) began and did not end while listened to: %s', len(begun), kind, sorted(begun))
                begun.clear()

    def _flow_receiver(self, state: str, details: dict[str, Any]) -> None:
        self._receiver('flow', details['flow_name'], state)

    def _task_receiver(self, state: str, details: dict[str, Any]) -> None:
        self._receiver('task', details['task_name'], state)

    def _receiver(self, item_type: str, item_name: str, state: str) -> None:
        """Take a state of the flow or a task."""
        begun = self._begun[item_type]
        if state == states.PENDING:
            begun.pop(item_name, None)
        elif state in _STARTING:
            begun[item_name] = time.monotonic()
        elif state in _FINISHED and item_name in begun:
            self._record_ending(time.monotonic() - begun.pop(item_name), item_type, item_name, state)

    def _record_ending(self, seconds: float, item_type: str, item_name: str, state: str) -> None:
        """Note how long something took that has just come to ``state``."""
        metadata = {'duration': seconds}
        storage = self._engine.storage
        try:
            if item_type == 'task':
                storage.update_atom_metadata(item_name, metadata)
            else:
                storage.update_flow_metadata(metadata)
        except exceptions.StorageFailure:
            LOG.warning(
                '%f s could not be stored as the duration of %s %r', seconds, item_type, item_name, exc_info=True)


class PrintingDurationListener(DurationListener):
    """Notes durations, and says when something begins and how long it took.

    :param printer: called with each line of text; ``print`` where it is not given.
    :raises TypeError: the printer cannot be called.
    """

    def __init__(self, engine: Any, printer: Callable[[str], Any] | None = None) -> None:
        if printer is not None and not callable(printer):
            raise TypeError(f'printer must be callable, {printer!r} ({type(printer).__name__}) is not')
        super().__init__(engine)
        self._printer = printer if printer is not None else print

    def _receiver(self, item_type: str, item_name: str, state: str) -> None:
        super()._receiver(item_type, item_name, state)
        if state in _STARTING:
            self._printer(f'{item_type} {item_name!r} began ({state})')

    def _record_ending(self, seconds: float, item_type: str, item_name: str, state: str) -> None:
        super()._record_ending(seconds, item_type, item_name, state)
        self._printer(f'{item_type} {item_name!r} ended in {state}, it took {seconds:.2f} seconds')


class EventTimeListener(base.Listener):
    """Notes when the flow and its atoms came to their states.

    The time, in seconds since 1970, is put under ``<state>-timestamp``, as in ``SUCCESS-timestamp``, in the metadata of
    the flow detail and of the atom detail; of a state that was come to more than once, the latest.
    """

    _engine: Any

    def _flow_receiver(self, state: str, details: dict[str, Any]) -> None:
        self._note(self._engine.storage.update_flow_metadata, state, details['flow_name'])

    def _task_receiver(self, state: str, details: dict[str, Any]) -> None:
        self._note_atom(state, details['task_name'])

    def _retry_receiver(self, state: str, details: dict[str, Any]) -> None:
        self._note_atom(state, details['retry_name'])

    def _note_atom(self, state: str, name: str) -> None:
        self._note(functools.partial(self._engine.storage.update_atom_metadata, name), state, name)

    def _note(self, update: Callable[[dict[str, Any]], Any], state: str, name: str) -> None:
        try:
            update({f'{state}-timestamp': time.time()})
        except exceptions.StorageFailure:
            LOG.warning('when %r came to %s could not be stored', name, state, exc_info=True)
