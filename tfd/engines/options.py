# SPDX-License-Identifier: Apache-2.0
"""The options of engines: which there are, and what values they can have."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from typing import Any

from oslo_utils import strutils

from tfd import executors

__all__ = ['named', 'read']

#: What some engine knows; one that has no use for it leaves it alone, so that a service may offer the choice of engine.
_KNOWN = frozenset((
    'defer_reverts', 'executor', 'max_workers', 'never_resolve', 'ownership', 'patience', 'refuse_changed', 'sleep',
))
#: Options that are true or false.
_SWITCHES = ('defer_reverts', 'never_resolve', 'refuse_changed')
#: TaskFlow takes the names of its executors in any case.
_IN_ANY_CASE = frozenset(('thread', 'threads', 'threaded', 'greenthread', 'greenthreads', 'greenthreaded'))


def named(engine: str | None, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the name of a kind of engine, and the options that its text and these give it; the latter go first.

    :raises TypeError: the engine is not given as text.
    """
    if engine is None:
        return 'default', dict(options)
    if not isinstance(engine, str):
        raise TypeError(f'engine must be a name, not {engine!r} ({type(engine).__name__})')
    if ':' not in engine:
        return engine, dict(options)
    parts = urllib.parse.urlsplit(engine)
    return parts.scheme, {**dict(urllib.parse.parse_qsl(parts.query)), **options}


def read(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as engines use them: switches and numbers may be given as text, from wherever that was read.

    :raises ValueError: no engine knows one of them, or it cannot have that value.
    :raises TypeError: its value is of another type.
    """
    unknown = sorted(set(options) - _KNOWN)
    if unknown:
        raise ValueError(f'no engine knows the options {unknown}; there are {sorted(_KNOWN)}')
    found = dict(options)
    for name in found.keys() & _SWITCHES:
        # 'false' is true to bool().
        if isinstance(found[name], str):
            found[name] = _switch(name, found[name])
    if isinstance(found.get('max_workers'), str):
        found['max_workers'] = _number('max_workers', found['max_workers'], int)
    if isinstance(found.get('executor'), str) and found['executor'].lower() in _IN_ANY_CASE:
        found['executor'] = found['executor'].lower()
    executors.check(found.get('executor'), found.get('max_workers'))
    if 'patience' in found:
        found['patience'] = _patience(found['patience'])
    if not callable(found.get('sleep', len)):
        raise TypeError(f'sleep must be callable, {found["sleep"]!r} ({type(found["sleep"]).__name__}) is not')
    return found


def _switch(name: str, text: str) -> bool:
    try:
        return bool(strutils.bool_from_string(text, strict=True))
    except ValueError as err:
        raise ValueError(f'{name} must be true or false: {err}') from err


def _number(name: str, text: str, kind: type[int] | type[float]) -> float:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f'{name} must be a number, not {text!r}') from None


def _patience(seconds: Any) -> float:
    found = _number('patience', seconds, float) if isinstance(seconds, str) else seconds
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise TypeError(f'patience must be a number of seconds, not {found!r} ({type(found).__name__})')
    if not found >= 0:
        raise ValueError(f'patience must be a number of seconds, 0 at least, not {found}')
    return found
