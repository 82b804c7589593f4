# SPDX-License-Identifier: Apache-2.0
"""The servers that the tests of a run share, in whatever processes they run."""

from __future__ import annotations

import atexit
import concurrent.futures
import os
from collections.abc import Iterable

from tests.functional.servers.mariadb import MariaDB
from tests.functional.servers.postgresql import PostgreSQL
from tests.functional.servers.process import absent
from tests.functional.servers.zookeeper import ZooKeeper

__all__ = ['KINDS', 'VARIABLES', 'SharedServer', 'require', 'start_all']

SharedServer = ZooKeeper | MariaDB | PostgreSQL

KINDS: dict[str, type[SharedServer]] = {
    'zookeeper': ZooKeeper,
    'mariadb': MariaDB,
    'postgresql': PostgreSQL,
}
VARIABLES = {
    'zookeeper': 'TFD_TEST_ZOOKEEPER',
    'mariadb': 'TFD_TEST_MYSQL_URL',
    'postgresql': 'TFD_TEST_POSTGRESQL_URL',
}


def require(kind: str) -> str:
    """The address of the shared server of a kind; started here if the run has none yet.

    A run that sets the environment variable of the kind has a server for all of its processes.
    Without the variable each process starts its own, once, and ends it when it exits.

    :param kind: one of :data:`KINDS`.
    :returns: ``host:port`` of ZooKeeper, or an SQLAlchemy URL.
    :raises unittest.SkipTest: its programs are not installed.
    :raises AssertionError: the same, in CI (``CI=true``).
    """
    variable = VARIABLES[kind]
    if variable not in os.environ:
        reason = KINDS[kind].missing()
        if reason is not None:
            raise absent(kind, reason)
        server = KINDS[kind]()
        atexit.register(server.destroy)
        server.start()
        os.environ[variable] = server.address
    return os.environ[variable]


def start_all(kinds: Iterable[str]) -> dict[str, SharedServer]:
    """Start a server of each kind, all at the same time; the caller destroys them.

    :raises ServerMissing: the programs of one are not installed.
    :raises ServerError: one did not start; none is left running.
    """
    servers = {kind: KINDS[kind]() for kind in kinds}
    try:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for done in [pool.submit(server.prepare) for server in servers.values()]:
                done.result()
        for server in servers.values():
            server.launch()
        for server in servers.values():
            server.wait_until_ready()
    except BaseException:
        for server in servers.values():
            server.destroy()
        raise
    return servers
