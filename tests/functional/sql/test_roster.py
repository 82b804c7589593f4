# SPDX-License-Identifier: Apache-2.0
"""Who has conducted is kept, shown latest first, and forgotten."""

from __future__ import annotations

from tests.functional.sql.cases import SqlTestCase
from tfd import exceptions
from tfd.jobs import record
from tfd.testing.sql import StatementCounter


def _seen(name: str, at: float, started_at: float = 1.0) -> record.Incarnation:
    return record.Incarnation(name, 'machine', 2 ** 22, '1.2.3', started_at, at)


class _RosterTest(SqlTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.roster = self.backend.roster()

    def names(self) -> list[str]:
        return [seen.incarnation for seen in self.make().roster().latest(10)]

    def test_what_is_noted_comes_back(self) -> None:
        noted = _seen('host/1/a', 5.25)
        self.roster.note(noted)
        self.assertEqual([noted], self.make().roster().latest(10))

    def test_who_is_seen_again_began_when_it_began(self) -> None:
        for at in (5.0, 6.0):
            self.roster.note(_seen('host/1/a', at, started_at=at))
        self.assertEqual([_seen('host/1/a', 6.0, started_at=5.0)], self.roster.latest(10))

    def test_the_latest_first_and_no_more_than_asked_for(self) -> None:
        for name, at in (('a', 3.0), ('b', 5.0), ('c', 4.0)):
            self.roster.note(_seen(name, at))
        self.assertEqual(['b', 'c', 'a'], self.names())
        self.assertEqual(['b', 'c'], [seen.incarnation for seen in self.roster.latest(2)])

    def test_the_oldest_are_forgotten(self) -> None:
        for number in range(5):
            self.roster.note(_seen(f'host/{number}', float(number)))
        self.assertEqual((2, 1, 0), tuple(self.roster.forget(3.0, 2) for _ in range(3)))
        self.assertEqual(['host/4', 'host/3'], self.names())

    def test_a_note_is_one_statement_and_one_commit(self) -> None:
        self.roster.note(_seen('a', 1.0))
        with StatementCounter(self.backend.database.engine) as counter:
            self.roster.note(_seen('a', 2.0))
        self.assertEqual((1, 1), (counter.commits, len(counter.statements)))

    def test_a_name_that_is_too_long_is_refused(self) -> None:
        self.assertRaises(exceptions.StorageFailure, self.roster.note, _seen('x' * 256, 1.0))


class SqliteRosterTest(_RosterTest):
    """On a file."""


class MariaDBRosterTest(_RosterTest):
    """On a server."""

    kind = 'mariadb'


class PostgreSQLRosterTest(_RosterTest):
    """On a server."""

    kind = 'postgresql'


del _RosterTest
