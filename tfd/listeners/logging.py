# SPDX-License-Identifier: Apache-2.0
"""Listeners that write to a log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from tfd import formatters, states
from tfd.listeners import base
from tfd.types import failure as ft

__all__ = ['DynamicLoggingListener', 'LoggingListener']

LOG = logging.getLogger(__name__)


def _checked(log: Any, **levels: Any) -> logging.Logger | logging.LoggerAdapter[Any]:
    """Return the logger to use.

    :raises TypeError: it cannot log, or a level is no number.
    """
    for name, level in levels.items():
        if not isinstance(level, int):
            raise TypeError(f'{name} must be a number, as logging.INFO is, not {level!r} ({type(level).__name__})')
    if log is not None and not hasattr(log, 'log'):
        raise TypeError(f'log must be a logger, not {log!r} ({type(log).__name__})')
    found: logging.Logger | logging.LoggerAdapter[Any] = LOG if log is None else log
    return found


class LoggingListener(base.DumpingListener):
    """Logs what the flow and its tasks do, **the results of tasks included**, but for what is marked as secret.

    :param log: the logger; this module's where it is not given.
    :param level: at which to log; DEBUG where it is not given. What was raised is logged with its traceback, at the
        same level.

    The other arguments are those of :class:`~tfd.listeners.base.Listener`.
    """

    def __init__(
        self, engine: Any, task_listen_for: Any = base.DEFAULT_LISTEN_FOR,
        flow_listen_for: Any = base.DEFAULT_LISTEN_FOR, retry_listen_for: Any = base.DEFAULT_LISTEN_FOR,
        log: logging.Logger | logging.LoggerAdapter[Any] | None = None, level: int = logging.DEBUG,
    ) -> None:
        super().__init__(engine, task_listen_for, flow_listen_for, retry_listen_for)
        self._logger = _checked(log, level=level)
        self._level = level

    def _dump(self, message: str, *args: Any, **kwargs: Any) -> None:
        self._logger.log(self._level, message, *args, **kwargs)


class DynamicLoggingListener(base.Listener):
    """Logs what the flow and its tasks do, failures and reverts at a level of their own and with what led to them.

    A failed task is logged with its traceback and with the atoms that ran before it, **their arguments and results
    included**, but for those that are masked or hidden.

    :param log: the logger; this module's where it is not given.
    :param failure_level: the level of failures and reverts; WARNING where it is not given.
    :param level: that of everything else; DEBUG where it is not given.
    :param hide_inputs_outputs_of: names of atoms of which neither arguments nor results are logged.
    :param fail_formatter: puts failures into words; a :class:`tfd.formatters.FailureFormatter` where it is not given,
        and only that one heeds the masks and what is to be hidden.
    :param mask_inputs_keys: names of arguments, and keys inside of them, whose values are not logged.
    :param mask_outputs_keys: symbols, and keys inside of results, whose values are not logged.

    The other arguments are those of :class:`~tfd.listeners.base.Listener`.
    """

    #: States of tasks that are logged at the level of failures.
    _FAILURE_STATES = frozenset((states.FAILURE, states.REVERT_FAILURE))
    _BAD_ENDS = _FAILURE_STATES | {states.REVERTED}

    def __init__(
        self, engine: Any, task_listen_for: Any = base.DEFAULT_LISTEN_FOR,
        flow_listen_for: Any = base.DEFAULT_LISTEN_FOR, retry_listen_for: Any = base.DEFAULT_LISTEN_FOR,
        log: logging.Logger | logging.LoggerAdapter[Any] | None = None, failure_level: int = logging.WARNING,
        level: int = logging.DEBUG, hide_inputs_outputs_of: Iterable[str] = (),
        fail_formatter: formatters.FailureFormatter | None = None, mask_inputs_keys: Iterable[str] = (),
        mask_outputs_keys: Iterable[str] = (),
    ) -> None:
        super().__init__(engine, task_listen_for, flow_listen_for, retry_listen_for)
        self._logger = _checked(log, failure_level=failure_level, level=level)
        self._failure_level = failure_level
        self._level = level
        self._own_formatter = formatters.FailureFormatter(
            engine, hide_inputs_outputs_of=hide_inputs_outputs_of, mask_inputs_keys=mask_inputs_keys,
            mask_outputs_keys=mask_outputs_keys)
        self._fail_formatter = fail_formatter if fail_formatter is not None else self._own_formatter
        self._hidden = frozenset(hide_inputs_outputs_of)

    def _level_of(self, state: str) -> int:
        return self._failure_level if state in self._BAD_ENDS else self._level

    def _flow_receiver(self, state: str, details: dict[str, Any]) -> None:
        self._logger.log(
            self._level_of(state), 'flow %r (%s) is %s now, it was %s', details['flow_name'], details['flow_uuid'],
            state, details['old_state'])

    def _task_receiver(self, state: str, details: dict[str, Any]) -> None:
        level = self._level_of(state)
        told = [details['task_name'], details['task_uuid'], state, details['old_state']]
        message = 'task %r (%s) is %s now, it was %s'
        exc_info = None
        result = details.get('result')
        if isinstance(result, ft.Failure) and state in self._FAILURE_STATES:
            exc_info, text = self._fail_formatter.format(result, _is(details['task_name']))
            if text:
                message += '\n%s'
                told.append(text)
        elif 'result' in details and details['task_name'] not in self._hidden:
            message += ', with the result %s'
            told.append(self._own_formatter.mask_result(details['task_name'], result))
        self._logger.log(level, message, *told, exc_info=exc_info)


def _is(name: str) -> Callable[[formatters.Node], bool]:
    return lambda node: node.item.name == name
