# SPDX-License-Identifier: Apache-2.0
"""How far a decider's "no" reaches."""

from __future__ import annotations

import enum
from collections.abc import Iterable

__all__ = ['Depth']


class Depth(enum.StrEnum):
    """What is ignored where a decider on a link says no, widest first."""

    #: The link's target and everything that runs after it, in any flow.
    ALL = 'ALL'
    #: The target and what runs after it in the same flow.
    FLOW = 'FLOW'
    #: The target and what runs directly after it.
    NEIGHBORS = 'NEIGHBORS'
    #: The target alone.
    ATOM = 'ATOM'

    @classmethod
    def translate(cls, desired_depth: Depth | str) -> Depth:  # type: ignore[override]  # TaskFlow's name for it
        """Return the depth of that name, in any case.

        :raises ValueError: there is no such depth.
        :raises TypeError: it is no text.
        """
        if isinstance(desired_depth, cls):
            return desired_depth
        if not isinstance(desired_depth, str):
            raise TypeError(
                f'a decider depth is one of {sorted(cls.__members__)}, not {desired_depth!r}'
                f' ({type(desired_depth).__name__})')
        found = cls.__members__.get(desired_depth.upper())
        if found is not None:
            return found
        raise ValueError(
            f'Unexpected decider depth value, one of {sorted(cls.__members__)} (case-insensitive) is expected'
            f' and not {desired_depth!r}')


_WIDTH = {depth: width for width, depth in enumerate(reversed(Depth))}


def pick_widest(depths: Iterable[Depth]) -> Depth:
    """Return the widest of these depths.

    :raises ValueError: there are none, or something else is among them.
    """
    found = list(depths)
    strange = [depth for depth in found if depth not in _WIDTH]
    if strange or not found:
        raise ValueError(f'the widest is to be picked of at least one depth and of nothing else, not of {found}')
    return max(found, key=_WIDTH.__getitem__)
