# SPDX-License-Identifier: Apache-2.0
"""Private ZooKeeper, MariaDB and PostgreSQL servers for the tests.

Most tests want a place of their own on a server that they share with the others::

    database = self.useFixture(servers.Database('mariadb'))  # database.url
    chroot = self.useFixture(servers.Chroot())  # chroot.hosts

A test that stops, kills or freezes a server starts its own::

    zookeeper = self.useFixture(servers.ZooKeeper(tick_time=0.2))  # zookeeper.hosts
    zookeeper.pause()

Every server listens on a free port of the loopback address, keeps its data in a temporary
folder, and is ended by its own process id.
"""

from __future__ import annotations

from tests.functional.servers.disk import Disk
from tests.functional.servers.galera import Galera
from tests.functional.servers.mariadb import MariaDB
from tests.functional.servers.places import Chroot, Database
from tests.functional.servers.postgresql import PostgreSQL
from tests.functional.servers.process import Server, ServerError
from tests.functional.servers.shared import KINDS, require
from tests.functional.servers.zookeeper import ZooKeeper

__all__ = [
    'KINDS',
    'Chroot',
    'Database',
    'Disk',
    'Galera',
    'MariaDB',
    'PostgreSQL',
    'Server',
    'ServerError',
    'ZooKeeper',
    'require',
]
