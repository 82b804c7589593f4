# SPDX-License-Identifier: Apache-2.0
"""The parent process of the daemon."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal

import cotyledon
from cotyledon import oslo_config_glue
from oslo_config import cfg

from tfd import exceptions
from tfd.conf import deployment
from tfd.service import worker

__all__ = ['preflight', 'run']

LOG = logging.getLogger(__name__)


def preflight(conf: cfg.ConfigOpts) -> None:
    """Refuse what can never work, before any worker is started; leave no connection behind.

    Servers that are away are none of it: workers wait for them.

    :raises BadConfiguration: a driver or engine is not installed, or refuses an option.
    :raises IncompatibleSchema: the database is there, and this release cannot work with its schema.
    """
    deployment.check_engine(conf)
    deployment.make_coordinator(conf, worker='preflight').stop()
    with contextlib.closing(deployment.make_backend(conf)) as backend:
        connection = backend.get_connection()
        try:
            connection.validate()
        except exceptions.StorageUnavailable as err:
            LOG.warning('workers will wait for the database: %s', err)
        finally:
            connection.close()


def run(conf: cfg.ConfigOpts) -> None:
    """Run the daemon until SIGTERM; return, or raise, when its workers have ended.

    Workers are forked, on every Python: what was read and checked here needs no second reading. No
    thread is started before but the one of the frame that forks.

    :raises IncompatibleSchema: a worker found a schema that this release cannot work with; all of
        them have come to rest as on SIGTERM.
    """
    manager = cotyledon.ServiceManager(mp_context=multiprocessing.get_context('fork'))
    oslo_config_glue.link(manager, conf, reload_method='mutate')
    manager.add(worker.ConductorWorker, workers=conf.conductor.workers, args=(conf,))
    unfit: list[int] = []

    def died(_service: object, number: int, status: int) -> None:
        if status == worker.UNFIT:
            unfit.append(number)
            os.kill(os.getpid(), signal.SIGTERM)

    manager.register_hooks(on_dead_worker=died)
    LOG.info('daemon starts: host=%s workers=%d', conf.host, conf.conductor.workers)
    try:
        manager.run()
    except SystemExit:
        if unfit:
            preflight(conf)
        raise
