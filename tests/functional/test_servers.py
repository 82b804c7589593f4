# SPDX-License-Identifier: Apache-2.0
"""The private servers live, freeze and die as the tests that rely on them are told."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import unittest

import fixtures
import psutil
import sqlalchemy
import testtools
from kazoo import client

from tests.functional import servers


def _connect(url: str) -> sqlalchemy.Connection:
    return sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool).connect()


class _SqlServerTests:
    """What each SQL server does."""

    kind: str

    def _start(self):
        return self.useFixture(servers.KINDS[self.kind]())

    def test_database_is_its_own_and_is_dropped(self) -> None:
        database = servers.Database(self.kind)
        with database:
            connection = _connect(database.url)
            self.addCleanup(connection.invalidate)
            connection.execute(sqlalchemy.text('CREATE TABLE t (x INTEGER)'))
            connection.execute(sqlalchemy.text('SELECT * FROM t'))
        self.assertRaises(sqlalchemy.exc.OperationalError, _connect, database.url)

    def test_commit_outlives_a_kill(self) -> None:
        server = self._start()
        database = self.useFixture(servers.Database(self.kind, server))
        with _connect(database.url) as connection:
            connection.execute(sqlalchemy.text('CREATE TABLE t (x INTEGER)'))
            connection.execute(sqlalchemy.text('INSERT INTO t VALUES (7)'))
            connection.commit()
        server.kill()
        self.assertRaises(sqlalchemy.exc.OperationalError, _connect, database.url)
        server.start()
        with _connect(database.url) as connection:
            self.assertEqual(7, connection.scalar(sqlalchemy.text('SELECT x FROM t')))

    def test_every_process_freezes_and_goes_on(self) -> None:
        server = self._start()
        connection = _connect(server.url)
        self.addCleanup(connection.close)
        connection.execute(sqlalchemy.text('SELECT 1'))
        first = psutil.Process(server.pid)
        self.addCleanup(server.resume)
        server.pause()
        found = {process.status() for process in [first, *first.children(recursive=True)]}
        self.assertEqual({psutil.STATUS_STOPPED}, found)
        server.resume()
        self.assertEqual(2, connection.scalar(sqlalchemy.text('SELECT 2')))

    def test_restart_keeps_the_port_and_wipe_empties_it(self) -> None:
        server = self._start()
        database = self.useFixture(servers.Database(self.kind, server))
        url = server.url
        server.restart()
        _connect(database.url).close()
        server.restart(wipe=True)
        self.assertEqual(url, server.url)
        self.assertRaises(sqlalchemy.exc.OperationalError, _connect, database.url)


class MariaDBTest(_SqlServerTests, testtools.TestCase):
    """MariaDB."""

    kind = 'mariadb'


class PostgreSQLTest(_SqlServerTests, testtools.TestCase):
    """PostgreSQL."""

    kind = 'postgresql'


class ZooKeeperTest(testtools.TestCase):
    """ZooKeeper."""

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(fixtures.FakeLogger('kazoo'))

    def _start(self, **options) -> servers.ZooKeeper:
        return self.useFixture(servers.ZooKeeper(**options))

    def _connect(self, hosts: str, timeout: float = 10.0) -> client.KazooClient:
        zookeeper = client.KazooClient(hosts=hosts, timeout=timeout)
        self.addCleanup(zookeeper.close)
        self.addCleanup(zookeeper.stop)
        zookeeper.start(timeout=10)
        return zookeeper

    def test_chroot_is_its_own_and_is_deleted(self) -> None:
        chroot = servers.Chroot()
        with chroot:
            zookeeper = self._connect(chroot.hosts)
            zookeeper.create('/a/b', makepath=True)
            self.assertEqual(['a'], zookeeper.get_children('/'))
        address, _, name = chroot.hosts.partition('/')
        self.assertIsNone(self._connect(address).exists(f'/{name}'))

    def test_sessions_can_be_short(self) -> None:
        server = self._start(tick_time=0.1)
        zookeeper = self._connect(server.hosts, timeout=0.3)
        self.assertEqual(300, zookeeper._session_timeout)

    def test_nodes_outlive_a_kill_and_not_a_wipe(self) -> None:
        server = self._start()
        self._connect(server.hosts).create('/a')
        server.kill()
        self.assertRaises(OSError, socket.create_connection, server.hosts.split(':'))
        server.start()
        self.assertIsNotNone(self._connect(server.hosts).exists('/a'))
        server.restart(wipe=True)
        self.assertIsNone(self._connect(server.hosts).exists('/a'))

    def test_freezes_and_goes_on(self) -> None:
        server = self._start()
        zookeeper = self._connect(server.hosts)
        self.addCleanup(server.resume)
        server.pause()
        asked = zookeeper.exists_async('/')
        self.assertEqual(psutil.STATUS_STOPPED, psutil.Process(server.pid).status())
        self.assertFalse(asked.ready())
        server.resume()
        self.assertIsNotNone(asked.get(timeout=10))


class AbsenceTest(testtools.TestCase):
    """A server whose programs are not installed."""

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(fixtures.EnvironmentVariable('TFD_TEST_ZOOKEEPER'))
        self.useFixture(
            fixtures.MonkeyPatch(
                'tests.functional.servers.zookeeper.ZooKeeper.missing', lambda cls: 'no java'
            )
        )

    def test_skips_at_home(self) -> None:
        self.useFixture(fixtures.EnvironmentVariable('CI'))
        error = self.assertRaises(unittest.SkipTest, servers.require, 'zookeeper')
        self.assertEqual('no zookeeper: no java', str(error))

    def test_fails_in_ci(self) -> None:
        self.useFixture(fixtures.EnvironmentVariable('CI', 'true'))
        error = self.assertRaises(AssertionError, servers.require, 'zookeeper')
        self.assertEqual('zookeeper is needed in CI: no java', str(error))


class ParentTest(testtools.TestCase):
    """``python -m tests.functional.servers``."""

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        arguments = ['-m', 'tests.functional.servers', '--kinds', 'zookeeper', '--', *command]
        environment = {k: v for k, v in os.environ.items() if k != 'TFD_TEST_ZOOKEEPER'}
        return subprocess.run(
            [sys.executable, *arguments], env=environment, capture_output=True, text=True
        )

    def test_command_finds_the_addresses_and_its_status_is_returned(self) -> None:
        servers.require('zookeeper')
        done = self._run('sh', '-c', 'echo $TFD_TEST_ZOOKEEPER; exit 3')
        self.assertEqual(3, done.returncode, done.stderr)
        host, _, port = done.stdout.strip().partition(':')
        self.assertEqual('127.0.0.1', host)
        self.assertRaises(OSError, socket.create_connection, (host, int(port)))

    def test_servers_die_with_a_killed_parent(self) -> None:
        servers.require('postgresql')
        script = (
            'import os; from tests.functional import servers; '
            's = servers.PostgreSQL(); s.start(); print(s.pid, s.folder, flush=True); '
            'os.kill(os.getpid(), 9)'
        )
        done = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True)
        pid, folder = done.stdout.split()
        self.addCleanup(subprocess.run, ['rm', '-r', folder])
        psutil.wait_procs([psutil.Process(int(pid))] if psutil.pid_exists(int(pid)) else [], 10)
        alive = psutil.pid_exists(int(pid)) and psutil.Process(int(pid)).status() != 'zombie'
        self.assertFalse(alive)
