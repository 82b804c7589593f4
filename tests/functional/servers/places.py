# SPDX-License-Identifier: Apache-2.0
"""A test's own place on a server: a database, a chroot."""

from __future__ import annotations

import uuid

import fixtures
import sqlalchemy
from kazoo import client

from tests.functional.servers.mariadb import MariaDB
from tests.functional.servers.postgresql import PostgreSQL
from tests.functional.servers.shared import require
from tests.functional.servers.zookeeper import ZooKeeper

__all__ = ['Chroot', 'Database']

_CONNECTIONS_TO = {
    'mysql': 'SELECT id FROM information_schema.processlist WHERE db = :name',
    'postgresql': 'SELECT pid FROM pg_stat_activity WHERE datname = :name',
}
_DISCONNECT = {'mysql': 'KILL :id', 'postgresql': 'SELECT pg_terminate_backend(:id)'}


class Database(fixtures.Fixture):
    """An empty database; dropped, with whoever is still connected to it, at the end.

    ``url`` is its SQLAlchemy URL.

    :param kind: ``sqlite``, ``mariadb`` or ``postgresql``.
    :param server: where to make it; the server that all tests share by default. What is made
        on a test's own server goes with that server.
    """

    def __init__(self, kind: str, server: MariaDB | PostgreSQL | None = None) -> None:
        super().__init__()
        self.kind = kind
        self.url = ''
        self._server = server

    def _setUp(self) -> None:
        if self.kind == 'sqlite':
            folder = self.useFixture(fixtures.TempDir())
            self.url = f'sqlite:///{folder.join("tfd.sqlite")}'
            return
        address = require(self.kind) if self._server is None else self._server.url
        name = f'tfd_{uuid.uuid4().hex}'
        _execute(address, f'CREATE DATABASE {name}')
        self.url = _with_database(address, name)
        if self._server is None:
            self.addCleanup(_drop, address, name)


def _with_database(address: str, name: str) -> str:
    url = sqlalchemy.make_url(address).set(database=name)
    return url.render_as_string(hide_password=False)


def _engine(address: str) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(
        address, poolclass=sqlalchemy.NullPool, isolation_level='AUTOCOMMIT'
    )


def _execute(address: str, statement: str) -> None:
    with _engine(address).connect() as connection:
        connection.execute(sqlalchemy.text(statement))


def _drop(address: str, name: str) -> None:
    with _engine(address).connect() as connection:
        dialect = connection.dialect.name
        query = sqlalchemy.text(_CONNECTIONS_TO[dialect])
        for found in connection.scalars(query, {'name': name}).all():
            _disconnect(connection, dialect, found)
        connection.execute(sqlalchemy.text(f'DROP DATABASE {name}'))


def _disconnect(connection: sqlalchemy.Connection, dialect: str, number: int) -> None:
    try:
        connection.execute(sqlalchemy.text(_DISCONNECT[dialect]), {'id': number})
    except sqlalchemy.exc.DBAPIError:
        # It has gone by itself.
        pass


class Chroot(fixtures.Fixture):
    """An empty node of ZooKeeper to live under; deleted, with all that is in it, at the end.

    ``hosts`` is the address with the node, as kazoo's ``hosts`` takes it.

    :param server: where to make it; the server that all tests share by default. What is made
        on a test's own server goes with that server.
    """

    def __init__(self, server: ZooKeeper | None = None) -> None:
        super().__init__()
        self.hosts = ''
        self._server = server

    def _setUp(self) -> None:
        address = require('zookeeper') if self._server is None else self._server.hosts
        path = f'/tfd-{uuid.uuid4().hex}'
        _with_zookeeper(address, lambda zookeeper: zookeeper.create(path))
        self.hosts = address + path
        if self._server is None:
            self.addCleanup(
                _with_zookeeper, address, lambda zookeeper: zookeeper.delete(path, recursive=True)
            )


def _with_zookeeper(address: str, act) -> None:
    zookeeper = client.KazooClient(hosts=address, timeout=10)
    zookeeper.start(timeout=10)
    try:
        act(zookeeper)
    finally:
        zookeeper.stop()
        zookeeper.close()
