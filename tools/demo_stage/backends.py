# SPDX-License-Identifier: Apache-2.0
"""What the daemons keep their jobs in, and agree by: SQLite alone, or MariaDB and ZooKeeper."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import sys
import time

from demo_stage import environment, processes

__all__ = ['Backend', 'embedded', 'private_servers']

#: Seconds that the two servers may take to start.
_LIMIT = 90.0
_KINDS = {'TFD_TEST_MYSQL_URL': 'mariadb', 'TFD_TEST_ZOOKEEPER': 'zookeeper'}


@dataclasses.dataclass(frozen=True, slots=True)
class Backend:
    """Where it all is.

    :ivar database: an SQLAlchemy URL.
    :ivar zookeeper: ``host:port``, '' where the database serves for coordination too.
    """

    title: str
    database: str
    zookeeper: str = ''


def embedded(work: pathlib.Path) -> Backend:
    """Return a backend that needs no server."""
    return Backend('SQLite', f'sqlite:///{work / "tfd.sqlite"}')


def private_servers(running: processes.Processes) -> Backend:
    """Start a ZooKeeper and a MariaDB as the functional tests do, and make a database.

    :raises processes.ProcessDied: a server did not start.
    :raises TimeoutError: they were not there in time.
    """
    running.start('servers', [
        sys.executable, '-m', 'tests.functional.servers', '--kinds', ','.join(_KINDS.values()),
    ], {'PYTHONPATH': str(environment.ROOT), 'PYTHONUNBUFFERED': '1', 'CI': 'true'})
    deadline = time.monotonic() + _LIMIT
    while True:
        printed = running.log('servers').read_text(errors='replace')
        addresses = dict(re.findall(r"^export (\w+)='(.*)'$", printed, re.MULTILINE))
        if set(_KINDS) <= set(addresses):
            break
        running.check()
        if time.monotonic() > deadline:
            raise TimeoutError(f'no ZooKeeper and MariaDB after {_LIMIT:.0f} s: {printed}')
        time.sleep(0.1)
    return Backend('MariaDB and ZooKeeper', _make_database(addresses['TFD_TEST_MYSQL_URL']),
                   addresses['TFD_TEST_ZOOKEEPER'])


def _make_database(server: str) -> str:
    import sqlalchemy  # Only the virtual environment has it.

    engine = sqlalchemy.create_engine(server, isolation_level='AUTOCOMMIT')
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text('CREATE DATABASE tfd CHARACTER SET utf8mb4'))
    engine.dispose()
    return engine.url.set(database='tfd').render_as_string(hide_password=False)
