# SPDX-License-Identifier: Apache-2.0
"""What JSON is to be written for a value, changed before it becomes text: failures cut, secrets hidden."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ['TAG', 'Hidden', 'cut_failures', 'hide_named', 'tagged']

TAG = '$'
#: What is kept of each text of a failure that is too large, in characters.
_CUT = 1000
#: Extensions whose members are pairs of a name and a value, and where in the extension those are.
_PAIRS = {'dict': 1, 'dataclass': 2}


@dataclasses.dataclass(frozen=True, slots=True)
class Hidden:
    """Stands for what is to be encrypted.

    :ivar expanded: what JSON is to be written for it before that.
    :ivar plain: whether it comes back as a plain value.
    :ivar path: where in the value it is; None where it is secret by its name.
    """

    expanded: Any
    plain: bool = False
    path: Any = None


def tagged(kind: str, *parts: Any) -> dict[str, Any]:
    """Return an extension."""
    return {TAG: [kind, *parts]}


def hide_named(written: Any, is_named: Callable[[str], bool]) -> Any:
    """Hide, in place, the members whose names say that they are secret; return what was given."""
    if type(written) is list:
        for member in written:
            hide_named(member, is_named)
    elif type(written) is dict:
        parts = written.get(TAG)
        if type(parts) is list:
            _hide_in_extension(parts, is_named)
            return written
        for name, member in written.items():
            written[name] = _hidden(name, member, is_named)
    return written


def _hide_in_extension(parts: list[Any], is_named: Callable[[str], bool]) -> None:
    at = _PAIRS.get(parts[0])
    if at is None:
        for member in parts[1:]:
            hide_named(member, is_named)
        return
    for pair in parts[at]:
        pair[1] = _hidden(pair[0], pair[1], is_named)


def _hidden(name: Any, member: Any, is_named: Callable[[str], bool]) -> Any:
    if type(name) is str and is_named(name):
        # There is nothing to hide of None, and a secret is hidden already.
        return member if member is None or type(member) is Hidden else Hidden(member, plain=True)
    return hide_named(member, is_named)


def cut_failures(written: Any) -> Any:
    """Shorten, in place, the failures in what JSON is to be written for a value; return it."""
    members: Iterable[Any] = ()
    if type(written) is list:
        members = written
    elif type(written) is dict:
        parts = written.get(TAG)
        if type(parts) is list and parts[0] == 'failure':
            _cut_failure(parts[1])
        else:
            members = written.values()
    for member in members:
        cut_failures(member)
    return written


def _cut_failure(fields: dict[str, Any]) -> None:
    """Keep the begin of a failure's text, the end of its traceback, and no arguments."""
    if len(fields['exception_str']) > _CUT:
        fields['exception_str'] = fields['exception_str'][:_CUT] + '…'
    if len(fields['traceback_str']) > _CUT:
        fields['traceback_str'] = '…' + fields['traceback_str'][-_CUT:]
    fields['exc_args'] = []
    for cause in fields['causes']:
        _cut_failure(cause)
