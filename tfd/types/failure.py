# SPDX-License-Identifier: Apache-2.0
"""A failure: an exception in a form that can be kept, compared, stored and raised again."""

from __future__ import annotations

import copy
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, NoReturn

from tfd import exceptions
from tfd.types.secret import Veil

__all__ = ['Failure']

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

_TEXT_KEYS = ('exception_str', 'traceback_str')


def _type_names(exc_type: type[BaseException]) -> tuple[str, ...]:
    """Return the names of a class and its bases up to Exception; those of builtins carry no module."""
    names = []
    for cls in exc_type.__mro__:
        if cls in (BaseException, object):
            continue
        module = '' if cls.__module__ in ('builtins', '__builtin__') else f'{cls.__module__}.'
        names.append(module + cls.__name__)
    return tuple(names)


def _text(error: BaseException) -> str:
    """Return ``str(error)``, or what can be said where the error has no text of its own."""
    try:
        return str(error)
    except Exception:
        try:
            return repr(error.args)
        except Exception:
            return f'<{type(error).__name__} that cannot be printed>'


def _arguments(error: Any) -> tuple[Any, ...]:
    """Return an error's arguments, none where its class has made something else of them."""
    try:
        return tuple(error.args)
    except Exception:
        return ()


class Failure:
    """An exception that was raised by an atom, with its causes, as a value.

    Made inside an ``except`` block without arguments, from :meth:`from_exception`, or from what :meth:`to_dict`
    returned. A failure that was made here holds the exception object and can raise it again; one that was reloaded
    holds text only, and :meth:`reraise` raises :class:`~tfd.exceptions.WrappedFailure`.

    Iterating yields the names of the exception's class and its bases, most special first.

    :param exc_info: as :func:`sys.exc_info` returns it; that of the exception being handled where nothing is given.
    :raises TypeError: there is no exception, or not one derived from Exception (KeyboardInterrupt and its like are not
        failures of an atom and are never kept).
    """

    #: Version of the dictionary form (TaskFlow 6.x writes 1 and tfd reads it).
    DICT_VERSION = 1
    #: Classes that every failure has as a base; told apart from matches on purpose.
    BASE_EXCEPTIONS = ('BaseException', 'Exception')

    __slots__ = (
        '__weakref__', '_causes', '_exc_args', '_exc_info', '_exc_type_names', '_exception_str', '_traceback_str',
        '_veiled',
    )

    _FIELDS = frozenset(('exc_args', 'exception_str', 'traceback_str', 'exc_type_names', 'causes', 'version'))

    def __init__(self, exc_info: ExcInfo | None = None, **kwargs: Any) -> None:
        self._veiled = False
        if not kwargs:
            self._init_from_error(exc_info if exc_info is not None else sys.exc_info())
            return
        unknown = sorted(set(kwargs) - self._FIELDS)
        if unknown:
            raise TypeError(f'Failure.__init__ got unexpected keyword argument(s): {", ".join(unknown)}')
        self._exc_info = exc_info
        self._exc_args = tuple(kwargs.get('exc_args') or ())
        self._exception_str: str | None = kwargs.get('exception_str') or ''
        self._exc_type_names = tuple(kwargs.get('exc_type_names') or ())
        self._traceback_str: str | None = kwargs.get('traceback_str') or ''
        self._causes: tuple[Failure, ...] | None = tuple(kwargs.get('causes') or ())

    def _init_from_error(self, exc_info: Any) -> None:
        exc_type, error = exc_info[0], exc_info[1]
        if not isinstance(exc_type, type) or not issubclass(exc_type, Exception):
            raise TypeError(f'a Failure is made of an exception derived from Exception, not of {exc_type!r}')
        self._exc_info = tuple(exc_info)
        self._exc_args = _arguments(error)
        self._exc_type_names = _type_names(exc_type)
        # Texts and causes are made when somebody asks: most failures of a retried flow are never printed.
        self._exception_str = None
        self._traceback_str = None
        self._causes = None

    @classmethod
    def from_exception(cls, exception: BaseException) -> Failure:
        """Return a failure for this exception object.

        :raises TypeError: it is not derived from Exception.
        """
        return cls((type(exception), exception, getattr(exception, '__traceback__', None)))

    # -- what it holds -----------------------------------------------------------------------------

    @property
    def exception(self) -> BaseException | None:
        """The exception object, or None where the failure was reloaded."""
        return self._exc_info[1] if self._exc_info else None

    @property
    def exception_str(self) -> str:
        """The exception's text."""
        if self._exception_str is None:
            self._exception_str = _text(self._exc_info[1]) if self._exc_info else ''
        return self._exception_str

    @property
    def exception_args(self) -> tuple[Any, ...]:
        """The exception's arguments."""
        return self._exc_args

    @property
    def exc_info(self) -> ExcInfo | None:
        """The triple of :func:`sys.exc_info`, or None where the failure was reloaded."""
        return self._exc_info

    @property
    def traceback_str(self) -> str:
        """The traceback as text, '' where there is none."""
        if self._traceback_str is None:
            frames = self._exc_info[2] if self._exc_info else None
            self._traceback_str = ''.join(traceback.format_tb(frames)) if frames is not None else ''
        return self._traceback_str

    @property
    def causes(self) -> tuple[Failure, ...]:
        """The failures that led to this one (``__cause__``, else a context not suppressed), nearest first."""
        if self._causes is None:
            self._causes = tuple(self._chain(self._exc_info[1])) if self._exc_info else ()
            self._link_causes()
        return self._causes

    def _link_causes(self) -> None:
        """Make the causes that come after one of the causes its own."""
        causes = self._causes or ()
        for at, cause in enumerate(causes):
            if not cause._causes:
                cause._causes = causes[at + 1:]

    @classmethod
    def _chain(cls, error: BaseException) -> Iterator[Failure]:
        seen = {id(error)}
        while True:
            nested = error.__cause__
            if nested is None and not error.__suppress_context__:
                nested = error.__context__
            if nested is None or id(nested) in seen or not isinstance(nested, Exception):
                return
            seen.add(id(nested))
            yield cls.from_exception(nested)
            error = nested

    def __iter__(self) -> Iterator[str]:
        return iter(self._exc_type_names)

    # -- secrets -----------------------------------------------------------------------------------

    @property
    def is_veiled(self) -> bool:
        """Whether secrets were taken out of its texts: those of the exception object are not to be logged."""
        return self._veiled

    def veiled(self, veil: Veil) -> Failure:
        """Return this failure without the secrets in its texts and arguments; itself where there are none.

        The exception object is the same: to raise it again is not to log it.
        """
        if not veil:
            return self
        fields = self._fields(include_args=True)
        masked = {
            **fields, 'exception_str': veil.text(self.exception_str), 'traceback_str': veil.text(self.traceback_str),
            'exc_args': tuple(veil.argument(arg) for arg in self._exc_args)}
        causes = tuple(cause.veiled(veil) for cause in self.causes)
        same = all(masked[name] is fields[name] for name in _TEXT_KEYS) and all(
            new is old for new, old in zip(
                (*masked['exc_args'], *causes), (*self._exc_args, *self.causes), strict=True))
        if same:
            return self
        del masked['version']
        new = Failure(self._exc_info, **masked, causes=causes)
        new._veiled = True
        return new

    # -- comparing ---------------------------------------------------------------------------------

    def check(self, *exc_classes: type[BaseException] | str) -> type[BaseException] | str | None:
        """Return the first of these classes (or class names) that the exception is an instance of, or None."""
        for wanted in exc_classes:
            name = _type_names(wanted)[0] if isinstance(wanted, type) and issubclass(wanted, Exception) else wanted
            if name in self._exc_type_names:
                return wanted
        return None

    def matches(self, other: object) -> bool:
        """Tell whether the other failure says the same, wherever it was made: type, text, traceback, causes."""
        if not isinstance(other, Failure):
            return False
        if self._exc_info is None or other._exc_info is None:
            return self._same_text(other)
        return self == other

    def _same_text(self, other: Failure) -> bool:
        mine, theirs = (self, *self.causes), (other, *other.causes)
        return len(mine) == len(theirs) and all(a._texts() == b._texts() for a, b in zip(mine, theirs, strict=True))

    def _texts(self) -> tuple[Any, ...]:
        return (self._exc_type_names, self._exc_args, self.exception_str, self.traceback_str)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Failure):
            return NotImplemented
        mine, theirs = self._exc_info, other._exc_info
        if (mine is None) != (theirs is None):
            return False
        if mine is not None and theirs is not None and type(mine[1]) is not type(theirs[1]):
            return False
        return self._same_text(other)

    # A failure made from an equal exception elsewhere is equal; hashing by identity as TaskFlow does keeps sets of
    # failures usable.
    __hash__ = object.__hash__

    # -- raising -----------------------------------------------------------------------------------

    def reraise(self) -> NoReturn:
        """Raise the exception with its traceback, or WrappedFailure where it was reloaded.

        :raises Exception: always.
        """
        if self._exc_info:
            error = self._exc_info[1]
            raise error.with_traceback(self._exc_info[2])
        raise exceptions.WrappedFailure([self])

    @staticmethod
    def reraise_if_any(failures: Iterable[Failure]) -> None:
        """Raise a single failure as itself and several as one WrappedFailure; return where there is none.

        :raises Exception: the single failure's.
        :raises WrappedFailure: there are several.
        """
        several = list(failures)
        if len(several) == 1:
            several[0].reraise()
        if several:
            raise exceptions.WrappedFailure(several)

    # -- other forms -------------------------------------------------------------------------------

    def to_dict(self, include_args: bool = True) -> dict[str, Any]:
        """Return the failure as a dictionary of texts, for storing.

        :param include_args: False leaves the exception's arguments out: they may be of any type.
        """
        # Each cause once: those of a cause are the ones after it, and writing them there as well would double them
        # with each further one.
        return {
            **self._fields(include_args), 'causes': [{**cause._fields(include_args), 'causes': []}
                                                     for cause in self.causes]}

    def _fields(self, include_args: bool) -> dict[str, Any]:
        return {
            'exception_str': self.exception_str,
            'traceback_str': self.traceback_str,
            'exc_type_names': list(self._exc_type_names),
            'version': self.DICT_VERSION,
            'exc_args': self._exc_args if include_args else (),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Failure:
        """Return the failure that :meth:`to_dict` described.

        :raises ValueError: the dictionary is of a version that is not known.
        :raises InvalidFormat: it is not the dictionary of a failure.
        """
        cls.validate(data)
        version = data.get('version', cls.DICT_VERSION)
        if version != cls.DICT_VERSION:
            raise ValueError(f'stored failure: version {version!r} is not known, expected {cls.DICT_VERSION}')
        fields = {key: data[key] for key in cls._FIELDS if key in data}
        fields['causes'] = tuple(cls.from_dict(cause) for cause in data.get('causes') or ())
        failure = cls(**fields)
        failure._link_causes()
        return failure

    @classmethod
    def validate(cls, data: Mapping[str, Any]) -> None:
        """Check that this is the dictionary of a failure, of whatever version.

        :raises InvalidFormat: it is not; the message names the key.
        """
        if not isinstance(data, Mapping):
            raise exceptions.InvalidFormat(f'a failure is stored as a dictionary, not as a {type(data).__name__}')
        version = data.get('version', cls.DICT_VERSION)
        if not isinstance(version, int) or version < 0:
            raise exceptions.InvalidFormat(f"stored failure: 'version' must be a number, found {version!r}")
        for key in _TEXT_KEYS:
            if not isinstance(data.get(key), str):
                raise exceptions.InvalidFormat(f'stored failure: {key!r} must be text, found {data.get(key)!r}')
        names = data.get('exc_type_names')
        if not isinstance(names, list | tuple) or not names or not all(isinstance(n, str) for n in names):
            raise exceptions.InvalidFormat(f"stored failure: 'exc_type_names' must be a list of names, found {names!r}")
        if names[-1] not in cls.BASE_EXCEPTIONS:
            raise exceptions.InvalidFormat(
                f"stored failure: 'exc_type_names' must end with one of {cls.BASE_EXCEPTIONS}, found {names!r}")

    def copy(self) -> Failure:
        """Return a failure that shares the exception object and nothing else."""
        return copy.copy(self)

    def __copy__(self) -> Failure:
        new = object.__new__(type(self))
        for name in ('_causes', '_exc_args', '_exc_info', '_exc_type_names', '_exception_str', '_traceback_str',
                     '_veiled'):
            setattr(new, name, getattr(self, name))
        return new

    def __getstate__(self) -> dict[str, Any]:
        state = self.to_dict()
        state['exception'] = self.exception
        state['veiled'] = self._veiled
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        error = state.get('exception')
        self._exc_info = (type(error), error, None) if error is not None else None
        self._veiled = state.get('veiled', False)
        self._exc_args = tuple(state['exc_args'])
        self._exception_str = state['exception_str']
        self._traceback_str = state['traceback_str']
        self._exc_type_names = tuple(state['exc_type_names'])
        self._causes = tuple(Failure.from_dict(cause) for cause in state['causes'])
        self._link_causes()

    def pformat(self, traceback: bool = False) -> str:
        """Return the failure as text, with its traceback where asked for."""
        head = 'Failure: '
        if self._exc_type_names:
            head += f'{self._exc_type_names[0]}: '
        lines = [head + self.exception_str]
        if traceback:
            frames = self.traceback_str
            lines.append('Traceback (most recent call last):\n' + frames if frames else 'Traceback not available.')
        return '\n'.join(lines)

    def __str__(self) -> str:
        return self.pformat()
