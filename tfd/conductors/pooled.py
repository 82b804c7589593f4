# SPDX-License-Identifier: Apache-2.0
"""Conductors that run a board's jobs in an executor: in the thread that claims, or in threads beside it."""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from tfd import exceptions, states
from tfd.conductors import base
from tfd.conductors.backoff import Backoff
from tfd.engines import base as engines
from tfd.jobs import base as jobs
from tfd.listeners import logging as listeners
from tfd.persistence import base as persistences

__all__ = ['BlockingConductor', 'ExecutorConductor', 'NonBlockingConductor']

#: By the name of the module that TaskFlow has it in: services hang filters on it.
LOG = logging.getLogger('tfd.conductors.backends.impl_executor')

#: What says nothing about a job, or is this host's fault alone, as a key that it lacks: the job is given back.
_NOT_THE_JOBS_FAULT = (
    exceptions.StorageUnavailable, exceptions.IncompatibleSchema, exceptions.UnknownKey,
    exceptions.CoordinatorUnavailable, exceptions.SessionLost,
)
#: The longest pause, in seconds, before a job that was given back here is tried here again.
_LONGEST_PAUSE = 30.0
#: How many jobs are remembered as given back.
_REMEMBERED = 1024

Future = concurrent.futures.Future[Any]


class ExecutorConductor(base.Conductor):
    """Claims jobs and hands each to an executor.

    A flow that came to its end takes its job off the board, however it ended. A job is given back to others, or to a
    later time here, where its flow was suspended, or what ended it says nothing about the job: servers that are away,
    or one of :attr:`NO_CONSUME_EXCEPTIONS`. One that cannot be loaded is trashed. One whose claim was lost is left
    alone: it is somebody else's.

    :param wait_timeout: seconds to wait for jobs before looking whether to stop; 0.5 by default.
    :param log: the logger to use.
    :param max_simultaneous_jobs: how many run at once; 0 or less for any number.
    :raises ValueError: a number is none, or the timeout is below 0.
    """

    LOG: logging.Logger | None = None
    #: Seconds between two tries to see what is on the board whatever its watches say.
    REFRESH_PERIODICITY = 30
    WAIT_TIMEOUT = 0.5
    MAX_SIMULTANEOUS_JOBS = -1
    #: What ends a flow without ending its job.
    NO_CONSUME_EXCEPTIONS: tuple[type[BaseException], ...] = (
        exceptions.ExecutionFailure, exceptions.StorageFailure, *_NOT_THE_JOBS_FAULT)
    #: Beside each stage's start and end the notifier tells how a job was settled.
    EVENTS_EMITTED = (
        'compilation_start', 'compilation_end', 'preparation_start', 'preparation_end', 'validation_start',
        'validation_end', 'running_start', 'running_end', 'job_consumed', 'job_abandoned', 'job_trashed')

    def __init__(
        self, name: str, jobboard: jobs.JobBoard, persistence: persistences.Backend | None = None,
        engine: str | None = None, engine_options: Mapping[str, Any] | None = None, wait_timeout: float | None = None,
        log: logging.Logger | None = None, max_simultaneous_jobs: int = MAX_SIMULTANEOUS_JOBS,
    ) -> None:
        super().__init__(name, jobboard, persistence=persistence, engine=engine, engine_options=engine_options)
        self._wait_timeout = _seconds(self.WAIT_TIMEOUT if wait_timeout is None else wait_timeout)
        self._max_simultaneous_jobs = int(max_simultaneous_jobs)
        self._log = log or self.LOG or LOG
        self._stopping = threading.Event()
        self._dead = threading.Event()
        self._guard = threading.Lock()
        self._running: set[Future] = set()
        self._rng = random.Random()
        self._given_back: dict[str, tuple[Backoff, float]] = {}

    # -- for its owner -----------------------------------------------------------------------------

    @property
    def dispatching(self) -> bool:
        """Whether it has not stopped yet."""
        return not self._dead.is_set()

    def stop(self) -> None:
        """Claim nothing more, and have what runs suspended. Returns at once."""
        self._stopping.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait, so many seconds at most, until :meth:`run` has ended; tell whether it has."""
        return self._dead.wait(timeout)

    def run(self, max_dispatches: int | None = None) -> None:
        """Claim and run jobs until :meth:`stop`, or until so many were run."""
        self._dead.clear()
        try:
            with contextlib.suppress(NotImplementedError, exceptions.JobFailure):
                self._jobboard.register_entity(self.conductor)
            with self._executor_factory() as executor:
                self._run_until_dead(executor, max_dispatches)
        finally:
            # Not when it begins: who stops it before it is there has stopped it.
            self._stopping.clear()
            self._dead.set()

    # -- claiming ----------------------------------------------------------------------------------

    def _executor_factory(self) -> Any:
        """Return what jobs are run in; a context manager that waits for them."""
        raise NotImplementedError

    def _run_until_dead(self, executor: Any, max_dispatches: int | None = None) -> None:
        left = max_dispatches
        looked = time.monotonic()
        fresh = False
        while not self._stopping.is_set() and (left is None or left > 0):
            dispatched = self._round(executor, left, fresh)
            if left is not None:
                left -= dispatched
            fresh = time.monotonic() - looked >= self.REFRESH_PERIODICITY
            looked = time.monotonic() if fresh else looked
            if not dispatched:
                self._rest()

    def _round(self, executor: Any, left: int | None, fresh: bool) -> int:
        """Look through the board once; return how many jobs were begun."""
        dispatched = 0
        try:
            for job in self._jobboard.iterjobs(only_unclaimed=True, ensure_fresh=fresh):
                if self._stopping.is_set() or not self._can_claim_more_jobs(job):
                    break
                if self._is_resting(job) or not self._try_claim(job):
                    continue
                self._submit(executor, job)
                dispatched += 1
                if left is not None and dispatched >= left:
                    break
        except exceptions.JobFailure as err:
            self._log.warning('jobs cannot be claimed now: %s', err)
        return dispatched

    def _can_claim_more_jobs(self, job: jobs.Job) -> bool:
        with self._guard:
            return self._max_simultaneous_jobs <= 0 or len(self._running) < self._max_simultaneous_jobs

    def _try_claim(self, job: jobs.Job) -> bool:
        self._log.debug('Trying to claim job: %s', job)
        try:
            self._jobboard.claim(job, self._name)
        except (exceptions.UnclaimableJob, exceptions.NotFound):
            self._log.debug('Job already claimed or consumed: %s', job)
            return False
        return True

    def _submit(self, executor: Any, job: jobs.Job) -> None:
        try:
            future = executor.submit(self._dispatch_job, job)
        except RuntimeError:
            self._log.warning('Job dispatching failed, it is given back: %s', job, exc_info=True)
            self._try_finish_job(job, False)
            return
        with self._guard:
            self._running.add(future)
        future.add_done_callback(functools.partial(self._ended, job))

    def _ended(self, job: jobs.Job, future: Future) -> None:
        try:
            self._on_job_done(job, future)
        finally:
            with self._guard:
                self._running.discard(future)

    def _rest(self) -> None:
        """Wait for something to do."""
        with self._guard:
            running = list(self._running)
            full = 0 < self._max_simultaneous_jobs <= len(running)
        if full:
            concurrent.futures.wait(running, self._wait_timeout, concurrent.futures.FIRST_COMPLETED)
        elif self._some_rest():
            # The board would say that there are jobs.
            self._stopping.wait(self._wait_timeout)
        else:
            try:
                self._jobboard.wait(timeout=self._wait_timeout)
            except exceptions.NotFound:
                pass
            except exceptions.JobFailure as err:
                self._log.warning('the board cannot be waited on: %s', err)
                self._stopping.wait(self._wait_timeout)

    def _is_resting(self, job: jobs.Job) -> bool:
        """Tell whether a job was given back here just now."""
        with self._guard:
            given_back = self._given_back.get(job.uuid)
        return given_back is not None and time.monotonic() < given_back[1]

    def _some_rest(self) -> bool:
        """Tell whether there are jobs that were given back here just now."""
        now = time.monotonic()
        with self._guard:
            self._given_back = {
                uuid: entry for uuid, entry in self._given_back.items() if now < entry[1] + _LONGEST_PAUSE}
            return any(now < until for _, until in self._given_back.values())

    def _let_rest(self, job: jobs.Job) -> None:
        with self._guard:
            backoff, _ = self._given_back.pop(job.uuid, (Backoff(self._rng, first=0.1, most=_LONGEST_PAUSE), 0.0))
            self._given_back[job.uuid] = (backoff, time.monotonic() + backoff.failed())
            while len(self._given_back) > _REMEMBERED:
                del self._given_back[next(iter(self._given_back))]

    # -- running -----------------------------------------------------------------------------------

    def _listeners_from_job(self, job: jobs.Job, engine: engines.Engine) -> list[Any]:
        """Return one that writes what happens to the log."""
        return [listeners.DynamicLoggingListener(engine, log=self._log)]

    def _dispatch_job(self, job: jobs.Job) -> bool:
        """Run a job; return whether it is done.

        :raises OwnershipLost: it is somebody else's by now.
        """
        engine = self._engine_from_job(job)
        with contextlib.ExitStack() as stack:
            for listener in self._listeners_from_job(job, engine):
                stack.enter_context(listener)
            self._log.debug("Dispatching engine for job '%s'", job)
            try:
                self._run_stages(job, engine)
            except exceptions.OwnershipLost:
                raise
            except Exception as err:
                return self._failed(job, err)
            if engine.storage.get_flow_state() == states.SUSPENDED:
                self._log.info('Job execution was suspended: %s', job)
                return False
            self._log.info('Job completed successfully: %s', job)
            return True

    def _run_stages(self, job: jobs.Job, engine: engines.Engine) -> None:
        details = {'job': job, 'engine': engine, 'conductor': self}
        stages: tuple[tuple[str, Callable[[], object]], ...] = (
            ('compilation', engine.compile), ('preparation', engine.prepare), ('validation', engine.validate),
            ('running', functools.partial(self._run_engine, job, engine)))
        for name, stage in stages:
            self._notifier.notify(f'{name}_start', details)
            stage()
            self._notifier.notify(f'{name}_end', details)

    def _run_engine(self, job: jobs.Job, engine: engines.Engine) -> None:
        told = False
        for _ in engine.run_iter():
            if self._stopping.is_set() and not told:
                told = True
                self._log.info('Conductor stopped, requesting suspension of engine running job %s', job)
                engine.suspend()

    def _failed(self, job: jobs.Job, err: Exception) -> bool:
        """Say how a job failed; return whether it is done all the same."""
        failures = [one.exception for one in err] if isinstance(err, exceptions.WrappedFailure) else [err]
        keep = all(
            isinstance(one, self.NO_CONSUME_EXCEPTIONS) and not isinstance(one, exceptions.NotStorable)
            for one in failures)
        if keep:
            self._log.warning('Job execution failed, it is given back: %s (%s)', job, _kinds(failures))
        else:
            self._log.warning('Job execution failed, it is consumed all the same: %s', job, exc_info=err)
        return not keep

    # -- settling ----------------------------------------------------------------------------------

    def _on_job_done(self, job: jobs.Job, fut: Future) -> None:
        """Settle a job that was run."""
        consume = trash = False
        try:
            consume = fut.result()
        except exceptions.OwnershipLost as err:
            self._log.warning('Job was lost, and is left to whoever has it now: %s (%s)', job, err.why)
            return
        except _NOT_THE_JOBS_FAULT as err:
            self._log.warning('Job cannot be loaded now, it is given back: %s (%s)', job, _kinds([err]))
        except Exception as err:
            trash = True
            self._log.warning('Job cannot be loaded, it is trashed: %s', job, exc_info=err)
        self._try_finish_job(job, consume, trash)

    def _try_finish_job(self, job: jobs.Job, consume: bool, trash: bool = False) -> None:
        settle, event, what = self._jobboard.abandon, 'job_abandoned', 'abandonment'
        if trash:
            settle, event, what = self._jobboard.trash, 'job_trashed', 'trashing'
        elif consume:
            settle, event, what = self._jobboard.consume, 'job_consumed', 'consumption'
        if consume or trash:
            with self._guard:
                self._given_back.pop(job.uuid, None)
        else:
            self._let_rest(job)
        try:
            settle(job, self._name)
        except (exceptions.JobFailure, exceptions.NotFound):
            self._log.warning('Failed job %s: %s', what, job, exc_info=True)
            return
        self._notifier.notify(event, {'job': job, 'conductor': self, 'persistence': self._persistence})


class BlockingConductor(ExecutorConductor):
    """Runs one job at a time, in the thread that runs the conductor."""

    MAX_SIMULTANEOUS_JOBS = 1

    def __init__(
        self, name: str, jobboard: jobs.JobBoard, persistence: persistences.Backend | None = None,
        engine: str | None = None, engine_options: Mapping[str, Any] | None = None, wait_timeout: float | None = None,
        log: logging.Logger | None = None, max_simultaneous_jobs: int = MAX_SIMULTANEOUS_JOBS,
    ) -> None:
        super().__init__(
            name, jobboard, persistence=persistence, engine=engine, engine_options=engine_options,
            wait_timeout=wait_timeout, log=log, max_simultaneous_jobs=max_simultaneous_jobs)

    def _executor_factory(self) -> Any:
        return _Inline()


class NonBlockingConductor(ExecutorConductor):
    """Runs jobs in threads beside the one that runs the conductor.

    :param executor_factory: returns what they are run in, by default a pool of threads.
    :raises ValueError: the factory cannot be called.
    """

    MAX_SIMULTANEOUS_JOBS = 3

    def __init__(
        self, name: str, jobboard: jobs.JobBoard, persistence: persistences.Backend | None = None,
        engine: str | None = None, engine_options: Mapping[str, Any] | None = None, wait_timeout: float | None = None,
        log: logging.Logger | None = None, max_simultaneous_jobs: int = MAX_SIMULTANEOUS_JOBS,
        executor_factory: Callable[[], Any] | None = None,
    ) -> None:
        super().__init__(
            name, jobboard, persistence=persistence, engine=engine, engine_options=engine_options,
            wait_timeout=wait_timeout, log=log, max_simultaneous_jobs=max_simultaneous_jobs)
        if executor_factory is not None and not callable(executor_factory):
            raise ValueError(f"'executor_factory' must be callable, {executor_factory!r} is not")
        self._factory = executor_factory

    def _executor_factory(self) -> Any:
        if self._factory is not None:
            return self._factory()
        workers = self._max_simultaneous_jobs if self._max_simultaneous_jobs > 0 else None
        return concurrent.futures.ThreadPoolExecutor(workers, thread_name_prefix=f'conductor-{self._name}')


class _Inline:
    """Runs what it is given at once."""

    def __enter__(self) -> _Inline:
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Nothing runs still."""

    def submit(self, function: Callable[..., Any], *args: Any) -> Future:
        """Run a function; return how it ended. What is no Exception ends whoever asked, too."""
        future: Future = concurrent.futures.Future()
        try:
            future.set_result(function(*args))
        except Exception as err:
            future.set_exception(err)
        return future


def _seconds(timeout: Any) -> float:
    try:
        seconds = float(timeout)
    except TypeError:
        raise ValueError(f'the wait timeout must be a number of seconds, not {timeout!r}') from None
    if not seconds >= 0:
        raise ValueError(f'the wait timeout must be 0 seconds or more, not {timeout!r}')
    return seconds


def _kinds(errors: list[Any]) -> str:
    """Return what errors are, without their texts, which may hold what a task was given."""
    return ', '.join(type(error).__name__ for error in errors)
