# SPDX-License-Identifier: Apache-2.0
"""One worker process of the daemon: its own session, its own database pool, one conductor."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import logging
import os
import random
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import cotyledon
from cotyledon import types as cotyledon_types
from oslo_config import cfg

from tfd import engines, exceptions, flow
from tfd.conductors import backoff, conductor, housekeeper, presence, runner, tail
from tfd.conf import deployment, load, retention
from tfd.jobs import board as boards
from tfd.jobs import claim as claims
from tfd.jobs import factories, ports
from tfd.persistence import base, models
from tfd.service import notices, report
from tfd.types import clock as clocks

__all__ = ['UNFIT', 'ConductorWorker', 'reread']

LOG = logging.getLogger(__name__)

#: The status of a worker that cannot work with the schema of the database: starting it again is of no use.
UNFIT = 5
#: Seconds between two lines of the log about a database that cannot be used yet.
_SAY_AGAIN = 60.0


class ConductorWorker(cotyledon.Service):
    """Runs a conductor from the start of the process to SIGTERM.

    Everything is made in :meth:`run`, that is after the fork.

    :param place: where it says what it does.
    :param pause: seconds to wait before it begins.
    """

    name = 'conductor'

    def __init__(self, worker_id: cotyledon_types.WorkerId, conf: load.Configuration, place: notices.Notices,
                 pause: Callable[[int], float]) -> None:
        super().__init__(worker_id)
        self._conf = conf
        self._reporter = notices.Reporter(place, worker_id)
        self._pause = pause(worker_id)
        self._keeper: housekeeper.Housekeeper | None = None
        self._take_time()
        self._guard = threading.Lock()
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._unfit = False
        self._conductor: conductor.Conductor | None = None

    def run(self) -> None:
        """Wait for the database, join the others, and conduct until :meth:`terminate`."""
        if self._conf.log_options:
            self._conf.log_opt_values(LOG, logging.DEBUG)
        if self._pause:
            LOG.warning('starts in %.1f s: its process has died %d times in a row', self._pause,
                        self._reporter.said.deaths)
            self._reporter.say(phase=notices.Phase.RESTARTING)
            self._rest(self._pause)
        self._reporter.say(phase=notices.Phase.STARTING, began=clocks.BootClock().now())
        try:
            backend = deployment.make_backend(self._conf)
            try:
                if self._await(backend):
                    self._join(backend)
            except exceptions.IncompatibleSchema as err:
                self._give_up(err)
            finally:
                backend.close()
        finally:
            self._ended.set()

    def _give_up(self, err: exceptions.IncompatibleSchema) -> None:
        """End this process, as on SIGTERM but for its status, which tells the parent to end too."""
        LOG.error('the daemon ends: %s', err)
        self._unfit = True
        self._reporter.say(away={'schema': str(err)})
        os.kill(os.getpid(), signal.SIGTERM)

    def terminate(self) -> None:
        """Have the conductor stop, and return when it has: the process then ends with status 0."""
        self._stopping.set()
        with self._guard:
            running = self._conductor
        if running is not None:
            running.stop()
        self._ended.wait()
        self._reporter.say(phase=notices.Phase.UNFIT if self._unfit else notices.Phase.ENDED)
        if self._unfit:
            raise SystemExit(UNFIT)

    def reload(self) -> None:
        """Read the configuration again; what is mutable takes effect, what is not is logged."""
        reread(self._conf)
        self._take_time()
        with self._guard:
            running, keeper = self._conductor, self._keeper
        if running is not None:
            running.apply(_settings(self._conf))
        if keeper is not None:
            keeper.apply(_expiry(self._conf))

    def sections(self) -> report.Sections:
        """Return what this process adds to its report."""
        def running() -> Mapping[str, Any]:
            with self._guard:
                made = self._conductor
            return report.jobs(made.runs() if made is not None else [])

        return {'Jobs': running}

    def _take_time(self) -> None:
        """Have the frame give this worker the time to end in that is configured now."""
        seconds = self._conf.graceful_shutdown_timeout
        self.graceful_shutdown_timeout = seconds  # type: ignore[misc]  # the frame reads it of the instance

    def _await(self, backend: deployment.JobBackend) -> bool:
        """Wait until the database can be reached; tell whether it can, rather than the end has come.

        :raises IncompatibleSchema: this release cannot work with it.
        """
        pauses = backoff.Backoff(random.Random(), first=0.5)
        said = float('-inf')
        clock = clocks.BootClock()
        while not self._stopping.is_set():
            try:
                _validate(backend)
            except exceptions.StorageUnavailable as err:
                if clock.now() - said >= _SAY_AGAIN:
                    said = clock.now()
                    LOG.warning('waiting for the database: %s', err)
                self._reporter.say(phase=notices.Phase.WAITING, away={'database': str(err)})
                self._rest(pauses.failed())
            else:
                return True
        return False

    def _rest(self, seconds: float) -> None:
        """Wait, alive, unless the end has come."""
        while seconds > 0 and not self._stopping.wait(min(seconds, conductor.BEAT)):
            seconds -= conductor.BEAT
            self._reporter.say()

    def _join(self, backend: deployment.JobBackend) -> None:
        coordinator = deployment.make_coordinator(self._conf, worker=str(self.worker_id))
        try:
            coordinator.start()
        except exceptions.CoordinatorUnavailable as err:
            LOG.warning('waiting for the coordinator: %s', err)
            self._reporter.say(phase=notices.Phase.WAITING, away={'coordinator': str(err)})
        try:
            self._conduct(backend, coordinator)
        finally:
            coordinator.stop()

    def _conduct(self, backend: deployment.JobBackend, coordinator: ports.Coordinator) -> None:
        kept = tail.Tails()
        made = make_conductor(self._conf, backend, coordinator, kept, self._heard)
        keeper = housekeeper.Housekeeper(backend.retention(), coordinator, _expiry(self._conf))
        with self._guard:
            self._conductor, self._keeper = made, keeper
            if self._stopping.is_set():
                made.stop()
        with kept.capture(), _housekeeping(keeper):
            made.run()


    def _heard(self, status: conductor.Status) -> None:
        """Say what the conductor's loop tells each time that it comes around."""
        phase = notices.Phase.CONDUCTING
        if status.draining:
            phase = notices.Phase.DRAINING
        elif status.away and self._reporter.said.phase == notices.Phase.WAITING:
            phase = notices.Phase.WAITING
        self._reporter.say(phase=phase, running=status.running, away=status.away)


def make_conductor(conf: cfg.ConfigOpts, backend: deployment.JobBackend,
                   coordinator: ports.Coordinator, kept: tail.Tails,
                   heard: Callable[[conductor.Status], object]) -> conductor.Conductor:
    """Return the conductor of one worker, as it is configured."""
    store = backend.jobs()
    board = boards.JobBoard(
        store, coordinator, max_session=max(
            conf.coordination.max_session_timeout, conf.coordination.session_timeout))
    flow_factories = factories.FlowFactories(conf.conductor.allow_import_paths)
    start = functools.partial(
        _start, board, flow_factories, functools.partial(_make_engine, conf, backend),
        conf, kept)
    return conductor.Conductor(
        board, store, coordinator, start, _settings(conf), heard=heard,
        note_presence=presence.Presence(
            backend.roster(), coordinator, _process(), conf.retention.conductors_days).note)


def reread(conf: load.Configuration) -> None:
    """Read the configuration files again; leave everything as it was where they cannot be used."""
    try:
        conf.reload()
    except exceptions.BadConfiguration as err:
        LOG.error('the configuration stays as it was: %s', err)


def _settings(conf: cfg.ConfigOpts) -> conductor.Settings:
    return conductor.Settings(
        max_jobs=conf.conductor.max_jobs, poll_interval=conf.conductor.poll_interval,
        slow_poll_interval=conf.conductor.slow_poll_interval)


def _expiry(conf: cfg.ConfigOpts) -> housekeeper.Settings:
    return housekeeper.Settings(retention.days(conf), conf.retention.interval, conf.retention.batch)


def _process() -> presence.Process:
    return presence.Process(socket.gethostname(), os.getpid(), importlib.metadata.version('tfd'))


@contextlib.contextmanager
def _housekeeping(keeper: housekeeper.Housekeeper) -> Iterator[None]:
    """Remove expired jobs beside a ``with`` block."""
    thread = threading.Thread(target=keeper.run, name='retention')
    thread.start()
    try:
        yield
    finally:
        keeper.stop()
        thread.join()


def _start(board: boards.JobBoard, flow_factories: factories.FlowFactories,
           make_engine: runner.MakeEngine, conf: cfg.ConfigOpts, kept: tail.Tails,
           claimed: claims.ClaimedJob) -> runner.JobRun:
    return runner.JobRun(claimed, board, flow_factories, make_engine, conf.conductor.max_attempts, kept)


def _make_engine(conf: cfg.ConfigOpts, backend: base.Backend, made: flow.Flow,
                 claimed: claims.ClaimedJob) -> runner.Engine:
    """Return an engine for a job, which records under the job's own UUIDs and its fence.

    The inputs stay in the job's row, from where each owner takes them. A flow that began under
    another plan is refused, and its job parked: an operator decides.
    """
    job = claimed.job
    options = {'max_workers': conf.conductor.engine_threads}
    engine = engines.load(
        made, flow_detail=models.FlowDetail(made.name, job.flow_uuid),
        book=models.LogBook(job.name, job.book_uuid), backend=backend,
        engine=conf.conductor.engine, ownership=claimed, refuse_changed=True,
        **({} if conf.conductor.engine in ('default', 'serial') else options))
    engine.storage.inject(job.store, transient=True)
    return engine


def _validate(backend: base.Backend) -> None:
    connection = backend.get_connection()
    try:
        connection.validate()
    finally:
        connection.close()
