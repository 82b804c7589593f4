# SPDX-License-Identifier: Apache-2.0
"""Calls into user code: what it returns, or a Failure. Nothing here knows of plans, storage or threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tfd import atom as atoms
from tfd import task as tasks
from tfd.types import failure as ft

__all__ = ['PROGRESS', 'execute', 'has_revert', 'in_context', 'revert']

#: Told of the progress of the task that runs in this context: ``sink(task, progress)``.
PROGRESS = tasks.PROGRESS_SINK

_Atom = atoms.Atom


def has_revert(atom: Any) -> bool:
    """Tell whether an atom has something to do when it is reverted."""
    return not _inherits(atom, 'revert', 'pre_revert', 'post_revert')


def _inherits(atom: Any, *methods: str) -> bool:
    """Tell whether an atom has these methods from the base class, and not from its own class or on itself."""
    cls, own = type(atom), vars(atom)
    return all(getattr(cls, name) is getattr(_Atom, name) and name not in own for name in methods)


def execute(atom: Any, arguments: Mapping[str, Any]) -> Any:
    """Return what ``execute`` returned, or the Failure that it, or what goes before and after it, ended with.

    ``post_execute`` runs whatever came before; what it raises is a failure too, unless there is one already.

    :raises BaseException: what is no Exception, as KeyboardInterrupt, goes through.
    """
    cls, own = type(atom), atom.__dict__
    plain = (cls.pre_execute is _Atom.pre_execute and cls.post_execute is _Atom.post_execute
             and 'pre_execute' not in own and 'post_execute' not in own)
    try:
        if not plain:
            atom.pre_execute()
        outcome = atom.execute(**arguments)
    except Exception:
        outcome = ft.Failure()
    return outcome if plain else _followed(atom.post_execute, outcome)


def revert(atom: Any, arguments: Mapping[str, Any]) -> Any:
    """Return what ``revert`` returned, or the Failure that it, or what goes before and after it, ended with.

    :raises BaseException: what is no Exception, as KeyboardInterrupt, goes through.
    """
    try:
        atom.pre_revert()
        outcome = atom.revert(**arguments)
    except Exception:
        outcome = ft.Failure()
    return _followed(atom.post_revert, outcome)


def _followed(after: Callable[[], Any], outcome: Any) -> Any:
    """Call what goes after a method; return its Failure where the method has none."""
    try:
        after()
    except Exception:
        if not isinstance(outcome, ft.Failure):
            return ft.Failure()
    return outcome


def in_context(sink: Callable[[Any, float], None], call: Callable[..., Any], *args: Any) -> Any:
    """Call with a sink for progress."""
    token = PROGRESS.set(sink)
    try:
        return call(*args)
    finally:
        PROGRESS.reset(token)

