# SPDX-License-Identifier: Apache-2.0
"""The conductor daemon: a parent process, and worker processes that each run a conductor.

What operators see
------------------

The parent only starts workers, starts one again that has died, and passes signals on. It has no
connection to any server. A worker that takes the place of a dead one begins after half a second, then after
twice as long each time, up to a minute; one that had worked for a minute is replaced soon again.

SIGTERM
    No job is claimed any more; every flow that runs is suspended at its next atom boundary, its job
    given back to the board, where peers find it at once; then the daemon ends with status 0. What is
    not done after ``[DEFAULT] graceful_shutdown_timeout`` seconds is left, its jobs are taken over when
    the sessions have timed out: status 6.
A second SIGTERM, or SIGINT
    Ends at once, as SIGKILL does, with status 9: peers take over when the sessions have timed out.
SIGHUP
    Reads the configuration files again; options that are marked as mutable take effect.
SIGUSR2
    Each process writes a report of what it is doing: see :mod:`tfd.service.report`.
SIGKILL of a worker
    The parent starts another one. Peers, and it, take over when the session has timed out.
SIGKILL of the parent
    Its workers see that it is gone, and end as on SIGTERM.

Where somebody wants to know how the daemon is, one more process, the monitor, answers ``GET /healthz`` and
tells systemd: see :mod:`tfd.service.monitor`.

A worker whose database or coordinator is away, from the start or later, says so in the log (WARNING,
then once a minute), claims nothing, and goes on when it is back. One that finds a schema which this
release cannot work with ends, and the whole daemon with it: status 5.
"""

from __future__ import annotations

__all__: list[str] = []
