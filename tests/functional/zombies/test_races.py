# SPDX-License-Identifier: Apache-2.0
"""A takeover against a late write, over and over, on one row: of two journals one goes first."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from unittest import mock

from tests.functional.sql.cases import SqlTestCase, candidate_of
from tfd import exceptions, states
from tfd.jobs import record as jobs_record
from tfd.persistence.record import Change, Entry, Fence, Settlement
from tfd_drivers.sql.journal import SqlJournal

_RACES = 100
#: Seconds by which the write starts after the takeover, or before it: the races are spread over this.
_SPREAD = 0.004


class _RaceTest(SqlTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.successor = self.make()
        # Both have a connection, so that the first race is none of who connects first.
        for backend in (self.backend, self.successor):
            backend.database.run(lambda connection: None)

    def race(self, step: Callable[[jobs_record.Job, Fence], Entry], offset: float) -> tuple[str, str]:
        """Let the owner of a job record a step while a successor takes the job over.

        :returns: how the write and the takeover ended.
        """
        job, fence = self.owned_flow(2)
        candidate = candidate_of(self.successor, job.id)
        start, ends = threading.Barrier(2), {'write': '', 'takeover': ''}

        def act(name: str, wait: float, deed: Callable[[], object]) -> None:
            start.wait(10)
            time.sleep(max(0.0, wait))
            try:
                deed()
                ends[name] = 'done'
            except (exceptions.OwnershipLost, exceptions.UnclaimableJob) as err:
                ends[name] = type(err).__name__

        seen: list[list[str | None]] = []

        def take_over() -> None:
            self.successor.jobs().claim(candidate, 'successor', 'its claim')
            seen.append(self._states(job))

        entry = step(job, fence)
        threads = [
            threading.Thread(target=act, args=(
                'write', offset, lambda: self.backend.journal().append(entry))),
            threading.Thread(target=act, args=('takeover', -offset, take_over))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        # What a successor loads after its claim is all that was recorded, and ever will be.
        if seen:
            self.late += seen[0] != self._states(job)
            self.assertTrue(self.unguarded or (ends['write'] == 'done') == (seen[0][0] is not None))
        return ends['write'], ends['takeover']

    def _states(self, job: jobs_record.Job) -> list[str | None]:
        return [atom.state for atom in self.successor.journal().load(job.flow_uuid).atoms]

    def races(self, step: Callable[[jobs_record.Job, Fence], Entry], count: int = _RACES,
              unguarded: bool = False) -> set[tuple[str, str]]:
        """Run races; return what ends were seen. ``late`` counts the late writes."""
        self.late, self.unguarded = 0, unguarded
        offsets = [_SPREAD * (2 * number / (count - 3) - 1) for number in range(count - 2)]
        # The first and the last are decided by that.
        return {self.race(step, offset) for offset in (-25 * _SPREAD, *offsets, 25 * _SPREAD)}

    def test_a_step_against_a_takeover(self) -> None:
        ends = self.races(self.step)
        self.assertEqual(0, self.late)
        self.assertEqual({('done', 'done'), ('OwnershipLost', 'done')}, ends)

    def test_a_settlement_against_a_takeover(self) -> None:
        ends = self.races(self._last_step, _RACES // 3)
        self.assertEqual(0, self.late)
        self.assertEqual({('done', 'UnclaimableJob'), ('OwnershipLost', 'done')}, ends)

    def _last_step(self, job: jobs_record.Job, fence: Fence) -> Entry:
        return Entry(
            job.flow_uuid, fence, changes=[Change(0, ('state',), (states.SUCCESS,))],
            settlement=Settlement(job.claim_id, states.COMPLETE, states.SUCCESS))

    def test_without_the_guard_writes_come_late(self) -> None:
        append = SqlJournal.append

        def unguarded(self: SqlJournal, entry: Entry) -> None:
            append(self, dataclasses.replace(entry, fence=None))

        with mock.patch.object(SqlJournal, 'append', unguarded):
            self.races(self.step, _RACES // 5, unguarded=True)
        self.assertGreater(self.late, 0)


class SqliteRaceTest(_RaceTest):

    kind = 'sqlite'


class MariaDBRaceTest(_RaceTest):

    kind = 'mariadb'


class PostgreSQLRaceTest(_RaceTest):

    kind = 'postgresql'


del _RaceTest
