# SPDX-License-Identifier: Apache-2.0
"""The disk of the database is full: flows say so and wait for space, and nothing is reverted."""

from __future__ import annotations

import os
import random
from typing import Any

import fixtures
import sqlalchemy as sa
import testtools

from tests.functional import servers
from tests.functional.sql.cases import claim, engine_of, post
from tests.functional.sql.databases import migrate
from tfd import engines, exceptions, states, task
from tfd.jobs import record as jobs_record
from tfd.patterns import linear_flow
from tfd.persistence import backends, models
from tfd_drivers.sql.backend import SqlBackend

#: Characters of what tasks return: more than what the database has left in files that it has already.
_LARGE = 1_000_000
#: The inputs of jobs: what has room in a row, with which MariaDB comes to no harm on a full disk.
_SMALL = {'a': 'x' * 3000}
#: How often a step is tried until there is space.
_TRIES = 3


def _large() -> str:
    # Nothing that could be compressed.
    return random.Random(0).randbytes(_LARGE // 2).hex()


class _Step(task.Task):

    def __init__(self, name: str, calls: list[str], disk: servers.Disk) -> None:
        super().__init__(name, provides=f'of {name}')
        self._calls = calls
        self._disk = disk

    def execute(self) -> str:
        self._calls.append(self.name)
        if self.name == 'b':
            self._disk.fill()
        return _large()

    def revert(self, *args: Any, **kwargs: Any) -> None:
        self._calls.append(f'-{self.name}')


class _FullTest(testtools.TestCase):
    """A flow of three tasks; the disk is full when the second returns, and has space some tries later."""

    #: What the warning has of the reason.
    reason: str

    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.calls: list[str] = []
        self.slept = 0

    def flow(self, disk: servers.Disk) -> linear_flow.Flow:
        return linear_flow.Flow('f').add(*[_Step(name, self.calls, disk) for name in 'abc'])

    def sleep(self, seconds: float) -> None:
        """Stand for the pause between two tries."""
        self.slept += 1
        if self.slept == _TRIES:
            self.disk.free()

    def check(self, engine: Any) -> None:
        """Run, and check that it went on."""
        engine.run()
        self.assertEqual(['a', 'b', 'c'], self.calls)
        self.assertEqual(_TRIES, self.slept)
        self.assertEqual(states.SUCCESS, engine.storage.get_flow_state())
        self.assertEqual(_large(), engine.storage.get('b'))
        (warning,) = [line for line in self.log.output.splitlines() if 'a step cannot be recorded now' in line]
        self.assertIn(self.reason, warning)


class DirectoryFullTest(_FullTest):

    reason = 'No space left on device'

    def test_a_flow_waits_for_space(self) -> None:
        self.disk = self.useFixture(servers.Disk(8))
        with backends.backend({'connection': 'directory', 'path': str(self.disk.path / 'logbooks')}) as backend:
            book, detail = models.LogBook('book'), models.FlowDetail('f')
            book.add(detail)
            backend.get_connection().save_logbook(book)
            self.check(engines.load(
                self.flow(self.disk), flow_detail=detail, book=book, backend=backend, sleep=self.sleep))
            atoms = backend.journal().load(detail.uuid).atoms
        self.assertEqual([states.SUCCESS] * 3, [atom.state for atom in atoms])


class _SqlFullTest(_FullTest):

    def make(self) -> str:
        """Return the URL of a database on ``self.disk``."""
        raise NotImplementedError

    def setUp(self) -> None:
        super().setUp()
        url = self.make()
        migrate(url)
        self.backend = SqlBackend(url)
        self.addCleanup(self.backend.close)

    def test_a_flow_waits_for_space(self) -> None:
        job = claim(self.backend, post(self.backend).id)
        self.check(engine_of(self.backend, job, self.flow(self.disk), sleep=self.sleep))
        ended = self.backend.jobs().get(job.id)
        self.assertEqual((states.COMPLETE, states.SUCCESS, 1), (ended.state, ended.outcome, ended.claims))

    def test_what_cannot_be_posted_now_can_be_posted_later(self) -> None:
        # From the beginning an SQLite database has files that would be made at its next use.
        posted = [post(self.backend, store=_SMALL).id]
        self.disk.fill()
        error = self.assertRaises(exceptions.StorageUnavailable, self._post_for_ever, posted)
        self.assertIn(self.reason, str(error))
        self.disk.free()
        posted.append(post(self.backend, store=_SMALL).id)
        found = self.backend.jobs().list(jobs_record.JobQuery(limit=len(posted) + 100))
        self.assertLessEqual(set(posted), {job.id for job in found})

    def _post_for_ever(self, posted: list[str]) -> None:
        while True:
            posted.append(post(self.backend, store=_SMALL).id)


class SqliteFullTest(_SqlFullTest):

    reason = 'database or disk is full'

    def make(self) -> str:
        self.disk = self.useFixture(servers.Disk(12))
        return f'sqlite:///{self.disk.path}/tfd.sqlite'


class MariaDBFullTest(_SqlFullTest):

    reason = 'is full'

    def make(self) -> str:
        server = self.useFixture(servers.MariaDB())
        url = self.useFixture(servers.Database('mariadb', server)).url
        name = sa.make_url(url).database
        assert name is not None
        self.disk = self.useFixture(servers.Disk(24, server.data / name))
        return url


class PostgreSQLFullTest(_SqlFullTest):
    """Where its log has no space PostgreSQL ends instead, and has to be started again."""

    reason = 'No space left on device'

    def make(self) -> str:
        server = self.useFixture(servers.PostgreSQL())
        folder = server.folder / 'small'
        folder.mkdir()
        owner = server.data.stat()
        os.chown(folder, owner.st_uid, owner.st_gid)
        self.disk = self.useFixture(servers.Disk(32, folder))
        engine = sa.create_engine(server.url, poolclass=sa.NullPool, isolation_level='AUTOCOMMIT')
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE TABLESPACE small LOCATION '{folder}'")
            connection.exec_driver_sql('CREATE DATABASE small TABLESPACE small')
        return sa.make_url(server.url).set(database='small').render_as_string(hide_password=False)


del _FullTest, _SqlFullTest
