# SPDX-License-Identifier: Apache-2.0
"""Drivers and flow factories by name or dotted path: the one module that imports stevedore."""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import Any

from stevedore import driver
from stevedore import exception as stevedore_exceptions

from tfd import exceptions

__all__ = ['load', 'names', 'resolve']


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


def resolve(path: str) -> Any:
    """Return what a dotted path leads to: of the longest part of it that is a module, what the rest names.

    :raises ImportError: no part of it is a module, or one cannot be imported.
    :raises AttributeError: the module has no such thing.
    """
    parts = path.split('.')
    for length in range(len(parts) - 1, 0, -1):
        module = '.'.join(parts[:length])
        try:
            found: Any = importlib.import_module(module)
        except ModuleNotFoundError as err:
            if err.name is None or not f'{module}.'.startswith(f'{err.name}.'):
                raise
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise ImportError(f'no module on the path {path!r}')


def _raise(manager: Any, entry: Any, error: BaseException) -> None:
    raise error
