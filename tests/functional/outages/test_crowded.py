# SPDX-License-Identifier: Apache-2.0
"""No connection is left, of the pool's or of the server's: flows say so, wait for one, and go on."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import fixtures
import sqlalchemy as sa

from tests.functional.fleet.fleet import until
from tests.functional.sql.cases import SqlTestCase, claim, engine_of, post
from tfd import states, task
from tfd.patterns import linear_flow
from tfd_drivers.sql.backend import SqlBackend

#: How often a step is tried until there is a connection.
_TRIES = 3
_PASSWORD = 'crowded'


class _Step(task.Task):

    def __init__(self, name: str, calls: list[str], then: Callable[[], object]) -> None:
        super().__init__(name)
        self._calls = calls
        self._then = then

    def execute(self) -> None:
        self._calls.append(self.name)
        if self.name == 'b':
            self._then()

    def revert(self, *args: Any, **kwargs: Any) -> None:
        self._calls.append(f'-{self.name}')


class _CrowdedTest(SqlTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())

    def check_waits(self, backend: SqlBackend, crowd: contextlib.AbstractContextManager[Any], reason: str) -> None:
        """Run a flow that has no connection from its second task on, for some tries, and check that it went on."""
        calls: list[str] = []
        slept = []

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            if len(slept) == _TRIES:
                crowd.__exit__(None, None, None)

        job = claim(backend, post(backend).id)
        flow = linear_flow.Flow('f').add(*[_Step(name, calls, crowd.__enter__) for name in 'abc'])
        engine_of(backend, job, flow, sleep=sleep).run()
        self.assertEqual((['a', 'b', 'c'], _TRIES), (calls, len(slept)))
        ended = self.backend.jobs().get(job.id)
        self.assertEqual((states.COMPLETE, states.SUCCESS, 1), (ended.state, ended.outcome, ended.claims))
        (warning,) = [line for line in self.log.output.splitlines() if 'a step cannot be recorded now' in line]
        self.assertIn(reason, warning)
        self.assertIn('max_pool_size = 1 and max_overflow = 0', warning)

    def test_a_pool_that_is_used_up(self) -> None:
        backend = self.make(max_pool_size=1, max_overflow=0, pool_timeout=0.05)
        self.check_waits(backend, _one_of(backend.database.engine), 'became free within 0.05 s')


@contextlib.contextmanager
def _one_of(engine: sa.Engine) -> Iterator[None]:
    """Use a connection; one that has just been given back may not be free yet."""
    def connected() -> sa.Connection | None:
        with contextlib.suppress(sa.exc.OperationalError):
            return engine.connect()
        return None

    with until(connected, 10.0, 'a connection'):
        yield


class SqliteCrowdedTest(_CrowdedTest):

    kind = 'sqlite'


class _ServerCrowdedTest(_CrowdedTest):

    #: Statements that make an account with one connection, and what the server says to the next.
    account: tuple[str, ...]
    gone: tuple[str, ...]
    reason: str

    def test_a_server_without_a_connection_left(self) -> None:
        name = f'one_{uuid.uuid4().hex[:8]}'
        for statement in self.account:
            self._execute(statement, name)
        self.addCleanup(lambda: [self._execute(statement, name) for statement in self.gone])
        url = sa.make_url(self.url).set(username=name, password=_PASSWORD).render_as_string(hide_password=False)
        backend = self.make(connection=url, max_pool_size=1, max_overflow=0)
        self.check_waits(backend, self._only(backend, url), self.reason)

    def _execute(self, statement: str, name: str) -> None:
        engine = sa.create_engine(self.url, poolclass=sa.NullPool, isolation_level='AUTOCOMMIT')
        with engine.connect() as connection:
            connection.exec_driver_sql(statement.format(name=name, password=_PASSWORD))

    @contextlib.contextmanager
    def _only(self, backend: SqlBackend, url: str) -> Iterator[None]:
        """Take the account's connection away from the backend."""
        backend.database.engine.dispose()
        with _one_of(sa.create_engine(url, poolclass=sa.NullPool)):
            yield


class MariaDBCrowdedTest(_ServerCrowdedTest):

    kind = 'mariadb'
    account = (
        "CREATE USER '{name}'@'%%' IDENTIFIED BY '{password}' WITH MAX_USER_CONNECTIONS 1",
        "GRANT ALL ON *.* TO '{name}'@'%%'")
    gone = ("DROP USER '{name}'@'%%'",)
    reason = "has exceeded the 'max_user_connections' resource"


class PostgreSQLCrowdedTest(_ServerCrowdedTest):

    kind = 'postgresql'
    account = (
        'CREATE ROLE {name} LOGIN CONNECTION LIMIT 1', 'GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}')
    gone = ('DROP OWNED BY {name}', 'DROP ROLE {name}')
    reason = 'too many connections for role'


del _CrowdedTest, _ServerCrowdedTest
