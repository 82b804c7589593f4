# SPDX-License-Identifier: Apache-2.0
"""Drivers and flow factories by name: the one module that imports stevedore."""

from __future__ import annotations

import importlib.metadata
from typing import Any

from stevedore import driver
from stevedore import exception as stevedore_exceptions

from tfd import exceptions

__all__ = ['load', 'names']


def names(group: str) -> list[str]:
    """Return the names that are installed in an entry-point group, sorted; nothing is imported."""
    return sorted({entry.name for entry in importlib.metadata.entry_points(group=group)})


def load(group: str, name: str) -> Any:
    """Return the object that an entry point leads to.

    :raises UnknownPlugin: no entry point of that name is installed in the group; it lists those that are.
    :raises ImportError: it is installed and its module, or one that it needs, cannot be imported.
    """
    try:
        manager = driver.DriverManager(
            group, name, warn_on_missing_entrypoint=False, on_load_failure_callback=_raise)
    except stevedore_exceptions.NoMatches as err:
        raise exceptions.UnknownPlugin(group, name, names(group)) from err
    return manager.driver


def _raise(manager: Any, entry: Any, error: BaseException) -> None:
    raise error
