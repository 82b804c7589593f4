# SPDX-License-Identifier: Apache-2.0
"""The poster's side of a jobboard: post jobs, look at them, and wait for one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from tfd import exceptions, states
from tfd.jobs import ports, record
from tfd.types import clock as clocks

__all__ = ['PostingBoard']

#: Seconds before the second look at a job that is waited for; later pauses grow by half each.
_FIRST_PAUSE = 0.02


class PostingBoard:
    """What somebody who posts jobs can do with a board. Safe to use from any thread.

    :param ring: called with a shard in which jobs were posted. What it raises is raised.
    :param sleep: waits for so many seconds.
    """

    def __init__(
        self, store: ports.JobStore, ring: Callable[[int], None],
        clock: clocks.Clock | None = None, sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._store = store
        self._ring = ring
        self._clock = clock or clocks.BootClock()
        self._sleep = sleep

    def post(self, jobs: Sequence[record.NewJob]) -> list[record.Job]:
        """Record jobs, all or none, and ring for those that can be claimed now.

        A job whose token is known is not recorded again: the one that was posted first is returned.
        When this returns the jobs are stored; a ring that is lost delays them until the next poll.

        :raises NotStorable: a value of a store has no stored form; nothing is recorded.
        :raises StorageUnavailable: they may or may not be recorded; post them again, with the same
            tokens, to find out.
        """
        posted = self._store.post(jobs)
        now = self._clock.wall()
        waiting = [j for j in posted if j.state == states.UNCLAIMED and j.not_before <= now]
        for shard in sorted({job.shard for job in waiting}):
            self._ring(shard)
        return posted

    def get(self, job_id: str) -> record.Job:
        """Return a job.

        :raises NotFound: no such job.
        """
        return self._store.get(job_id)

    def find(self, token: str) -> record.Job:
        """Return the job that was posted with this token.

        :raises NotFound: no such job.
        """
        return self._store.find(token)

    def list(self, query: record.JobQuery) -> list[record.Job]:
        """Return a page of jobs, newest first."""
        return self._store.list(query)

    def wait(self, job_id: str, timeout: float, interval: float = 0.5) -> record.Job:
        """Return a job once it is COMPLETE or PARKED, looking at its row alone.

        A database that is away for a while is waited for like the job.

        :param timeout: seconds to wait at most.
        :param interval: the longest pause between two looks, in seconds.
        :raises RequestTimeout: it is neither yet, or the database could not be asked.
        :raises NotFound: no such job.
        """
        deadline = self._clock.now() + timeout
        pause = min(_FIRST_PAUSE, interval)
        while True:
            trouble: exceptions.StorageUnavailable | None = None
            found = 'not known: the database cannot be reached'
            try:
                job = self._store.get(job_id)
            except exceptions.StorageUnavailable as err:
                trouble = err
            else:
                if job.done:
                    return job
                found = job.state
            left = deadline - self._clock.now()
            if left <= 0:
                raise exceptions.RequestTimeout(
                    f'job {job_id} is {found} after {timeout:g} s', cause=trouble) from trouble
            self._sleep(min(pause, left))
            pause = min(pause * 1.5, interval)
