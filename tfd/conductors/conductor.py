# SPDX-License-Identifier: Apache-2.0
"""The conductor: claims jobs as long as it has room, and runs each in a thread.

What operators see of it in the log: ``conductor starts`` and ``conductor stops``; one WARNING when
the coordinator or the database goes away, one a minute while it is away, and one line when it is
back. Meanwhile nothing is claimed, and nothing needs to be restarted.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import logging
import random
import threading
from collections.abc import Callable, Mapping

from tfd import exceptions
from tfd.conductors import backoff, runner, threads
from tfd.conductors import finder as finders
from tfd.jobs import board as boards
from tfd.jobs import claim as claims
from tfd.jobs import ports, reconciler, record
from tfd.types import clock as clocks

__all__ = ['BEAT', 'Conductor', 'Settings', 'Status']

LOG = logging.getLogger(__name__)

#: Seconds between two looks for jobs of ours that nobody runs; sooner where an answer was lost.
_RECONCILE = 30.0
#: More threads than any setting asks for.
_THREADS = 1_000_000
#: Seconds between two requests to suspend, while it is waited for jobs to end.
_REPEAT = 0.25
#: Seconds after which a loop that waits comes around all the same, to show that it lives; no server is asked then.
BEAT = 1.0
#: Seconds between two lines of the log about the same trouble.
_SAY_AGAIN = 60.0


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """How a conductor works.

    :ivar max_jobs: how many jobs run at once.
    :ivar poll_interval: seconds between two polls where nothing rings.
    :ivar slow_poll_interval: seconds between two polls where doorbells ring.
    """

    max_jobs: int = 8
    poll_interval: float = 1.0
    slow_poll_interval: float = 5.0


@dataclasses.dataclass(frozen=True, slots=True)
class Status:
    """What a conductor's loop knows of itself.

    :ivar running: how many jobs run.
    :ivar away: why ``coordinator`` or ``database`` cannot be worked with, as of the last look; empty where all is well.
    :ivar draining: whether it claims nothing more, for it was told to stop.
    """

    running: int
    away: Mapping[str, str]
    draining: bool


def _nobody(status: Status) -> None:
    """Hear nothing."""


class Conductor:
    """One worker's loop. :meth:`run` is called once, from the thread that is to claim.

    The board, the store and the coordinator are the caller's, who starts the coordinator before and
    stops it after :meth:`run`.

    :param start: makes the run of a claimed job.
    :param note_presence: called before each look for work, from the thread of :meth:`run`.
    :param kind: the threads that it is called from, and that jobs are to run in.
    :param heard: told the status each time that the loop comes around, once every :data:`BEAT` at least
        unless a server keeps it waiting; from the thread of :meth:`run`.
    """

    def __init__(
        self, board: boards.JobBoard, store: ports.JobStore, coordinator: ports.Coordinator,
        start: Callable[[claims.ClaimedJob], runner.JobRun], settings: Settings | None = None,
        clock: clocks.Clock | None = None, rng: random.Random | None = None,
        note_presence: Callable[[], object] = lambda: None,
        kind: threads.Threads | None = None,
        heard: Callable[[Status], object] = _nobody,
    ) -> None:
        self._board = board
        self._threads = kind or threads.NativeThreads()
        self._coordinator = coordinator
        self._start = start
        self._note_presence = note_presence
        self._clock = clock or clocks.BootClock()
        self._rng = rng or random.Random()
        self._backoff = backoff.Backoff(self._rng)
        self._reconciler = reconciler.Reconciler(store, coordinator)
        self._reconcile_at = self._clock.now()
        self._settings = settings or Settings()
        self._pause = self._longest_pause()
        self._finder = finders.Finder(
            board, store, coordinator, self._clock, self._rng, self._pause)
        self._guard = threading.Lock()
        # By epoch too: a job whose session ended can be claimed here again before its first run knows.
        self._running: dict[tuple[str, int], runner.JobRun] = {}
        self._wake = self._threads.event()
        self._stopping = self._threads.event()
        self._stopped = self._threads.event()
        self._said: dict[str, float] = {}
        self._heard = heard
        self._away: dict[str, str] = {}

    # -- for the owner of the conductor ------------------------------------------------------------

    def run(self) -> None:
        """Claim and run jobs until :meth:`stop`; then have the running ones suspended, and return.

        Returns when the last job has come to rest, however long that takes. Never raises because of
        a job, nor because a server is away.

        :raises IncompatibleSchema: this release cannot work with the database any more; the jobs
            that ran are left as they are recorded.
        """
        self._coordinator.listen(self._rang)
        LOG.info('conductor starts: max_jobs=%d poll_interval=%g', self._settings.max_jobs,
                 self._pause)
        self._heard(self.status())
        try:
            # As many threads are made as are needed: no more than jobs ever ran at once.
            with self._threads.pool(_THREADS) as pool:
                while not self._stopping.is_set():
                    self._wait(self._turn(pool))
                self._drain()
        finally:
            self._stopped.set()
            LOG.info('conductor stops')

    def stop(self) -> None:
        """Claim nothing more, and hand over what runs. Returns at once; safe from any thread."""
        self._stopping.set()
        self._wake.set()

    def apply(self, settings: Settings) -> None:
        """Work with other settings from now on. Safe from any thread.

        Where fewer jobs may run than do, they go on, and none is claimed until enough have ended.
        """
        self._settings = settings
        self._pause = self._longest_pause()
        self._finder.poll_every(self._pause)
        self._wake.set()

    def _longest_pause(self) -> float:
        if ports.Capability.DOORBELL in self._coordinator.capabilities:
            return self._settings.slow_poll_interval
        return self._settings.poll_interval

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until :meth:`run` is about to return, at most so long; tell whether it is."""
        return self._stopped.wait(timeout)

    def status(self) -> Status:
        """Return what is known of this conductor now. Safe from any thread."""
        with self._guard:
            running = len(self._running)
        return Status(running, dict(self._away), self._stopping.is_set())

    def running(self) -> list[str]:
        """Return the ids of the jobs that run here now."""
        with self._guard:
            return [job for job, _epoch in self._running]

    def runs(self) -> list[runner.Running]:
        """Return what each job that runs here is at. Safe from any thread."""
        return [run.running() for run in self._runs()]

    # -- the loop ----------------------------------------------------------------------------------

    def _rang(self, ring: ports.Ring) -> None:
        self._finder.rang(ring)
        self._wake.set()

    def _wait(self, seconds: float) -> None:
        self._heard(self.status())
        while seconds > 0 and not self._stopping.is_set() and not self._wake.wait(min(seconds, BEAT)):
            seconds -= BEAT
            self._heard(self.status())
        self._wake.clear()

    def _turn(self, pool: concurrent.futures.Executor) -> float:
        """Do what there is to do now; return after how many seconds to look again unless woken."""
        # Nothing is logged inside an except block: oslo.log would add the error's text to the line.
        caught: Exception | None = None
        try:
            self._work(pool)
        except Exception as err:
            caught = err
        if caught is None:
            self._well()
            return self._finder.due_in() if self._room() else self._pause
        if isinstance(caught, (exceptions.SessionLost, exceptions.CoordinatorUnavailable)):
            return self._trouble('coordinator', caught)
        if isinstance(caught, exceptions.IncompatibleSchema):
            raise caught
        if isinstance(caught, exceptions.StorageUnavailable):
            # A ring does not cut this pause short.
            self._reconcile_at = self._clock.now()
            self._stopping.wait(self._trouble('database', caught))
            return 0.0
        LOG.error('unexpected error; the conductor goes on', exc_info=caught)
        return self._backoff.failed()

    def _work(self, pool: concurrent.futures.Executor) -> None:
        if self._coordinator.session() is None:
            raise exceptions.SessionLost('this process has no session now')
        self._note_presence()
        self._reconcile()
        while not self._stopping.is_set() and self._fill_one(pool):
            # Claiming thousands takes a while.
            self._heard(self.status())

    def _room(self) -> int:
        with self._guard:
            return max(0, self._settings.max_jobs - len(self._running))

    def _fill_one(self, pool: concurrent.futures.Executor) -> bool:
        """Claim and start one job; return whether it is worth to try for another."""
        room = self._room()
        candidate = self._finder.find(room) if room else None
        if candidate is None:
            return False
        try:
            claimed = self._board.claim(candidate)
        except (exceptions.LockHeld, exceptions.UnclaimableJob) as err:
            LOG.debug('not claimed job=%s epoch=%d: %s', candidate.id, candidate.epoch, err)
            self._finder.skip(candidate, 1.0 + self._rng.random())
        except exceptions.OwnershipLost as err:
            LOG.warning('lost job=%s epoch=%d in its claim: %s', err.job, err.epoch, err.why)
            self._reconcile_at = self._clock.now()
        except (exceptions.StorageFailure, exceptions.InvalidFormat) as err:
            LOG.error('not claimed job=%s epoch=%d: %s', candidate.id, candidate.epoch, err)
            self._finder.skip_job(candidate.id, 60.0)
        else:
            self._launch(pool, claimed)
        return True

    def _launch(self, pool: concurrent.futures.Executor, claimed: claims.ClaimedJob) -> None:
        run = self._start(claimed)
        with self._guard:
            self._running[claimed.job.id, claimed.job.epoch] = run
        try:
            future = pool.submit(run)
        except BaseException:
            # There is no thread to be had, say. Nobody runs it, so it is given back; the pool may have kept it all the
            # same, and finds then that it is somebody else's.
            with self._guard:
                self._running.pop((claimed.job.id, claimed.job.epoch), None)
            self._reconcile_at = self._clock.now()
            raise
        future.add_done_callback(functools.partial(self._ended, claimed.job))

    def _ended(self, job: record.Job, future: concurrent.futures.Future[runner.Verdict]) -> None:
        with self._guard:
            self._running.pop((job.id, job.epoch), None)
        verdict = future.result()
        if verdict is runner.Verdict.REFUSED:
            self._finder.skip_job(job.id, min(60.0, 2.0 ** job.attempts))
        elif verdict in (runner.Verdict.LEFT, runner.Verdict.LOST):
            # The row of a lost one is ours still where the session, doubted by our clock, lives on.
            self._reconcile_at = self._clock.now()
        self._finder.ended()
        self._wake.set()

    def _reconcile(self) -> None:
        if self._clock.now() < self._reconcile_at:
            return
        self._reconciler.reconcile(self.running)
        self._reconcile_at = self._clock.now() + _RECONCILE

    # -- trouble, and the end ----------------------------------------------------------------------

    def _trouble(self, what: str, err: exceptions.TaskFlowException) -> float:
        """Say that a server is away, once and then every minute; return how long to wait."""
        pause = self._backoff.failed()
        self._away[what] = str(err)
        self._heard(self.status())
        now = self._clock.now()
        if now - self._said.get(what, -_SAY_AGAIN) >= _SAY_AGAIN:
            self._said[what] = now
            LOG.warning('%s is away, nothing is claimed; %d jobs run: %s', what,
                        len(self.running()), err)
        return pause

    def _well(self) -> None:
        self._backoff.succeeded()
        for what in self._said:
            LOG.info('%s is back', what)
        self._said.clear()
        self._away.clear()

    def _drain(self) -> None:
        """Have every running job handed over, and wait until the last has come to rest."""
        runs = self._runs()
        if runs:
            LOG.info('conductor hands over %d running jobs', len(runs))
        while runs:
            for run in runs:
                run.suspend()
            self._heard(self.status())
            self._wake.wait(_REPEAT)
            self._wake.clear()
            runs = self._runs()

    def _runs(self) -> list[runner.JobRun]:
        with self._guard:
            return list(self._running.values())
