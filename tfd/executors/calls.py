# SPDX-License-Identifier: Apache-2.0
"""Calls into user code: what it returns, or a Failure. Nothing here knows of plans, storage or threads.

Worker processes import this module: it imports nothing but the vocabulary of flows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tfd import atom as atoms
from tfd import exceptions
from tfd import task as tasks
from tfd.types import failure as ft

__all__ = [
    'ENDS', 'PROGRESS', 'caught', 'execute', 'has_revert', 'in_context', 'in_worker', 'interrupted',
    'revert', 'tell',
]

#: Told of the progress of the task that runs in this context: ``sink(task, progress, details)``.
PROGRESS = tasks.PROGRESS_SINK

#: What ends a process, or the thread in which it is raised: in the engine's own thread it is no outcome of an atom.
ENDS = (KeyboardInterrupt, SystemExit)

_Atom = atoms.Atom


def has_revert(atom: Any) -> bool:
    """Tell whether an atom has something to do when it is reverted."""
    return not (
        _inherits(atom.revert, _Atom.revert) and _inherits(atom.pre_revert, _Atom.pre_revert)
        and _inherits(atom.post_revert, _Atom.post_revert))


def _inherits(method: Any, base: Any) -> bool:
    """Tell whether an atom has a method from the base class, and not from its own class or on itself."""
    # By the bound method: to ask for an atom's __dict__ makes one, and keeps it, for every atom.
    return getattr(method, '__func__', None) is base


def execute(atom: Any, arguments: Mapping[str, Any]) -> Any:
    """Return what ``execute`` returned, or the Failure that it, or what goes before and after it, ended with.

    ``post_execute`` runs whatever came before; what it raises is a failure too, unless there is one already.

    :raises KeyboardInterrupt, SystemExit: they go through.
    """
    try:
        atom.pre_execute()
        outcome = atom.execute(**arguments)
    except BaseException as err:
        outcome = caught(atom, err)
    try:
        atom.post_execute()
    except BaseException as err:
        failed = caught(atom, err)
        if not isinstance(outcome, ft.Failure):
            outcome = failed
    return outcome


def revert(atom: Any, arguments: Mapping[str, Any]) -> Any:
    """Return what ``revert`` returned, or the Failure that it, or what goes before and after it, ended with.

    :raises KeyboardInterrupt, SystemExit: they go through.
    """
    try:
        atom.pre_revert()
        outcome = atom.revert(**arguments)
    except BaseException as err:
        outcome = caught(atom, err)
    try:
        atom.post_revert()
    except BaseException as err:
        failed = caught(atom, err)
        if not isinstance(outcome, ft.Failure):
            outcome = failed
    return outcome


def caught(atom: Any, error: BaseException) -> ft.Failure:
    """Return the Failure of an atom whose code has raised this, which is being handled.

    :raises KeyboardInterrupt, SystemExit: it is one of them.
    """
    if isinstance(error, Exception):
        return ft.Failure()
    if isinstance(error, ENDS):
        raise error
    return interrupted(atom, error)


def interrupted(atom: Any, error: BaseException) -> ft.Failure:
    """Return the Failure of an atom whose code has ended with what is no Exception."""
    told = exceptions.AtomInterrupted(f'atom {atom.name!r}', error)
    return ft.Failure.from_exception(told.with_traceback(error.__traceback__))


def in_worker(call: Callable[[Any, Mapping[str, Any]], Any], atom: Any, arguments: Mapping[str, Any]) -> Any:
    """Call where nobody but the atom can have asked for an end: what ends a process is the atom's Failure too."""
    try:
        return call(atom, arguments)
    except ENDS as err:
        return interrupted(atom, err)


def in_context(
    sink: Callable[[Any, float, Mapping[str, Any] | None], None], call: Callable[..., Any], *args: Any
) -> Any:
    """Call with a sink for progress."""
    token = PROGRESS.set(sink)
    try:
        return call(*args)
    finally:
        PROGRESS.reset(token)


def tell(
    sink: Callable[[Any, float, Mapping[str, Any] | None], None], atom: Any, event: str, details: Mapping[str, Any]
) -> None:
    """Tell the listeners of a task, and the sink, what its call in another process told."""
    in_context(sink, atom.notifier.notify, event, dict(details))
