# SPDX-License-Identifier: Apache-2.0
"""How far a decider's "no" reaches."""

from __future__ import annotations

import enum
from collections.abc import Iterable

__all__ = ['Depth']


class Depth(enum.Enum):
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
    def translate(cls, desired_depth: Depth | str) -> Depth:
        """Return the depth of that name, in any case.

        :raises ValueError: there is no such depth.
        """
        if isinstance(desired_depth, cls):
            return desired_depth
        if isinstance(desired_depth, str):
            found = cls.__members__.get(desired_depth.upper())
            if found is not None:
                return found
        raise ValueError(
            f'Unexpected decider depth value, one of {sorted(cls.__members__)} (case-insensitive) is expected'
            f' and not {desired_depth!r}')


_WIDTH = {depth: width for width, depth in enumerate(reversed(Depth))}


def pick_widest(depths: Iterable[Depth]) -> Depth:
    """Return the widest of these depths.

    :raises ValueError: there are none.
    """
    return max(depths, key=_WIDTH.__getitem__)
