# SPDX-License-Identifier: Apache-2.0
"""The conductor daemon: a parent process, and worker processes that each run a conductor.

What operators see
------------------

The parent only starts workers, starts one again that has died (at most one a second and worker), and
passes signals on. It has no connection to any server.

SIGTERM
    No job is claimed any more; every flow that runs is suspended at its next atom boundary, its job
    given back to the board, where peers find it at once; then the daemon ends with status 0. A worker
    that is not done after ``[DEFAULT] graceful_shutdown_timeout`` seconds ends all the same, with
    status 1, and its jobs are taken over when its session has timed out.
SIGINT
    Ends at once, as SIGKILL does: peers take over when the sessions have timed out.
SIGHUP
    Reads the configuration files again; options that are marked as mutable take effect.
SIGKILL of a worker
    The parent starts another one. Peers, and it, take over when the session has timed out.
SIGKILL of the parent
    Its workers see that it is gone, and end as on SIGTERM.

A worker whose database or coordinator is away, from the start or later, says so in the log (WARNING,
then once a minute), claims nothing, and goes on when it is back. One that finds a schema which this
release cannot work with ends, and the whole daemon with it: status 5.
"""

from __future__ import annotations

__all__: list[str] = []
