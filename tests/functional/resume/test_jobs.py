# SPDX-License-Identifier: Apache-2.0
"""The same for flows of jobs, on each database: behind the guard, and up to the settlement.

For a sample of the flows, of all kinds: with decisions, with retries within retries, suspended, reverted, parked; and
of the appends of each.
"""

from __future__ import annotations

import contextlib

import fixtures

from tests.functional.resume import life
from tests.functional.resume.test_resume import Resumes
from tests.functional.sql.cases import post
from tests.functional.sql.databases import MigratedDatabase
from tfd_drivers.sql.backend import SqlBackend

_FLOWS = ('everything', 'decided anew', 'suspended', 'suspended while reverted', 'stays')


class _JobResumes(Resumes):

    most_kills = 4
    database: str

    def setUp(self) -> None:
        super().setUp()
        self.url = self.useFixture(MigratedDatabase(self.database)).url

    def _place(self, flow: str) -> life.Place:
        with contextlib.closing(SqlBackend(self.url)) as backend:
            job = post(backend)
        return life.Place(self.useFixture(fixtures.TempDir()).path, flow, self.kind, self.url, job.id)


class SqliteJobTest(_JobResumes):

    database = 'sqlite'


class MariaDBJobTest(_JobResumes):

    database = 'mariadb'


class PostgreSQLJobTest(_JobResumes):

    database = 'postgresql'


def _add_tests() -> None:
    for flow in _FLOWS:
        name = flow.replace(' ', '_')
        for case in (SqliteJobTest, MariaDBJobTest, PostgreSQLJobTest):
            setattr(case, f'test_{name}', lambda self, flow=flow: self._check_each(flow))


_add_tests()
del _JobResumes
