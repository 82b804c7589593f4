# SPDX-License-Identifier: Apache-2.0
"""What listeners are made of.

They hear of a change after it has been recorded, in the thread that runs the engine: a slow listener slows the flow
down. What one raises is logged, and changes nothing.
"""

from __future__ import annotations

import abc
import logging
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from tfd import formatters, states
from tfd.types import failure as ft
from tfd.types.notifier import DetailsFilter, Notifier

__all__ = ['DEFAULT_LISTEN_FOR', 'FINISH_STATES', 'DumpingListener', 'Listener']

LOG = logging.getLogger(__name__)

#: The states of an atom that come with a ``result`` in the details.
FINISH_STATES = (states.FAILURE, states.SUCCESS, states.REVERTED, states.REVERT_FAILURE)

#: What a listener hears unless it is told otherwise: every state.
DEFAULT_LISTEN_FOR = (Notifier.ANY,)

_States = str | Iterable[str] | None
_Receiver = Callable[[str, dict[str, Any]], Any]


class _Observed(Protocol):
    """An engine, as far as listeners know it."""

    @property
    def notifier(self) -> Notifier:
        """Tells of the flow."""

    @property
    def atom_notifier(self) -> Notifier:
        """Tells of the atoms."""


def _is_task(details: Mapping[str, Any]) -> bool:
    return bool(details.get('task_name'))


def _is_retry(details: Mapping[str, Any]) -> bool:
    return bool(details.get('retry_name'))


def _events(listen_for: _States, what: str) -> tuple[str, ...]:
    if isinstance(listen_for, str):
        return (listen_for,)
    try:
        return tuple(dict.fromkeys(listen_for or ()))
    except TypeError:
        raise TypeError(f'{what} must be states, not {listen_for!r} ({type(listen_for).__name__})') from None


class Listener:
    """Hears what an engine does between :meth:`register` and :meth:`deregister`, or inside a ``with`` statement.

    A subclass overrides the receivers that it needs: ``_flow_receiver``, ``_task_receiver``, ``_retry_receiver``. Each
    is called with the new state and the details, a dictionary of the listener's own: see
    :class:`tfd.engines.base.Engine` for what they are.

    :param engine: whom to listen to.
    :param task_listen_for: states of tasks to hear of, by default all; None or nothing: none.
    :param flow_listen_for: the same for the flow.
    :param retry_listen_for: the same for retries.
    :raises TypeError: there is no engine to listen to, or something that is no states.
    """

    def __init__(
        self, engine: _Observed, task_listen_for: _States = DEFAULT_LISTEN_FOR,
        flow_listen_for: _States = DEFAULT_LISTEN_FOR, retry_listen_for: _States = DEFAULT_LISTEN_FOR,
    ) -> None:
        for name in ('notifier', 'atom_notifier'):
            if not hasattr(engine, name):
                raise TypeError(f'engine must be an engine, not {engine!r} ({type(engine).__name__}): it has no {name}')
        self._engine = engine
        self._listen_for = {
            'task': _events(task_listen_for, 'task_listen_for'),
            'retry': _events(retry_listen_for, 'retry_listen_for'),
            'flow': _events(flow_listen_for, 'flow_listen_for')}
        self._registered: list[tuple[Notifier, str, _Receiver, DetailsFilter | None]] = []

    def _flow_receiver(self, state: str, details: dict[str, Any]) -> None:
        """Take a change of the flow's state."""

    def _task_receiver(self, state: str, details: dict[str, Any]) -> None:
        """Take a change of a task's state."""

    def _retry_receiver(self, state: str, details: dict[str, Any]) -> None:
        """Take a change of a retry's state."""

    def _atom_receiver(self, state: str, details: dict[str, Any]) -> None:
        if 'task_name' in details:
            self._task_receiver(state, details)
        elif 'retry_name' in details:
            self._retry_receiver(state, details)

    def register(self) -> None:
        """Begin to listen; a listener that listens already goes on.

        :raises ValueError: a notifier does not know one of the states; the listener hears nothing.
        """
        if self._registered:
            return
        atoms, flow = self._engine.atom_notifier, self._engine.notifier
        try:
            tasks, retries = self._listen_for['task'], self._listen_for['retry']
            # One call, not two, for what is to be heard of both.
            both = tuple(event for event in tasks if event in retries)
            self._listen(atoms, both, self._atom_receiver, None)
            self._listen(atoms, (event for event in tasks if event not in both), self._task_receiver, _is_task)
            self._listen(atoms, (event for event in retries if event not in both), self._retry_receiver, _is_retry)
            self._listen(flow, self._listen_for['flow'], self._flow_receiver, None)
        except Exception:
            self.deregister()
            raise

    def _listen(
        self, where: Notifier, events: Iterable[str], receiver: _Receiver, details_filter: DetailsFilter | None,
    ) -> None:
        for event in events:
            where.register(event, receiver, details_filter=details_filter)
            self._registered.append((where, event, receiver, details_filter))

    def deregister(self) -> None:
        """Hear nothing any more."""
        while self._registered:
            where, event, receiver, details_filter = self._registered.pop()
            where.deregister(event, receiver, details_filter=details_filter)

    def __enter__(self) -> Self:
        self.register()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.deregister()
        except Exception:
            # The flow has run; that the listener cannot be taken away is no reason to hide what came of it.
            LOG.warning('listener %r could not be deregistered from engine %r', self, self._engine, exc_info=True)


class DumpingListener(Listener, abc.ABC):
    """Puts changes of the flow and its tasks into words and hands them to :meth:`_dump`, which a subclass defines.

    What is secret in the flow is masked.
    """

    @abc.abstractmethod
    def _dump(self, message: str, *args: Any, **kwargs: Any) -> None:
        """Take a text of the form of log messages.

        :param args: for the text: the engine, the name, the UUID, the new state, the old one; where an execute or
            revert ended, what it came to and whether that is a failure.
        :param kwargs: ``exc_info`` where it ended: the failure's, None without one.
        """

    def _flow_receiver(self, state: str, details: dict[str, Any]) -> None:
        self._dump(
            '%s: flow %r (%s) is %s now, it was %s', self._engine, details['flow_name'], details['flow_uuid'], state,
            details['old_state'])

    def _task_receiver(self, state: str, details: dict[str, Any]) -> None:
        told = (self._engine, details['task_name'], details['task_uuid'], state, details['old_state'])
        if state not in FINISH_STATES:
            self._dump('%s: task %r (%s) is %s now, it was %s', *told)
            return
        result, exc_info = details.get('result'), None
        failed = isinstance(result, ft.Failure)
        if isinstance(result, ft.Failure):
            if result.is_veiled:
                result = result.pformat(traceback=True)
            else:
                exc_info = result.exc_info
        else:
            result = formatters.FailureFormatter(self._engine).mask_result(details['task_name'], result)
        self._dump(
            '%s: task %r (%s) is %s now, it was %s, with the result %s (a failure: %s)', *told, result, failed,
            exc_info=exc_info)
