# SPDX-License-Identifier: Apache-2.0
"""Options of the section ``[conductor]``: what a conductor daemon runs, and how."""

from __future__ import annotations

from oslo_config import cfg, types

__all__ = ['GROUP', 'OPTS']

GROUP = cfg.OptGroup('conductor', title='What a conductor daemon runs, and how')

OPTS = [
    cfg.IntOpt(
        'workers', default=2, min=1, max=1024,
        help='How many worker processes the daemon has, each with its own session and database '
             'pool.'),
    cfg.IntOpt(
        'max_jobs', default=8, min=1, max=10000, mutable=True,
        help='How many jobs one worker process runs at once.'),
    cfg.StrOpt(
        'executor', default='threads',
        help='On what a worker process runs its jobs: threads; or eventlet, on green threads of one thread, which cost '
             'little while they wait and so can be thousands (max_jobs). With eventlet a worker is patched at its very '
             'start, and what a task calls must not block in C: prefer MariaDB or PostgreSQL to SQLite. Any entry '
             'point of the group tfd.launchers works.'),
    cfg.StrOpt(
        'engine', default='serial',
        help='The engine that runs a flow: serial, parallel, or any other entry point of the group '
             'tfd.engines.'),
    cfg.IntOpt(
        'engine_threads', default=4, min=1, max=1000, mutable=True,
        help='How many tasks of one flow run at once where the engine is parallel.'),
    cfg.FloatOpt(
        'poll_interval', default=1.0, min=0.05, max=3600.0, mutable=True,
        help='Seconds between two looks at the board where nothing rings.'),
    cfg.FloatOpt(
        'slow_poll_interval', default=5.0, min=0.05, max=3600.0, mutable=True,
        help='Seconds between two looks at the board where doorbells ring: covers a ring that was '
             'lost, jobs whose time has come, and jobs of others that are late.'),
    cfg.IntOpt(
        'max_attempts', default=5, min=1, max=1000, mutable=True,
        help='How often a job is claimed without recording anything new before it is parked and '
             'waits for an operator.'),
    cfg.ListOpt(
        'allow_import_paths', default=[], item_type=types.String(),
        help='Beside the entry points of the group tfd.flows, jobs may name flow factories by a '
             'dotted path that begins with one of these prefixes (whole components). Empty: none '
             'may. Whoever can post jobs can run any callable below these prefixes.'),
]
