# SPDX-License-Identifier: Apache-2.0
"""The lease coordinator keeps the contract of a coordinator, on each database."""

from __future__ import annotations

import time
from collections.abc import Callable

import sqlalchemy as sa
import testtools

from tests.functional import servers
from tests.functional.zookeeper.proxy import Wire
from tfd import exceptions
from tfd.jobs.ports import Coordinator
from tfd.testing.coordinator import CoordinatorContract
from tfd.types.clock import BootClock
from tfd_drivers.sql import tables
from tfd_drivers.sql.coordinator import SqlCoordinator
from tfd_drivers.sql.database import Database
from tfd_drivers.sql.schema import SqlSchema
from tfd_drivers.sql.settings import Settings


class _SqlCoordinatorTest(CoordinatorContract):
    """What is the same for all databases."""

    capabilities = frozenset()
    lease = 1.5
    kind: str

    def setUp(self) -> None:
        super().setUp()
        self.clock = BootClock()
        self._frozen = False
        self.url = self.useFixture(servers.Database(self.kind)).url
        self.database = Database(Settings.from_conf(self.url))
        self.addCleanup(self.database.close)
        SqlSchema(self.database).sync()

    def made(self, url: str, conductor: str) -> SqlCoordinator:
        conf = {
            'connection': url,
            'session_timeout': self.lease,
            'connect_timeout': 0.5 if self._frozen else 10.0,
        }
        coordinator = SqlCoordinator(conf, conductor=conductor, worker='1')
        self.addCleanup(coordinator.stop)
        return coordinator

    def execute(self, *statements: sa.Executable) -> None:
        def work(connection: sa.Connection) -> None:
            for statement in statements:
                connection.execute(statement)

        self.database.run(work)

    def pass_time(self, seconds: float) -> None:
        time.sleep(seconds)

    def end_session(self, coordinator: Coordinator) -> None:
        members = tables.members
        mine = members.c.incarnation == coordinator.session().incarnation
        self.execute(sa.update(members).where(mine).values(expires_at=0))

    def restart(self) -> None:
        self.execute(*(sa.delete(table) for table in (tables.members, tables.locks, tables.board)))


class SqliteCoordinatorTest(_SqlCoordinatorTest, testtools.TestCase):
    """SQLite: what cannot be reached is refused by a database object of the test's."""

    kind = 'sqlite'

    def setUp(self) -> None:
        super().setUp()
        self._cut: set[Coordinator] = set()

    def make(self, conductor: str) -> Coordinator:
        coordinator = self.made(self.url, conductor)
        run = coordinator._database.run

        def _run(work: Callable[..., object], writing: bool = True) -> object:
            if self._frozen or coordinator in self._cut:
                raise exceptions.StorageUnavailable('cut off by the test')
            return run(work, writing)

        coordinator._database.run = _run
        return coordinator

    def cut(self, coordinator: Coordinator) -> None:
        self._cut.add(coordinator)

    def heal(self, coordinator: Coordinator) -> None:
        self._cut.discard(coordinator)

    def freeze(self) -> None:
        self._frozen = True

    def thaw(self) -> None:
        self._frozen = False

    def test_writers_of_another_process_delay_but_do_not_end_a_session(self) -> None:
        coordinator = self.joined('a')
        session = self.session_of(coordinator)
        with self.database._transaction(writing=True):
            self.pass_time(self.lease / 3)
        self.pass_time(self.lease)
        self.assertIs(session, coordinator.session())


class _ServerCoordinatorTest(_SqlCoordinatorTest):
    """A server: what cannot be reached is behind a wire that is cut."""

    def setUp(self) -> None:
        super().setUp()
        self._wires: dict[Coordinator, Wire] = {}

    def make(self, conductor: str) -> Coordinator:
        url = sa.make_url(self.url)
        wire = self.useFixture(Wire(f'{url.host}:{url.port}'))
        if self._frozen:
            wire.cut()
        host, port = wire.hosts.split(':')
        through = url.set(host=host, port=int(port)).render_as_string(hide_password=False)
        coordinator = self.made(through, conductor)
        self._wires[coordinator] = wire
        return coordinator

    def cut(self, coordinator: Coordinator) -> None:
        self._wires[coordinator].cut()

    def heal(self, coordinator: Coordinator) -> None:
        self._wires[coordinator].heal()

    def freeze(self) -> None:
        self._frozen = True
        for wire in self._wires.values():
            wire.cut()

    def thaw(self) -> None:
        self._frozen = False
        for wire in self._wires.values():
            wire.heal()


class MariaDBCoordinatorTest(_ServerCoordinatorTest, testtools.TestCase):
    """MariaDB."""

    kind = 'mariadb'


class PostgreSQLCoordinatorTest(_ServerCoordinatorTest, testtools.TestCase):
    """PostgreSQL."""

    kind = 'postgresql'
