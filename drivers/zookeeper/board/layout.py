# SPDX-License-Identifier: Apache-2.0
"""Where a board of nodes has its things, below the path that it is configured with.

::

    <path>/job<sequence>                           a job that TaskFlow's posters left
    <path>/job<sequence>.lock                      ephemeral; who has claimed it, as TaskFlow's conductors say it
    <path>/.tfd/pages/<page>/job-<rank>-<uuid>-<sequence>        a job; <rank> is 0 for the most urgent
    <path>/.tfd/pages/<page>/job-<rank>-<uuid>-<sequence>.lock   ephemeral; who has claimed it
    <path>/.tfd/members/<incarnation>              ephemeral; who is connected
    <path>/.tfd/entities/<kind>/<name>             ephemeral; what has made itself known
    <path>/.tfd/trash/job…                         a job that was trashed
"""

from __future__ import annotations

import dataclasses
import re

from tfd_drivers.zookeeper.paths import escape

__all__ = ['LEGACY', 'LOCK', 'PAGE_SIZE', 'Layout', 'NodeName', 'parse']

#: How many jobs a page has before the next one is opened: few enough to be listed in a few milliseconds, with names
#: and locks far below ``jute.maxbuffer`` (1 MiB).
PAGE_SIZE = 256
#: The number of the page that TaskFlow's posters write to; it comes before all others.
LEGACY = -1
LOCK = '.lock'

_JOB = re.compile(r'job-([0-4])-([0-9a-f]{32})-([0-9]{10})')
_LEGACY_JOB = re.compile(r'job([0-9]{10})')
_PAGE = re.compile(r'[0-9]{10}')


@dataclasses.dataclass(frozen=True, slots=True)
class NodeName:
    """What the name of a job's node says.

    :ivar rank: how urgent the job is, None where only the node's data says it.
    :ivar uuid: the job's UUID in hexadecimal, None where only the node's data says it.
    """

    sequence: int
    rank: int | None = None
    uuid: str | None = None


def parse(name: str, page: int) -> NodeName | None:
    """Return what the name of a node on a page says, None where no job is named so."""
    if page == LEGACY:
        found = _LEGACY_JOB.fullmatch(name)
        return None if found is None else NodeName(int(found[1]))
    found = _JOB.fullmatch(name)
    return None if found is None else NodeName(int(found[3]), int(found[1]), found[2])


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one board.

    :ivar root: absolute, without a '/' at its end.
    """

    root: str

    @property
    def pages(self) -> str:
        """The parent of the pages."""
        return f'{self.root}/.tfd/pages'

    @property
    def members(self) -> str:
        """The parent of the members."""
        return f'{self.root}/.tfd/members'

    @property
    def entities(self) -> str:
        """The parent of the kinds of entities."""
        return f'{self.root}/.tfd/entities'

    @property
    def trash(self) -> str:
        """The parent of jobs that were trashed."""
        return f'{self.root}/.tfd/trash'

    def page(self, number: int) -> str:
        """A page."""
        return self.root if number == LEGACY else f'{self.pages}/{number:010d}'

    def page_number(self, name: str) -> int | None:
        """The number of the page whose node has this name, None where it is no page."""
        return int(name) if _PAGE.fullmatch(name) else None

    def member(self, incarnation: str) -> str:
        """The node of a member."""
        return f'{self.members}/{escape(incarnation)}'

    def lock(self, job: str) -> str:
        """The node that claims a job, by the path of the job's."""
        return job + LOCK

    def entity(self, kind: str, name: str) -> str:
        """The node of an entity."""
        # As it is, where a node can be named so: a conductor is known by name@host:pid.
        return f'{self.entities}/{escape(kind)}/{escape(name).replace("%40", "@").replace("%3A", ":")}'

    def trashed(self, job: str) -> str:
        """The node of a job that was trashed, by the path that it had."""
        return f'{self.trash}/{job.rpartition("/")[2]}'
