# SPDX-License-Identifier: Apache-2.0
"""Tasks: atoms that do the work of a flow, and undo it."""

from __future__ import annotations

import contextvars
import copy
import functools
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from tfd import atom
from tfd.types import logger, notifier, signature

__all__ = [
    'EVENT_SINK', 'EVENT_UPDATE_PROGRESS', 'PROGRESS_SINK', 'REVERT_FLOW_FAILURES', 'REVERT_RESULT', 'FunctorTask',
    'MapFunctorTask', 'ReduceFunctorTask', 'Task',
]

LOG = logger.LazyLogger(__name__)

#: Arguments that the engine gives to ``revert``: what ``execute`` returned (a Failure where it raised, None where it
#: never reported its end), and ``{atom name: Failure}`` of the failures that led to the reverting.
REVERT_RESULT = 'result'
REVERT_FLOW_FAILURES = 'flow_failures'

#: Event of a task's notifier; its details are ``{'progress': 0.0 to 1.0}``, and whatever else the task tells.
EVENT_UPDATE_PROGRESS = 'update_progress'

#: Set by whoever runs a task, in the context of the call: told of ``(task, progress, details)`` before the task's own
#: listeners are; ``details`` is a dictionary of whatever else the task tells.
PROGRESS_SINK: contextvars.ContextVar[Callable[[Any, float, Mapping[str, Any] | None], None] | None] = (
    contextvars.ContextVar('tfd_progress_sink', default=None))

#: Set by whoever runs a task in another process, in the context of the call: told, as ``(task, event, details)``, of
#: whatever else the task's notifier tells.
EVENT_SINK: contextvars.ContextVar[Callable[[Any, str, Mapping[str, Any]], None] | None] = (
    contextvars.ContextVar('tfd_event_sink', default=None))


def _tell_progress(teller: Task, details: Mapping[str, Any]) -> None:
    sink = PROGRESS_SINK.get()
    if sink is not None:
        more = {key: value for key, value in details.items() if key != 'progress'}
        sink(teller, details['progress'], more)


class TaskNotifier(notifier.RestrictedNotifier):
    """Tells whoever runs the task too: of its progress, and in another process of all its events."""

    def __init__(self, events: Iterable[str], teller: Task) -> None:
        super().__init__(events)
        self.teller = teller

    def notify(self, event_type: str, details: dict[str, Any]) -> None:
        """Call the listeners of the event."""
        if event_type == EVENT_UPDATE_PROGRESS and 'progress' in details:
            _tell_progress(self.teller, details)
        elif (sink := EVENT_SINK.get()) is not None:
            sink(self.teller, event_type, details)
        super().notify(event_type, details)


class Task(atom.Atom):
    """A unit of work that can be executed and reverted.

    ``execute`` may run more than once: a process can die after the work and before its result is recorded. What it does
    should be safe to repeat, or carry an idempotency key. ``revert`` is called for a task that executed, that failed,
    or that may have begun.

    :param name: ``module.Class`` where it is not given. The other arguments are those of :class:`~tfd.atom.Atom`.
    """

    TASK_EVENTS: ClassVar[tuple[str, ...]] = (EVENT_UPDATE_PROGRESS,)
    _revert_reserved = (REVERT_RESULT, REVERT_FLOW_FAILURES)

    def __init__(
        self, name: str | None = None, provides: Any = None, requires: atom.Names = None, auto_extract: bool = True,
        rebind: atom.Rebind = None, inject: Mapping[str, Any] | None = None,
        ignore_list: Iterable[str] | None = None, revert_rebind: atom.Rebind = None,
        revert_requires: atom.Names = None,
    ) -> None:
        if name is None:
            cls = type(self)
            name = f'{cls.__module__}.{cls.__name__}'
        super().__init__(
            name, provides, requires, auto_extract, rebind, inject, ignore_list, revert_rebind, revert_requires)
        self._made_notifier: TaskNotifier | None = None

    @property
    def notifier(self) -> notifier.Notifier:
        """Tells of this task's own events, :data:`EVENT_UPDATE_PROGRESS` unless ``TASK_EVENTS`` says more."""
        return self._notifier

    @property
    def _notifier(self) -> TaskNotifier:
        # By this name tasks written for TaskFlow reach for it. Few need one: made where it is asked for.
        if self._made_notifier is None:
            self._made_notifier = TaskNotifier(self.TASK_EVENTS, self)
        return self._made_notifier

    def copy(self, retain_listeners: bool = True) -> Task:
        """Return a shallow copy, with a notifier of its own that has the same listeners, or none."""
        new = copy.copy(self)
        new._made_notifier = None
        if retain_listeners and self._made_notifier is not None:
            new._made_notifier = copy.copy(self._made_notifier)
            new._made_notifier.teller = new
        return new

    def update_progress(self, progress: float) -> None:
        """Tell the listeners how far the task is.

        :param progress: 0.0 to 1.0; what lies outside is taken as the nearer end, and logged.
        :raises TypeError: it is not to be compared with numbers.
        """
        try:
            # So that what is no number is outside as well.
            if not 0.0 <= progress <= 1.0:
                LOG.warning(
                    'progress of task %s must be 0.0 to 1.0, %s is taken as the nearer end', self.name, progress)
                progress = min(max(0.0, progress), 1.0)
        except TypeError:
            raise TypeError(
                f'progress of task {self.name!r} must be a number from 0.0 to 1.0, not {progress!r}'
                f' ({type(progress).__name__})') from None
        details = {'progress': progress}
        if self._made_notifier is None:
            _tell_progress(self, details)
        else:
            self._made_notifier.notify(EVENT_UPDATE_PROGRESS, details)


class FunctorTask(Task):
    """A task made of a function, and of another one to revert it.

    :param execute: called as the task's ``execute``.
    :param revert: called as its ``revert``; nothing is done to revert it where it is not given.
    :param version: the task's version.
    :raises ValueError: ``execute`` or ``revert`` is given and cannot be called.
    """

    def __init__(
        self, execute: Callable[..., Any], name: str | None = None, provides: Any = None,
        requires: atom.Names = None, auto_extract: bool = True, rebind: atom.Rebind = None,
        revert: Callable[..., Any] | None = None, version: Any = None, inject: Mapping[str, Any] | None = None,
    ) -> None:
        if not callable(execute):
            raise ValueError(f'Function to use for executing must be callable, {execute!r} is not')
        if revert is not None and not callable(revert):
            raise ValueError(f'Function to use for reverting must be callable, {revert!r} is not')
        self._execute = execute
        self._revert = revert
        super().__init__(
            _callable_name(execute) if name is None else name, provides=provides, requires=requires,
            auto_extract=auto_extract, rebind=rebind, inject=inject)
        if version is not None:
            self.version = version

    def _signatures_of_class(self) -> bool:
        return False

    def _signatures(self) -> tuple[signature.Signature, signature.Signature]:
        return signature.read(self._execute), signature.read(self._revert or _takes_anything)

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self._execute(*args, **kwargs)

    def revert(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function that reverts, where there is one."""
        if self._revert is None:
            return None
        return self._revert(*args, **kwargs)


class MapFunctorTask(Task):
    """Calls a function of one argument with each required symbol's value; provides the list of what it returned.

    :raises ValueError: the function cannot be called, or does not take exactly one argument.
    """

    def __init__(
        self, functor: Callable[[Any], Any], requires: str | Iterable[str], name: str | None = None,
        provides: Any = None, auto_extract: bool = True, rebind: atom.Rebind = None,
        inject: Mapping[str, Any] | None = None,
    ) -> None:
        _check_arguments(functor, 1, 'Map')
        self._functor = functor
        self._requires = atom.as_names(requires)
        super().__init__(
            _callable_name(functor) if name is None else name, provides=provides, requires=self._requires,
            auto_extract=auto_extract, rebind=rebind, inject=inject)

    def _signatures_of_class(self) -> bool:
        return False

    def _signatures(self) -> tuple[signature.Signature, signature.Signature]:
        return _with_functor(self._functor, *super()._signatures())

    def execute(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Call the function on each value, in the order of ``requires``."""
        return [self._functor(kwargs[name]) for name in self._requires]


class ReduceFunctorTask(Task):
    """Folds the required symbols' values, from the left, with a function of two arguments; provides what is left.

    :raises ValueError: the function cannot be called or does not take exactly two arguments, or fewer than two symbols
        are required.
    """

    def __init__(
        self, functor: Callable[[Any, Any], Any], requires: str | Iterable[str], name: str | None = None,
        provides: Any = None, auto_extract: bool = True, rebind: atom.Rebind = None,
        inject: Mapping[str, Any] | None = None,
    ) -> None:
        _check_arguments(functor, 2, 'Reduce')
        self._functor = functor
        self._requires = atom.as_names(requires)
        if len(self._requires) < 2:
            raise ValueError(
                f'requires of reduce functor {functor!r} must have at least 2 elements, it has {len(self._requires)}:'
                f' {list(self._requires)}')
        super().__init__(
            _callable_name(functor) if name is None else name, provides=provides, requires=self._requires,
            auto_extract=auto_extract, rebind=rebind, inject=inject)

    def _signatures_of_class(self) -> bool:
        return False

    def _signatures(self) -> tuple[signature.Signature, signature.Signature]:
        return _with_functor(self._functor, *super()._signatures())

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Fold the values, in the order of ``requires``."""
        return functools.reduce(self._functor, (kwargs[name] for name in self._requires))


def _with_functor(
    functor: Callable[..., Any], execute: signature.Signature, revert: signature.Signature
) -> tuple[signature.Signature, signature.Signature]:
    """Return the signatures of a task whose execute does nothing but call a function."""
    return (execute._replace(awaited=True), revert) if signature.is_awaited(functor) else (execute, revert)


def _takes_anything(*args: Any, **kwargs: Any) -> None:
    """Stand for the revert of a function that has none."""


def _check_arguments(functor: Callable[..., Any], count: int, what: str) -> None:
    if not callable(functor):
        raise ValueError(f'{what} functor must be callable, {functor!r} is not')
    taken = signature.read(functor)
    found = len(taken.required) + len(taken.optional)
    if found != count:
        raise ValueError(
            f'{what} functor {functor!r} must take exactly {count} argument{"s" * (count > 1)}, it takes {found}:'
            f' {[*taken.required, *taken.optional]}')


def _callable_name(function: Callable[..., Any]) -> str:
    """Return ``module.qualified name`` of a function, a method, or an object that can be called."""
    if isinstance(function, types.MethodType):
        owner = function.__self__ if isinstance(function.__self__, type) else type(function.__self__)
        return f'{owner.__module__}.{owner.__qualname__}.{function.__name__}'
    if hasattr(function, '__qualname__'):
        return f'{function.__module__}.{function.__qualname__}'
    return f'{type(function).__module__}.{type(function).__qualname__}'
