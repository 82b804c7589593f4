# SPDX-License-Identifier: Apache-2.0
"""The parent process of the daemon."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal

import cotyledon
from oslo_config import cfg

from tfd import exceptions
from tfd.conf import deployment, load
from tfd.service import lone, monitor, notices, report, respawn, systemd, worker
from tfd.types import clock as clocks

__all__ = ['AT_ONCE', 'NOT_IN_TIME', 'preflight', 'run']

LOG = logging.getLogger(__name__)

#: The status of a daemon of which some worker did not hand over what it ran within the time that it had.
NOT_IN_TIME = 6
#: The status of a daemon that was told twice to end, or by SIGINT.
AT_ONCE = 9
#: Seconds that workers which end themselves have after the time that they are given, before they are killed.
_GRACE = 5
#: Where a worker has not done what SIGTERM asks it for.
_UNDONE = frozenset((notices.Phase.CONDUCTING, notices.Phase.DRAINING))


def preflight(conf: cfg.ConfigOpts) -> None:
    """Refuse what can never work, before any worker is started; leave no connection behind.

    Servers that are away are none of it: workers wait for them.

    :raises BadConfiguration: a driver or engine is not installed, or refuses an option.
    :raises IncompatibleSchema: the database is there, and this release cannot work with its schema.
    """
    deployment.check_engine(conf)
    if conf.conductor.executor != deployment.THREADS:
        deployment.command(conf, lone.__name__, [])
    deployment.make_coordinator(conf, worker='preflight').stop()
    with contextlib.closing(deployment.make_backend(conf)) as backend:
        connection = backend.get_connection()
        try:
            connection.validate()
        except exceptions.StorageUnavailable as err:
            LOG.warning('workers will wait for the database: %s', err)
        finally:
            connection.close()


def run(conf: load.Configuration) -> int:
    """Run the daemon until SIGTERM; return, or raise, when its workers have ended.

    Workers are forked, on every Python: what was read and checked here needs no second reading. No
    thread is started before but the one of the frame that forks.

    :returns: 0 where all that ran was handed over, :data:`NOT_IN_TIME` where some of it was not,
        :data:`~tfd.service.worker.UNFIT` where a schema did not fit that does by now, or cannot be read any more.
    :raises IncompatibleSchema: a worker found a schema that this release cannot work with; all of
        them have come to rest as on SIGTERM.
    """
    parent = _Parent(conf)
    LOG.info('daemon starts: host=%s workers=%d', conf.host, conf.conductor.workers)
    return parent.run()


class _Parent:
    """The frame that forks, and what it does beyond forking again whoever died."""

    def __init__(self, conf: load.Configuration) -> None:
        self._conf = conf
        self._clock = clocks.BootClock()
        self._place = notices.Notices(conf.conductor.workers)
        self._respawn = respawn.Respawn()
        self._monitored = self._clock.now()
        # Whether a worker found a schema to be unfit; who takes its place says other things than it did.
        self._unfit = False
        self._manager = cotyledon.ServiceManager(
            graceful_shutdown_timeout=conf.graceful_shutdown_timeout,
            mp_context=multiprocessing.get_context('fork'))
        self._manager.register_hooks(
            on_dead_worker=self._died, on_terminate=self._terminating, on_reload=self._reload,
            on_new_worker=self._born)
        self._conductors = self._add_conductors()
        # Before the frame looks who is to be told that the daemon is ready: it would say so too soon.
        notifier = systemd.Notifier()
        if monitor.is_wanted(conf, notifier):
            self._manager.add(monitor.Monitor, args=(conf, self._place, notifier, self._respawn.pause))
        signal.signal(signal.SIGINT, self._end_at_once)
        signal.signal(signal.SIGUSR2, self._report)

    def _add_conductors(self) -> object:
        arguments = (self._conf, self._place, self._respawn.pause)
        workers = self._conf.conductor.workers
        if self._conf.conductor.executor == deployment.THREADS:
            return self._manager.add(worker.ConductorWorker, workers, arguments)
        return self._manager.add(lone.LoneWorker, workers, (*arguments, os.getpid()))

    def run(self) -> int:
        """Start the workers, and look after them until they have ended."""
        try:
            self._manager.run()
        except SystemExit:
            said = [notice.phase for notice in self._place.all() if notice]
        if self._unfit or notices.Phase.UNFIT in said:
            # Which says why, if it is so still.
            preflight(self._conf)
            return worker.UNFIT
        return NOT_IN_TIME if _UNDONE.intersection(said) else 0

    def _born(self, _service: object, _number: int, made: cotyledon.Service) -> None:
        """In a worker, in its main thread: be ready for SIGUSR2."""
        if isinstance(made, worker.ConductorWorker | monitor.Monitor):
            report.on_signal(self._conf, made.sections())

    def _report(self, _number: int, _frame: object) -> None:
        """Write a report of this process, and have the workers write theirs."""
        for said in self._place.all():
            # One that is just being started may not be ready to hear it, and would die of it.
            if said is not None and said.pid and said.phase != notices.Phase.STARTING:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(said.pid, signal.SIGUSR2)
        # Here and now: there may be no thread for it, and the main thread holds no lock that would matter.
        report.write(self._conf, {'Workers': lambda: report.workers(self._place.all())})

    def _died(self, service: object, number: int, status: int) -> None:
        """Note that a worker has died, before another one takes its place."""
        if service != self._conductors:
            now = self._clock.now()
            self._respawn.died(monitor.NUMBER, now - self._monitored - self._respawn.pause(monitor.NUMBER))
            self._monitored = now
            LOG.warning('the monitor has died, status %d; the next one starts in %.1f s', status,
                        self._respawn.pause(monitor.NUMBER))
            return
        if status == worker.UNFIT:
            self._unfit = True
            os.kill(os.getpid(), signal.SIGTERM)
            return
        left = self._place.read(number) or notices.Notice()
        deaths = self._respawn.died(number, left.age(self._clock.now()))
        LOG.warning('worker %d has died, status %d, jobs that it ran: %d; the next one starts in %.1f s',
                    number, status, left.running, self._respawn.pause(number))
        self._place.write(number, notices.Notice(
            notices.Phase.RESTARTING, alive=self._clock.now(), deaths=deaths))

    def _reload(self) -> None:
        """Read the configuration again, for the workers to come; those that there are do so themselves."""
        worker.reread(self._conf)

    def _terminating(self) -> None:
        """Be ready for a second SIGTERM, before the workers are told of the first."""
        signal.signal(signal.SIGTERM, self._end_at_once)
        signal.signal(signal.SIGALRM, self._end_late)
        # Each worker ends itself in time, unless it cannot. 0: it has all the time that it takes.
        seconds = self._conf.graceful_shutdown_timeout
        signal.alarm(seconds + _GRACE if seconds > 0 else 0)

    def _end_at_once(self, number: int, _frame: object) -> None:
        _kill_all(f'{signal.Signals(number).name}: the daemon ends at once')
        os._exit(AT_ONCE)

    def _end_late(self, _number: int, _frame: object) -> None:
        _kill_all('workers did not end in time')
        os._exit(NOT_IN_TIME)


def _kill_all(why: str) -> None:
    """Kill the workers; their jobs are taken over when their sessions have timed out."""
    LOG.warning('%s; what runs is left to be taken over', why)
    for child in multiprocessing.active_children():
        child.kill()
