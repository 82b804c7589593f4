# SPDX-License-Identifier: Apache-2.0
"""What a callable takes, as far as binding arguments to it needs to know."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ['Signature', 'is_awaited', 'read']

#: inspect.CO_COROUTINE and inspect.CO_ASYNC_GENERATOR, without importing that.
_AWAITED = 0x80 | 0x200
_CALL = '__call__'


class Signature(NamedTuple):
    """Names of a callable's arguments, ``self`` left out, positional before keyword-only.

    :ivar required: those without a default.
    :ivar optional: those with one.
    :ivar open: whether it takes any further keyword (``**kwargs``).
    :ivar awaited: whether it is an ``async def``.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]
    open: bool
    awaited: bool = False


# Reading a signature takes longer than running the task: classes that are instantiated by the thousand are read once.
_KNOWN: weakref.WeakKeyDictionary[Callable[..., Any], Signature] = weakref.WeakKeyDictionary()


def read(function: Callable[..., Any], bound: bool = False) -> Signature:
    """Return the signature of a callable, which is looked at once.

    :param bound: drop the first positional argument: the function is looked at on its class and will be called on an
        instance.
    """
    try:
        known = _KNOWN.get(function)
    except TypeError:  # cannot be referred to weakly, or not hashed
        return _read(function, bound)
    if known is None:
        known = _KNOWN[function] = _read(function, False)
    return known._replace(required=known.required[1:]) if bound else known


def _read(function: Callable[..., Any], bound: bool) -> Signature:
    # Takes longer to import than all else that defining a task needs.
    import inspect
    required: list[str] = []
    optional: list[str] = []
    accepts = False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            accepts = True
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            (required if parameter.default is parameter.empty else optional).append(parameter.name)
    if bound:
        required = required[1:]
    return Signature(tuple(required), tuple(optional), accepts, is_awaited(function))


def is_awaited(function: Any) -> bool:
    """Tell whether a callable is an ``async def``: all that a call does is to make something that is to be awaited."""
    while isinstance(function, functools.partial):
        function = function.func
    # An object that can be called is looked at on its class.
    code = getattr(function, '__code__', None) or getattr(getattr(type(function), _CALL, None), '__code__', None)
    return code is not None and bool(code.co_flags & _AWAITED)
