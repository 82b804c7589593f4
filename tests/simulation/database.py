# SPDX-License-Identifier: Apache-2.0
"""The database as the ports show it: the fakes in memory, behind a wire, each call one transaction."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from tests.simulation.history import History
from tests.simulation.hub import Hub, Process
from tests.simulation.wire import Wire
from tfd import exceptions
from tfd.persistence import codec, memory, record
from tfd.testing.jobs import FakeJobStore

__all__ = ['Backend', 'Database', 'JobStore', 'Tables']

#: Seconds after which a statement is given up.
_LIMIT = 3.0


class Tables(FakeJobStore):
    """The rows of jobs; whatever changes them is told to the history."""

    def __init__(self, hub: Hub, history: History) -> None:
        super().__init__(hub.wall)
        self.history = history

    def claim(self, candidate: Any, owner: str, claim_id: str) -> Any:
        """Change a row's owner."""
        claim = super().claim(candidate, owner, claim_id)
        self.history.claimed(claim.job)
        return claim

    def guard(self, fence: record.Fence, progress: bool) -> None:
        """Let a step be recorded."""
        super().guard(fence, progress)
        self.history.recorded(fence, progress)

    def settle(self, fence: record.Fence, settlement: record.Settlement, progress: bool = False) -> None:
        """Give a job back."""
        before = self.get(fence.job)
        super().settle(fence, settlement, progress)
        if self.get(fence.job) is not before:
            self.history.settled(fence, settlement, progress)

    def count(self, *states: str) -> int:
        """Return how many jobs are in one of these states."""
        return sum(job.state in states for job in self._jobs.values())


class Database:
    """The server."""

    def __init__(self, hub: Hub, tables: Tables) -> None:
        self.wire = Wire(hub, 'sql', exceptions.StorageUnavailable)
        self.jobs = tables
        self.journal = memory.MemoryBackend(fences=tables).journal()

    def call(self, process: Process, what: str, method: Any, *args: Any, **kwargs: Any) -> Any:
        """Have a transaction performed for a process."""
        return self.wire.call(process, what, _LIMIT, functools.partial(method, *args, **kwargs))


class JobStore:
    """The :class:`tfd.jobs.ports.JobStore` of a simulated process: every method is a call of the server."""

    def __init__(self, database: Database, process: Process) -> None:
        self._database = database
        self._process = process

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._database.jobs, name)
        made = functools.partial(self._database.call, self._process, name, method)
        self.__dict__[name] = made
        return made


class Backend:
    """The :class:`tfd.persistence.base.Backend` of a simulated process, as far as an engine needs it."""

    def __init__(self, database: Database, process: Process) -> None:
        self._journal = Journal(database, process)

    def journal(self) -> Journal:
        """Return the journal."""
        return self._journal

    def get_connection(self) -> Any:
        """Refuse: no engine that runs a job asks for logbooks."""
        raise NotImplementedError

    def close(self) -> None:
        """Do nothing."""


class Journal:
    """The journal of a simulated process. What it stores is text, so that no two processes share a value."""

    def __init__(self, database: Database, process: Process) -> None:
        self._call = functools.partial(database.call, process)
        self._stored = database.journal
        self.codec = codec.JsonCodec()

    def create(self, flow: record.FlowRecord, atoms: Sequence[record.AtomRecord],
               fence: record.Fence | None = None) -> None:
        """Record a flow."""
        self._call('create', self._stored.create, flow, atoms, fence)

    def append(self, entry: record.Entry) -> None:
        """Record a step."""
        self._call('append', self._stored.append, entry)

    def load(self, flow: str) -> record.Snapshot:
        """Return what is recorded."""
        found: record.Snapshot = self._call('load', self._stored.load, flow)
        return found
