# SPDX-License-Identifier: Apache-2.0
"""Where things are in ZooKeeper, below the root of one deployment.

::

    <root>/members/<incarnation>   ephemeral; JSON that says where the member runs
    <root>/locks/<name>            ephemeral; the incarnation that holds it
    <root>/doorbells/<shard>       set to ring it
    <root>/board                   the board's id
"""

from __future__ import annotations

import dataclasses
import re
import urllib.parse

__all__ = ['Paths', 'escape', 'is_incarnation', 'unescape']

_INCARNATION = re.compile(r'[^/]+/[^/]+/[0-9a-f]+')


def escape(name: str) -> str:
    """Return ``name`` as the name of one node: percent-encoded, '/' included.

    :raises ValueError: ``name`` is empty.
    """
    if not name:
        raise ValueError('the name of a node must not be empty')
    quoted = urllib.parse.quote(name, safe='')
    # Of what quote() leaves alone, the only names that mean something else in a path.
    return quoted.replace('.', '%2E') if quoted in ('.', '..') else quoted


def unescape(node: str) -> str:
    """Return the name that :func:`escape` made ``node`` of."""
    return urllib.parse.unquote(node)


def is_incarnation(name: str) -> bool:
    """Whether ``name`` has the form ``<conductor>/<worker>/<session id>``."""
    return _INCARNATION.fullmatch(name) is not None


@dataclasses.dataclass(frozen=True, slots=True)
class Paths:
    """The paths of one deployment.

    :ivar root: absolute, without a '/' at its end; '' for ZooKeeper's own root.
    """

    root: str

    @property
    def members(self) -> str:
        """The parent of the members."""
        return f'{self.root}/members'

    @property
    def locks(self) -> str:
        """The parent of the locks."""
        return f'{self.root}/locks'

    @property
    def doorbells(self) -> str:
        """The parent of the doorbells."""
        return f'{self.root}/doorbells'

    @property
    def board(self) -> str:
        """The board's id."""
        return f'{self.root}/board'

    def member(self, incarnation: str) -> str:
        """The node of a member."""
        return f'{self.members}/{escape(incarnation)}'

    def lock(self, name: str) -> str:
        """The node of a lock."""
        return f'{self.locks}/{escape(name)}'

    def doorbell(self, shard: int) -> str:
        """The node of a shard's doorbell."""
        return f'{self.doorbells}/{shard}'
