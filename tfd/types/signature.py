# SPDX-License-Identifier: Apache-2.0
"""What a callable takes, as far as binding arguments to it needs to know."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ['Signature', 'read']


class Signature(NamedTuple):
    """Names of a callable's arguments, ``self`` left out, positional before keyword-only.

    :ivar required: those without a default.
    :ivar optional: those with one.
    :ivar open: whether it takes any further keyword (``**kwargs``).
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]
    open: bool


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
    return Signature(tuple(required), tuple(optional), accepts)
