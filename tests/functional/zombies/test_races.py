# SPDX-License-Identifier: Apache-2.0
"""A takeover against a late write, over and over, on one row each: of two journals one goes first."""

from __future__ import annotations

from tests.functional.sql.cases import SqlTestCase
from tests.functional.zombies import guards
from tests.functional.zombies.races import End, Races, Step, spread
from tfd import states
from tfd.jobs import record as jobs_record
from tfd.persistence.record import Change, Entry, Fence, Settlement

_RACES = 400
_LANES = 4
#: Seconds by which the write starts after the takeover, or before it: the races are spread over this.
_SPREAD = 0.004


class _RaceTest(SqlTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.races = Races(self.backend, self.make(), _LANES)

    def run_races(self, step: Step, count: int = _RACES) -> list[End]:
        """Run races, of which the first and the last are decided by when they start."""
        return self.races.run(self.races.prepare(count), step, spread(count, _SPREAD, 25 * _SPREAD))

    def test_a_step_against_a_takeover(self) -> None:
        ends = self.run_races(self.step)
        self.assertEqual(0, self.races.judge(ends))
        self.assertEqual({('done', 'done'), ('OwnershipLost', 'done')}, {end.both for end in ends})
        self.assertEqual([], [end for end in ends if (end.write == 'done') != (end.seen is not None)])

    def test_a_settlement_against_a_takeover(self) -> None:
        ends = self.run_races(self._last_step, _RACES // 4)
        self.assertEqual(0, self.races.judge(ends))
        self.assertEqual({('done', 'UnclaimableJob'), ('OwnershipLost', 'done')}, {end.both for end in ends})

    def _last_step(self, job: jobs_record.Job, fence: Fence) -> Entry:
        return Entry(
            job.flow_uuid, fence, changes=[Change(0, ('state',), (states.SUCCESS,))],
            settlement=Settlement(job.claim_id, states.COMPLETE, states.SUCCESS))

    def check_is_no_guard(self, guard: guards.Guard) -> None:
        """Check that the races tell this from a guard."""
        with guards.instead(guard):
            late = self.races.judge(self.run_races(self.step, _RACES // 4))
        self.assertGreater(late, 0)

    def test_without_the_guard_writes_come_late(self) -> None:
        self.check_is_no_guard(guards.nothing)


class SqliteRaceTest(_RaceTest):
    """Writers queue: what was read at the beginning of a transaction is so at its end."""

    kind = 'sqlite'


class _ServerRaceTest(_RaceTest):

    def test_where_the_guard_only_reads_writes_come_late(self) -> None:
        self.check_is_no_guard(guards.unlocked)


class MariaDBRaceTest(_ServerRaceTest):

    kind = 'mariadb'


class PostgreSQLRaceTest(_ServerRaceTest):

    kind = 'postgresql'


del _RaceTest, _ServerRaceTest
