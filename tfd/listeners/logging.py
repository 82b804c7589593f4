# SPDX-License-Identifier: Apache-2.0
"""Listeners that write to a log."""

from __future__ import annotations

import logging
from typing import Any

from tfd.listeners import base

__all__ = ['LoggingListener']

LOG = logging.getLogger(__name__)


class LoggingListener(base.DumpingListener):
    """Logs what the flow and its tasks do, **the results of tasks included**: not for flows that handle secrets.

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
        self._logger = log if log is not None else LOG
        self._level = level

    def _dump(self, message: str, *args: Any, **kwargs: Any) -> None:
        self._logger.log(self._level, message, *args, **kwargs)
