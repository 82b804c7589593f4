# SPDX-License-Identifier: Apache-2.0
"""Loggers for modules that authors of tasks import, which is not to cost them the import of logging."""

from __future__ import annotations

from typing import Any

__all__ = ['LazyLogger']


class LazyLogger:
    """The logger of a name, asked for when something is logged: importing logging is half of importing a task.

    :param name: as :func:`logging.getLogger` takes it.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        """Return what the logger has by that name."""
        import logging
        return getattr(logging.getLogger(self._name), name)
