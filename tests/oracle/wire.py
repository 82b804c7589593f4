# SPDX-License-Identifier: Apache-2.0
"""Specs as JSON, for the processes that have TaskFlow."""

from __future__ import annotations

import dataclasses
from typing import Any

from tests.reference import spec as specs

__all__ = ['decode', 'encode']

_KINDS = {kind.__name__: kind for kind in (specs.Spec, specs.FlowSpec, specs.TaskSpec, specs.RetrySpec, specs.LinkSpec)}


def encode(value: Any) -> Any:
    """Return a spec, or a part of one, as what JSON has."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {'kind': type(value).__name__, **parts}
    if isinstance(value, frozenset):
        return {'kind': 'set', 'of': [encode(item) for item in sorted(value)]}
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    return value


def decode(value: Any) -> Any:
    """Return what was encoded."""
    if isinstance(value, list):
        return tuple(decode(item) for item in value)
    if not isinstance(value, dict):
        return value
    if value['kind'] == 'set':
        return frozenset(decode(item) for item in value['of'])
    return _KINDS[value['kind']](**{name: decode(part) for name, part in value.items() if name != 'kind'})
