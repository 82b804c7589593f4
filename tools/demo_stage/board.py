# SPDX-License-Identifier: Apache-2.0
"""The jobs of the demo, as ``tfd.client`` gives them; nothing else here imports tfd.

The configuration that daemons and client share is written here too.
"""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any, Self

from demo_stage import backends

__all__ = ['Board', 'View', 'write_configuration']

FLOW = 'demo.server_with_volume'

#: How many steps a job of the demo records from its claim to its end, for the length of its bar.
STEPS = 9

WORKERS = 2
#: Jobs at a time in one worker: few enough that some still wait when a daemon is killed.
MAX_JOBS = 2
#: Seconds of silence after which a daemon counts as dead.
SESSION_TIMEOUT = 4

_SHARED = """\
[database]
connection = {database}

[coordination]
backend = {coordinator}
session_timeout = {timeout}
{zookeeper}
[conductor]
workers = {workers}
max_jobs = {max_jobs}
"""
_ZOOKEEPER = """\
hosts = {hosts}
# 20 ticks of the server that the demo starts.
max_session_timeout = 10
"""
_OWN = """\
[DEFAULT]
host = {name}
"""


@dataclasses.dataclass(frozen=True, slots=True)
class View:
    """One job as the audience sees it.

    :ivar state: waiting, running, done or parked.
    :ivar outcome: SUCCESS, REVERTED or FAILURE once it is done, else ''.
    :ivar daemon: the name of the daemon that owns it, '' where none does.
    :ivar progress: from 0.0 to 1.0.
    :ivar claims: how often it was claimed.
    """

    id: str
    name: str
    state: str
    outcome: str
    daemon: str
    progress: float
    claims: int
    reason: str

    @property
    def settled(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ('done', 'parked')


def write_configuration(
    work: pathlib.Path, backend: backends.Backend, daemons: list[str]
) -> tuple[pathlib.Path, dict[str, pathlib.Path]]:
    """Write the ini file for all, and one more for each daemon; return both."""
    shared = work / 'tfd.conf'
    shared.write_text(_SHARED.format(
        database=backend.database.replace('$', '$$'), timeout=SESSION_TIMEOUT, workers=WORKERS,
        max_jobs=MAX_JOBS, coordinator='zookeeper' if backend.zookeeper else 'sql',
        zookeeper=_ZOOKEEPER.format(hosts=backend.zookeeper) if backend.zookeeper else ''))
    own = {}
    for name in daemons:
        own[name] = work / f'{name}.conf'
        own[name].write_text(_OWN.format(name=name))
    return shared, own


class Board:
    """Posts the jobs, and looks at them.

    Used in a ``with`` statement, which ends its connections.

    :param configuration: the ini file that the daemons have too.
    """

    def __init__(self, configuration: pathlib.Path) -> None:
        # Only the virtual environment has tfd.
        from tfd import client
        from tfd.conf import load

        self._client = client.Client(load.load(load.arguments([str(configuration)])))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._client.close()

    def post(self, name: str, store: dict[str, Any]) -> str:
        """Post a job under its name, which serves as its token too; return its id."""
        job = self._client.post(FLOW, store=store, token=name, name=name)
        return str(job.id)

    def look(self) -> list[View]:
        """Return every job, by name."""
        jobs = self._client.list(limit=1000)
        return sorted((_view(job) for job in jobs), key=lambda view: view.name)


def _view(job: Any) -> View:
    state = {'UNCLAIMED': 'waiting', 'CLAIMED': 'running', 'COMPLETE': 'done'}.get(
        job.state, 'parked')
    progress = 1.0 if state == 'done' else min(0.95, job.seq / STEPS)
    return View(job.id, job.name, state, job.outcome, job.owner.partition('/')[0], progress,
                job.claims, job.cause)
