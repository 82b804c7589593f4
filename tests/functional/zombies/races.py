# SPDX-License-Identifier: Apache-2.0
"""Takeovers of jobs, each against a late write of the job's owner."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence

import sqlalchemy as sa

from tests.functional.sql.cases import candidate_of, claim
from tfd import exceptions
from tfd.jobs import record as jobs_record
from tfd.persistence.record import AtomRecord, Entry, Fence, FlowRecord
from tfd_drivers.sql import tables
from tfd_drivers.sql.backend import SqlBackend

__all__ = ['End', 'Races', 'Step', 'spread']

#: Seconds after which a race is not waited for any more.
_SECONDS = 60.0
#: Atoms of each flow.
_ATOMS = 2

#: Makes the step that the owner of a job records.
Step = Callable[[jobs_record.Job, Fence], Entry]
_Flow = tuple[jobs_record.Job, Fence]


@dataclasses.dataclass(slots=True)
class End:
    """How a race ended.

    :ivar flow: the flow.
    :ivar write: what became of the write: ``done``, or the name of the error.
    :ivar takeover: the same of the takeover.
    :ivar seen: the state of the first atom as the successor loaded it after its claim.
    :ivar late: whether that is another one by now.
    """

    flow: str
    write: str = ''
    takeover: str = ''
    seen: str | None = None
    late: bool = False

    @property
    def both(self) -> tuple[str, str]:
        """How the write ended, and how the takeover did."""
        return self.write, self.takeover


def spread(count: int, width: float, decided: float = 0.0) -> list[float]:
    """Return by how many seconds each of so many writes starts later than its takeover; negative is earlier.

    :param width: of all but the first and the last, at most.
    :param decided: of those two, more, so that they are decided by it.
    """
    inner = [width * (2 * number / max(1, count - 3) - 1) for number in range(count - 2)]
    return [-width - decided, *inner, width + decided]


class Races:
    """Flows that are owned by one backend's process and taken over by another's.

    :param owner: the backend of the owner.
    :param successor: that of the successor.
    :param lanes: races at the same time.
    """

    def __init__(self, owner: SqlBackend, successor: SqlBackend, lanes: int) -> None:
        self._owner = owner
        self._successor = successor
        self._lanes = lanes

    def prepare(self, count: int) -> list[_Flow]:
        """Return so many claimed jobs whose flows are recorded, and their fences."""
        tokens = [str(uuid.uuid4()) for _ in range(count)]
        posted = self._owner.jobs().post([jobs_record.NewJob(token, token, 'a job', 'a-flow') for token in tokens])
        with concurrent.futures.ThreadPoolExecutor(self._lanes) as pool:
            return list(pool.map(self._own, posted))

    def _own(self, posted: jobs_record.Job) -> _Flow:
        job = claim(self._owner, posted.id)
        fence = Fence(job.id, job.epoch)
        atoms = [AtomRecord(job.flow_uuid, n, str(uuid.uuid4()), f'atom-{n}', 'task') for n in range(_ATOMS)]
        self._owner.journal().create(FlowRecord(job.flow_uuid, job.book_uuid, 'a-flow'), atoms, fence)
        return job, fence

    def run(self, flows: Sequence[_Flow], step: Step, offsets: Sequence[float]) -> list[End]:
        """Let each flow's owner record a step while a successor takes it over; return what came of it.

        :param offsets: by how many seconds the write starts later than the takeover.
        """
        ends: list[End] = []
        with concurrent.futures.ThreadPoolExecutor(2 * self._lanes) as pool:
            running = []
            for lane in range(self._lanes):
                mine = [(flow, offset, End(flow[0].flow_uuid)) for flow, offset in zip(
                    flows[lane::self._lanes], offsets[lane::self._lanes], strict=True)]
                ends += [end for _, _, end in mine]
                start = threading.Barrier(2)
                running += [pool.submit(self._write_late, start, mine, step), pool.submit(self._take_over, start, mine)]
            for done in running:
                done.result()
        return ends

    def _write_late(
        self, start: threading.Barrier, races: Sequence[tuple[_Flow, float, End]], step: Step,
    ) -> None:
        with _together(start):
            for flow, offset, end in races:
                entry = step(*flow)
                _start(start, offset)
                try:
                    self._owner.journal().append(entry)
                    end.write = 'done'
                except exceptions.OwnershipLost as err:
                    end.write = type(err).__name__

    def _take_over(self, start: threading.Barrier, races: Sequence[tuple[_Flow, float, End]]) -> None:
        with _together(start):
            for (job, _), offset, end in races:
                candidate = candidate_of(self._successor, job.id)
                _start(start, -offset)
                try:
                    self._successor.jobs().claim(candidate, 'successor', 'its claim')
                    end.seen = self._successor.journal().load(job.flow_uuid).atoms[0].state
                    end.takeover = 'done'
                except exceptions.UnclaimableJob as err:
                    end.takeover = type(err).__name__

    def judge(self, ends: Sequence[End]) -> int:
        """Find out which writes came late; return how many.

        What a successor loads after its claim is all that was recorded, and ever will be.
        """
        atoms = tables.atoms

        def read(connection: sa.Connection) -> dict[str, str | None]:
            found = connection.execute(sa.select(atoms.c.flow, atoms.c.state).where(atoms.c.number == 0))
            return {row.flow: row.state for row in found}

        by_now = self._successor.database.run(read, writing=False)
        for end in ends:
            end.late = end.takeover == 'done' and by_now[end.flow] != end.seen
        return sum(end.late for end in ends)


@contextlib.contextmanager
def _together(start: threading.Barrier) -> Iterator[None]:
    """Let the other thread of a race hear of it where this one fails."""
    try:
        yield
    except BaseException:
        start.abort()
        raise


def _start(start: threading.Barrier, after: float) -> None:
    start.wait(_SECONDS)
    time.sleep(max(0.0, after))
