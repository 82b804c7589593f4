# SPDX-License-Identifier: Apache-2.0
"""Every error that tfd raises, in one tree.

The names that TaskFlow's users catch keep their meaning. Errors of tfd's own are named for what the caller can do about
them and carry attributes, so that nobody has to parse a message.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

__all__ = [
    'AmbiguousDependency',
    'AtomInterrupted',
    'BadConfiguration',
    'CompilationFailure',
    'ConductorFailure',
    'CoordinatorUnavailable',
    'CoroutineRefused',
    'DependencyFailure',
    'DisallowedAccess',
    'Duplicate',
    'Empty',
    'ExecutionFailure',
    'FlowOwned',
    'IncompatibleSchema',
    'IncompatibleVersion',
    'InvalidFormat',
    'InvalidState',
    'JobFailure',
    'LockHeld',
    'MissingDependencies',
    'MultipleChoices',
    'NoSecretKey',
    'NotFound',
    'NotImplementedError',
    'NotStorable',
    'NotTransferable',
    'OwnershipLost',
    'RequestTimeout',
    'SessionLost',
    'StorageFailure',
    'StorageUnavailable',
    'TaskFlowException',
    'TooLarge',
    'UnclaimableJob',
    'UnknownFlow',
    'UnknownKey',
    'UnknownPlugin',
    'WorkerDied',
    'WrappedFailure',
    'raise_with_cause',
]


class TaskFlowException(Exception):
    """Base of every error of tfd; keeps the name that TaskFlow's users catch.

    :param message: what went wrong; the first line of the class docstring where it is not given.
    :param cause: the exception that led to this one, also kept as ``__cause__`` by :func:`raise_with_cause`; its text
        is told with the message. One that was only raised from, as in ``raise … from``, is told by :meth:`pformat`.
    """

    def __init__(self, message: object = None, cause: BaseException | None = None) -> None:
        if message is None:
            message = (type(self).__doc__ or type(self).__name__).strip().splitlines()[0]
        super().__init__(message)
        self._cause = cause

    @property
    def message(self) -> str:
        """The message as text."""
        return str(self.args[0])

    @property
    def cause(self) -> BaseException | None:
        """The exception that led to this one, or None."""
        return self._cause or self.__cause__

    def pformat(self, indent: int = 2, indent_text: str = ' ', show_root_class: bool = False) -> str:
        """Return this error and its causes, one under the other.

        :param indent: how many times ``indent_text`` is put before each deeper cause.
        :raises ValueError: ``indent`` is negative.
        """
        if indent < 0:
            raise ValueError(f'indent must be 0 or more, not {indent}')
        return _told(_chain(self, implied=True), indent_text * indent, show_root_class)

    def __str__(self) -> str:
        """Return the message, and under it those of the causes that were given with ``cause``, as TaskFlow 6.x does."""
        return _told(_chain(self, implied=False), '  ', False) if self._cause is not None else super().__str__()

    def __reduce__(self) -> Any:
        # Not by calling the class again: most take other arguments than their text.
        return _restore, (type(self), self.args, self.__dict__)


def _chain(error: BaseException, implied: bool) -> Iterator[BaseException]:
    """Yield an error and its causes; where ``implied``, also those of ``raise … from``."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        given = following._cause if isinstance(following, TaskFlowException) else None
        following = given or (following.__cause__ if implied else None)


def _told(errors: Iterable[BaseException], indent: str, show_root_class: bool) -> str:
    """Return errors one under the other, each by one indent deeper."""
    lines: list[str] = []
    for depth, error in enumerate(errors):
        name = type(error).__name__
        # Not str(), which tells the causes too.
        text = Exception.__str__(error) if isinstance(error, TaskFlowException) else str(error)
        show_class = show_root_class or depth > 0 or not text
        told = f'{name}: {text}' if text and show_class else text or name
        lines += [indent * depth + line for line in told.splitlines()]
    return '\n'.join(lines)


def _restore(cls: type[TaskFlowException], args: tuple[Any, ...], state: dict[str, Any]) -> TaskFlowException:
    """Return an error that was pickled."""
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


def raise_with_cause(
    exc_cls: type[TaskFlowException], message: str, *args: Any, **kwargs: Any
) -> NoReturn:
    """Raise ``exc_cls(message, *args, cause=…)`` with the exception being handled as its cause.

    :raises exc_cls: always.
    """
    import sys

    if 'cause' not in kwargs:
        kwargs['cause'] = sys.exc_info()[1]
    cause = kwargs['cause']
    raise exc_cls(message, *args, **kwargs) from cause


# -- definition ------------------------------------------------------------------------------------


class DependencyFailure(TaskFlowException):
    """The dependencies between atoms cannot be satisfied."""


class AmbiguousDependency(DependencyFailure):
    """A dependency has several providers and nothing says which is meant."""


class MissingDependencies(DependencyFailure):
    """Something requires values that nothing provides.

    :ivar missing_requirements: the names of the missing values, in order.
    """

    def __init__(
        self, who: object, requirements: Iterable[str], cause: BaseException | None = None,
        method: str | None = None,
    ) -> None:
        names = list(requirements)
        called = f' (in {method})' if method else ''
        super().__init__(
            f"'{who}'{called} requires {names} but no other entity produces said requirements", cause=cause)
        self.missing_requirements = names


class CompilationFailure(TaskFlowException):
    """A flow cannot be compiled into a plan."""


class CoroutineRefused(CompilationFailure):
    """An atom has methods that are coroutine functions: no engine awaits what a call of them returns.

    :ivar atom: the name of the atom.
    :ivar methods: the names of the methods.
    """

    def __init__(self, atom: object, methods: Iterable[str]) -> None:
        names = list(methods)
        super().__init__(
            f'{" and ".join(names)} of atom {atom!r} cannot be awaited: a plain function is expected, not an async one')
        self.atom = atom
        self.methods = names


class IncompatibleVersion(TaskFlowException):
    """A stored atom has a version that the current one does not understand."""


class Duplicate(TaskFlowException):
    """Two things carry a name that must be unique."""


class MultipleChoices(TaskFlowException):
    """One answer was asked for and several fit."""


class Empty(TaskFlowException):
    """Something that must hold at least one element is empty."""


# -- running ---------------------------------------------------------------------------------------


class ExecutionFailure(TaskFlowException):
    """The engine could not run a flow to one of its ends."""


class InvalidState(ExecutionFailure):
    """The operation is not allowed in the present state."""


class RequestTimeout(ExecutionFailure):
    """A request was not answered in time."""


class NotTransferable(TaskFlowException):
    """A value cannot be taken to, or back from, a worker process.

    :ivar what: whose value it is (``"argument 'size' of atom 'a'"``).
    """

    def __init__(self, what: str, why: object) -> None:
        super().__init__(f'{what} cannot be taken from one process to another: {why}')
        self.what = what


class WorkerDied(TaskFlowException):
    """A worker process ended while an atom's call ran in it; how far that came is not known.

    :ivar what: the call.
    :ivar pid: the process.
    :ivar exitcode: as :attr:`multiprocessing.Process.exitcode`: -9 where SIGKILL ended it; None where it is not known.
    """

    def __init__(self, what: str, pid: int | None, exitcode: int | None) -> None:
        how = 'nobody knows how' if exitcode is None else f'exit code {exitcode}'
        super().__init__(f'worker process {pid} ended, {how}, while it ran {what}')
        self.what = what
        self.pid = pid
        self.exitcode = exitcode


class AtomInterrupted(TaskFlowException):
    """A call of an atom ended with what is no Exception: a time-out of eventlet's, or ``sys.exit()`` in a worker.

    What it ended with is the cause, in the process where that happened.

    :ivar what: the call.
    :ivar kind: the class of what it ended with, as ``eventlet.timeout.Timeout``.
    """

    def __init__(self, what: str, error: BaseException) -> None:
        cls = type(error)
        self.kind = cls.__name__ if cls.__module__ == 'builtins' else f'{cls.__module__}.{cls.__name__}'
        text = str(error)
        super().__init__(f'{what} ended with {self.kind}{": " if text else ""}{text}')
        self.what = what
        # Not as an attribute: it may be of a kind that cannot be pickled.
        self.__cause__ = error


class DisallowedAccess(TaskFlowException):
    """Something is not accessible in the present state.

    :ivar state: the state, None where it is not known.
    """

    def __init__(self, message: object = None, cause: BaseException | None = None, state: str | None = None) -> None:
        super().__init__(message, cause=cause)
        self.state = state


class NotImplementedError(builtins.NotImplementedError):
    """The operation is not offered by this object."""


class WrappedFailure(Exception):
    """Carries failures that cannot be raised as what they were: several at once, or reloaded from storage.

    Not a :class:`TaskFlowException`, as in TaskFlow 6.x: it is what the *tasks* raised, not what tfd did.

    Iterating yields the :class:`~tfd.types.failure.Failure` objects, nested carriers flattened.
    """

    def __init__(self, causes: Iterable[Any]) -> None:
        self._causes: list[Any] = []
        for failure in causes:
            inner = getattr(failure, 'exception', None)
            if isinstance(inner, WrappedFailure):
                self._causes.extend(inner._causes)
            else:
                self._causes.append(failure)
        super().__init__(f'WrappedFailure: [{", ".join(str(failure) for failure in self._causes)}]')

    def __iter__(self) -> Any:
        return iter(self._causes)

    def __len__(self) -> int:
        return len(self._causes)

    def __bytes__(self) -> bytes:
        return str(self).encode()

    def __reduce__(self) -> Any:
        return type(self), (self._causes,)

    def check(self, *exc_classes: Any) -> Any:
        """Return the first of ``exc_classes`` that one of the failures matches, or None."""
        for failure in self._causes:
            found = failure.check(*exc_classes)
            if found is not None:
                return found
        return None


# -- storage ---------------------------------------------------------------------------------------


class StorageFailure(TaskFlowException):
    """Storage refused a request, and would refuse it again."""


class NotFound(TaskFlowException):
    """The thing asked for does not exist."""


class InvalidFormat(TaskFlowException):
    """Some data does not have the form that is needed."""


class NotStorable(StorageFailure):
    """A value has no stored form.

    :ivar what: whose value it is (``"result of atom 'a'"``).
    :ivar path: where inside the value, as ``$['key'][0]``.
    :ivar type_name: the type that cannot be stored.
    """

    def __init__(self, what: str, path: str, type_name: str, cause: BaseException | None = None) -> None:
        super().__init__(f'{what} cannot be stored: {path} is a {type_name}, which has no stored form', cause=cause)
        self.what = what
        self.path = path
        self.type_name = type_name


class TooLarge(NotStorable):
    """A value has a stored form that is larger than storage takes.

    :ivar size: bytes of the stored form, as they are counted against the limit.
    :ivar limit: bytes that storage takes.
    """

    def __init__(self, what: str, size: int, limit: int) -> None:
        super().__init__(what, '$', f'value of {size} bytes')
        self.args = (f'{what} cannot be stored: it has {size} bytes, expected at most {limit}',)
        self.size = size
        self.limit = limit


class NoSecretKey(NotStorable):
    """A value is secret, and there is no key to encrypt it with."""

    def __init__(self, what: str, path: str) -> None:
        super().__init__(what, path, 'Secret')
        self.args = (
            f'{what} cannot be stored: {path} is secret, and no key to encrypt it is configured: [secrets] keys, or'
            ' secret_keys of the backend',)


class UnknownKey(StorageFailure):
    """A stored value is secret, and the key that encrypted it is not configured here.

    Another host may have it: no reason to give up a job.

    :ivar key: the id of the key; ``tfd-manage secrets check`` shows those that are in use.
    :ivar known: the ids of the keys that are configured.
    """

    def __init__(self, key: str, known: Iterable[str]) -> None:
        names = list(known)
        super().__init__(
            f'a stored secret was encrypted with key {key}, which is not configured here: add it to [secrets] keys, or'
            f' to secret_keys of the backend (configured: {names or "none"})')
        self.key = key
        self.known = names


class StorageUnavailable(TaskFlowException):
    """The database cannot be reached now; the same request may succeed later.

    Never a reason to revert anything.
    """


class IncompatibleSchema(StorageFailure):
    """The database's schema is missing, too old or too new for this release.

    :ivar found: the revision found, None where there is no schema.
    :ivar expected: the revision that this release works with.
    """

    def __init__(
        self, where: str, found: str | None, expected: str, advice: str = "run 'tfd-manage db sync'"
    ) -> None:
        state = 'has no tfd schema, or not all of it' if found is None else f'is at schema revision {found}'
        super().__init__(f'the database {where} {state}, revision {expected} is expected: {advice}')
        self.where = where
        self.found = found
        self.expected = expected


# -- ownership, jobs and conductors ----------------------------------------------------------------


class OwnershipLost(TaskFlowException):
    """The job belongs to somebody else now: stop at once, revert nothing, settle nothing.

    :ivar job: the id of the job.
    :ivar epoch: the epoch under which it was owned.
    """

    def __init__(self, job: str, epoch: int, why: str) -> None:
        super().__init__(f'job {job} is not owned under epoch {epoch} any more: {why}')
        self.job = job
        self.epoch = epoch
        self.why = why


class FlowOwned(InvalidState):
    """The flow's job is claimed: only its owner's steps change what is recorded of it.

    :ivar flow: the UUID of the flow.
    :ivar job: the id of the job.
    :ivar owner: the incarnation that claimed it.
    """

    def __init__(self, name: str, flow: str, job: str, owner: str) -> None:
        super().__init__(f'flow {name!r} ({flow}) cannot be changed in its logbook: job {job} is claimed by {owner}')
        self.flow = flow
        self.job = job
        self.owner = owner


class JobFailure(TaskFlowException):
    """A job, or the board it is on, cannot do what was asked."""


class UnclaimableJob(JobFailure):
    """The job cannot be claimed: it is claimed, settled, or gone."""


class UnknownFlow(JobFailure):
    """No flow factory of that name is installed.

    :ivar name: the name asked for.
    :ivar known: the names that are installed.
    """

    def __init__(self, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(f'no flow factory named {name!r} is installed (entry points in group tfd.flows: {names})')
        self.name = name
        self.known = names


class ConductorFailure(TaskFlowException):
    """A conductor cannot do what was asked."""


class CoordinatorUnavailable(TaskFlowException):
    """The coordinator (ZooKeeper, or the table of leases) cannot be reached now.

    Never a reason to revert anything.
    """


class SessionLost(TaskFlowException):
    """The coordinator session ended, or may have: all that was held under it is gone."""


class LockHeld(TaskFlowException):
    """A lock is held by somebody else.

    :ivar name: the lock.
    :ivar owner: the incarnation that holds it, None where it is not known.
    """

    def __init__(self, name: str, owner: str | None) -> None:
        super().__init__(f'lock {name!r} is held by {owner or "somebody else"}')
        self.name = name
        self.owner = owner


# -- plugins and configuration ---------------------------------------------------------------------


class UnknownPlugin(NotFound):
    """No driver of that name is installed (NotFound, as TaskFlow has it).

    :ivar group: the entry-point group.
    :ivar name: the name asked for.
    :ivar known: the names that are installed.
    """

    def __init__(self, group: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(f'no driver named {name!r} is installed in {group} (installed: {names})')
        self.group = group
        self.name = name
        self.known = names


class BadConfiguration(TaskFlowException):
    """An option has a value that cannot be used.

    :ivar option: the option, as ``[group] name``.
    """

    def __init__(self, option: str, value: object, expected: str) -> None:
        super().__init__(f'{option} = {value!r}: expected {expected}')
        self.option = option
        self.value = value
