# SPDX-License-Identifier: Apache-2.0
"""How commands end: their statuses, and one line on standard error for each error.

====== ==================================================================================
status meaning
====== ==================================================================================
0      done
1      failed, for a reason that has no status of its own
2      the command line cannot be understood
3      the configuration cannot be used: a file, an option, a driver that is not installed
4      the database or the coordinator cannot be reached; the same command may work later
5      the schema of the database is missing, too old, or too new for this release
6      not in time: the job that was waited for is not done yet; of the daemon: some of what
       ran was not handed over within ``graceful_shutdown_timeout``, and is to be taken over
7      the job that was waited for ended otherwise than in SUCCESS
8      there is no such job
9      the daemon ended at once, on a second SIGTERM or SIGINT; what ran is to be taken over
====== ==================================================================================
"""

from __future__ import annotations

import enum
import sys

from tfd import exceptions

__all__ = ['Exit', 'report', 'status_of']


class Exit(enum.IntEnum):
    """The statuses."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    CONFIGURATION = 3
    UNAVAILABLE = 4
    SCHEMA = 5
    NOT_IN_TIME = 6
    NOT_SUCCESS = 7
    NOT_FOUND = 8
    AT_ONCE = 9


_BY_ERROR: tuple[tuple[type[exceptions.TaskFlowException], Exit], ...] = (
    (exceptions.BadConfiguration, Exit.CONFIGURATION),
    (exceptions.UnknownPlugin, Exit.CONFIGURATION),
    (exceptions.IncompatibleSchema, Exit.SCHEMA),
    (exceptions.StorageUnavailable, Exit.UNAVAILABLE),
    (exceptions.CoordinatorUnavailable, Exit.UNAVAILABLE),
    (exceptions.SessionLost, Exit.UNAVAILABLE),
    (exceptions.RequestTimeout, Exit.NOT_IN_TIME),
    (exceptions.NotFound, Exit.NOT_FOUND),
)


def status_of(err: exceptions.TaskFlowException) -> Exit:
    """Return the status that a command ends with because of an error."""
    for kind, status in _BY_ERROR:
        if isinstance(err, kind):
            return status
    return Exit.FAILED


def report(program: str, err: exceptions.TaskFlowException) -> Exit:
    """Print an error as one line on standard error; return the status to end with."""
    print(f'{program}: {" ".join(str(err).split())}', file=sys.stderr, flush=True)
    return status_of(err)
