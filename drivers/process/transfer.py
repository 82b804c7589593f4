# SPDX-License-Identifier: Apache-2.0
"""What travels between processes, as bytes: pickles, with what tfd knows of its own kinds of values.

- A :class:`~tfd.types.failure.Failure` always travels: where its exception cannot, as text, as it is stored.
- A task leaves its listeners at home: they are told there.
- What tfd worked out of a class's signatures is pickled once for all tasks of the class.
"""

from __future__ import annotations

import functools
import io
import pickle
from collections.abc import Callable, Mapping
from typing import Any

from tfd import atom as atoms
from tfd import exceptions, task
from tfd.types import failure as ft

__all__ = ['ERRORS', 'dump', 'load', 'pack']

#: What pickling and unpickling raise: anything, for classes may do it in their own way.
ERRORS = Exception

load: Callable[[Any], Any] = pickle.loads


def dump(value: Any, head: bytes = b'') -> memoryview:
    """Return a value as bytes, after a head.

    :raises Exception: it cannot be pickled.
    """
    out = io.BytesIO()
    out.write(head)
    _Pickler(out, pickle.HIGHEST_PROTOCOL).dump(value)
    return out.getbuffer()


def pack(call: Callable[..., Any], atom: Any, arguments: Mapping[str, Any], head: bytes) -> memoryview:
    """Return the call of an atom as bytes, after a head.

    :raises NotTransferable: the atom or an argument cannot be pickled; it says which.
    """
    try:
        return dump((call, (atom, arguments), {}), head)
    except ERRORS as err:
        for what, value in ((f'task {atom.name!r}', atom), *(
                (f'argument {name!r} of task {atom.name!r}', value) for name, value in arguments.items())):
            _try(what, value)
        raise exceptions.NotTransferable(f'the call of task {atom.name!r}', err) from err


def _try(what: str, value: Any) -> None:
    try:
        dump(value)
    except ERRORS as err:
        raise exceptions.NotTransferable(what, err) from err


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        """Say how a value is pickled: NotImplemented leaves that to its class."""
        kind = type(value)
        if kind is atoms.Binding:
            return _binding, (_packed_binding(value),)
        if kind is task.TaskNotifier:
            return _nothing, ()
        if isinstance(value, ft.Failure):
            return _failure, _failure_parts(value)
        return NotImplemented


def _nothing() -> None:
    """Return what is there in place of a notifier: a task makes a new one when it needs it."""


@functools.lru_cache(maxsize=1024)
def _packed_binding(binding: atoms.Binding) -> bytes:
    return pickle.dumps(binding, pickle.HIGHEST_PROTOCOL)


@functools.lru_cache(maxsize=1024)
def _binding(packed: bytes) -> Any:
    return pickle.loads(packed)


def _failure_parts(failure: ft.Failure) -> tuple[bytes, dict[str, Any]]:
    texts = failure.to_dict()
    if not _packed(texts):
        texts = failure.to_dict(include_args=False)
    for part in (texts, *texts['causes']):
        # What workers call the main module.
        part['exc_type_names'] = [name.replace('__mp_main__.', '__main__.', 1) for name in part['exc_type_names']]
    return _packed(failure.exception), texts


def _packed(value: Any) -> bytes:
    """Return a value as bytes, none where it does not come back from them."""
    try:
        packed = bytes(dump(value))
        load(packed)
    except ERRORS:
        return b''
    return packed


def _failure(packed: bytes, texts: dict[str, Any]) -> ft.Failure:
    exception = None
    if packed:
        try:
            exception = load(packed)
        except ERRORS:
            # Of a class that only the other process has.
            pass
    failure = ft.Failure.__new__(ft.Failure)
    failure.__setstate__({**texts, 'exception': exception})
    return failure
