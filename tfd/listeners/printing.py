# SPDX-License-Identifier: Apache-2.0
"""A listener that prints."""

from __future__ import annotations

import sys
import traceback
from typing import Any

from tfd.listeners import base

__all__ = ['PrintingListener']


class PrintingListener(base.DumpingListener):
    """Prints what the flow and its tasks do, **the results of tasks included**; what was raised with its traceback.

    What is marked as secret is masked.

    :param stderr: print to the standard error, instead of the standard output.

    The other arguments are those of :class:`~tfd.listeners.base.Listener`.
    """

    def __init__(
        self, engine: Any, task_listen_for: Any = base.DEFAULT_LISTEN_FOR,
        flow_listen_for: Any = base.DEFAULT_LISTEN_FOR, retry_listen_for: Any = base.DEFAULT_LISTEN_FOR,
        stderr: bool = False,
    ) -> None:
        super().__init__(engine, task_listen_for, flow_listen_for, retry_listen_for)
        # Found when it is needed: a test may have put another in its place since.
        self._stream_name = 'stderr' if stderr else 'stdout'

    def _dump(self, message: str, *args: Any, **kwargs: Any) -> None:
        stream = getattr(sys, self._stream_name)
        print(message % args, file=stream)
        exc_info = kwargs.get('exc_info')
        if exc_info:
            traceback.print_exception(*exc_info, file=stream)
