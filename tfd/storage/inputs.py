# SPDX-License-Identifier: Apache-2.0
"""The inputs of a flow, in the forms in which they may be given."""

from __future__ import annotations

from typing import Any

__all__ = ['as_inputs']


def as_inputs(pairs: Any, what: str) -> dict[str, Any]:
    """Return inputs as a dictionary.

    :param pairs: a mapping, or pairs of names and values.
    :raises TypeError: they are neither; what they are is not told, for they may be secret.
    """
    try:
        return dict(pairs)
    except (TypeError, ValueError):
        raise TypeError(
            f'{what} must be a mapping, or pairs of names and values, not this {type(pairs).__name__}') from None
