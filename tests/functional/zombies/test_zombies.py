# SPDX-License-Identifier: Apache-2.0
"""SIGSTOP of an owner past its session, a takeover, SIGCONT.

What is promised, and tested here on real daemons and real servers:

* Once a peer has the job, the one that had it records nothing: every row of the database stays as the
  peer left it.
* It starts no task whose last check comes after the loss. Stopped after that check and before the call
  (a few microseconds), it starts that one task, and no other.
* It blocks nobody: the takeover is as quick as if the process had been killed, even where it stopped
  inside of a transaction.
* It says that it lost the job, and goes on to serve others under a new session.
* The task that it was stopped in runs to its end and its effect is repeated by the peer, under the same
  idempotency key: that of a recorded result is exactly once, of an effect at least once.

And that it needs the guard and the own clock: without the first it overwrites, without the second it
starts.
"""

from __future__ import annotations

import dataclasses
import re
import signal
import time
from typing import Any

import psutil
import sqlalchemy as sa
import testtools
from testtools import content

from tests.functional.fleet import flows
from tests.functional.fleet.fleet import FLOW, Fleet, until
from tests.functional.zombies.lateness import Lateness
from tfd import states
from tfd.jobs import record
from tfd_drivers.sql import tables

_DEPRIVED = 'tests.functional.zombies.flows.deprived'
_STEPS = list(range(1, flows.STEPS + 1))
_SESSION = 2.0
#: Of the ZooKeeper that the tests share: sessions end on a multiple of it.
_TICK = 0.5
#: How long a statement waits for a lock of somebody else's before the successor sees to that.
_LOCK_WAIT = 1.0
#: For how long the SQL driver repeats a transaction, and half a second.
_BUDGET = 3.5
_SECONDS = 30.0
_JOINED = ' joined as '

Rows = dict[str, list[tuple[Any, ...]]]


class _ZombieTest(testtools.TestCase):

    database: str

    def setUp(self) -> None:
        super().setUp()
        self.fleet = self.useFixture(Fleet(
            self.database, session_timeout=_SESSION,
            allow_import_paths='tests.functional.zombies.flows'))
        self.addOnException(lambda _: self.addDetail(
            'log', content.text_content(self.fleet.log()[-30000:])))
        self._engine = sa.create_engine(self.fleet.url, poolclass=sa.NullPool)

    # -- the story -----------------------------------------------------------------------------------

    def stop(self, point: str, without: tuple[str, ...] = (), group: bool = False,
             daemons: int = 2) -> None:
        """Have the owner of a new job stop at a point."""
        for number in range(daemons):
            self.fleet.daemon(f'host-{number}')
        until(lambda: all(_JOINED in one.log() for one in self.fleet.daemons), _SECONDS, 'start')
        posting = self.fleet.posting(
            {point: 'stop-group' if group else 'stop'}, flow=_DEPRIVED if without else FLOW)
        if without:
            options = {**posting.store['fleet'], 'without': list(without)}
            posting = dataclasses.replace(posting, store={'fleet': options})
        (self.job,) = self.fleet.client.post_many([posting])
        self.stopped = self.fleet.points.wait(self.job.id, point, _SECONDS)
        self.zombie = next(
            one for one in self.fleet.daemons if self.stopped.pid in one.workers())
        self.addCleanup(self.zombie.signal, signal.SIGCONT)
        still = [self.stopped.pid, *([self.zombie.pid] if group else [])]
        until(lambda: all(psutil.Process(pid).status() == psutil.STATUS_STOPPED for pid in still))

    def take_over(self) -> None:
        """Let the peer take the job over and end it, and take down every row."""
        (self.peer,) = (one for one in self.fleet.daemons if one is not self.zombie)
        with Lateness() as self.lateness:
            self.ended = self.fleet.wait(self.job, _SECONDS)
        (worker,) = self.peer.workers()
        taken = [line for line in self.fleet.ledger.lines(self.job.id) if line.pid == worker]
        self.taken_at = taken[0].at
        self.rows = self._rows()

    def wake(self, owner: bool = True) -> None:
        """Let the zombie go on, until it has a new session and, as the owner, has given the job up."""
        joined = self.zombie.log().count(_JOINED)
        self.zombie.signal(signal.SIGCONT)
        until(lambda: not owner or self._lost_line() is not None, _SECONDS, 'giving up')
        until(lambda: self.zombie.log().count(_JOINED) > joined, _SECONDS, 'joining')

    def haunt(self, point: str, **options: Any) -> None:
        """Let all of that happen."""
        self.stop(point, **options)
        self.take_over()
        self.wake()

    # -- what is looked at ---------------------------------------------------------------------------

    def _rows(self) -> Rows:
        # Who has conducted is noted by whoever does, a zombie that begins a new session too.
        found = [table for table in tables.metadata.sorted_tables if table is not tables.conductors]
        with self._engine.connect() as connection:
            return {table.name: sorted(map(tuple, connection.execute(sa.select(table))), key=repr)
                    for table in found}

    def _lost_line(self) -> re.Match[str] | None:
        return re.search(rf'WARNING.* lost job={self.job.id} .*epoch=1 .*', self.zombie.log())

    def starts(self, pid: int) -> list[int]:
        """Return the tasks of the job that a process started."""
        lines = self.fleet.ledger.lines(self.job.id, action='execute', what='start')
        return [line.atom for line in lines if line.pid == pid]

    def late_starts(self) -> list[int]:
        """Return the tasks that the zombie started after the takeover."""
        lines = self.fleet.ledger.lines(self.job.id, what='start')
        return [line.atom for line in lines
                if line.pid == self.stopped.pid and line.at > self.taken_at]

    # -- what must be so -----------------------------------------------------------------------------

    def check_harmless(self, mine: list[int], peers: list[int], late: list[int] | None = None) -> None:
        """Check that the zombie has changed nothing and all is as it should be.

        :param mine: the tasks that the zombie started.
        :param peers: those that its successor started.
        :param late: those of ``mine`` that it started when the peer had the job.
        """
        self.assertEqual(self.rows, self._rows(), 'the zombie has written')
        self.assertEqual(late or [], self.late_starts())
        self.assertEqual(mine, self.starts(self.stopped.pid))
        (worker,) = self.peer.workers()
        self.assertEqual(peers, self.starts(worker))
        self.check_result(self.job, claims=2 if mine else 1)

    def check_result(self, job: record.Job, claims: int) -> None:
        """Check that the job was done, once, by every record there is."""
        job = self.fleet.get(job)
        self.assertEqual((states.COMPLETE, states.SUCCESS, claims),
                         (job.state, job.outcome, job.claims))
        self.assertEqual(self._results(job), self.fleet.world.things(job.id))

    def _results(self, job: record.Job) -> dict[str, str]:
        """Return what is recorded that the tasks made: a thing by the key of its task."""
        flows_, atoms = tables.flows, tables.atoms
        with self._engine.connect() as connection:
            state = connection.scalar(sa.select(flows_.c.state).where(flows_.c.uuid == job.flow_uuid))
            found = connection.execute(sa.select(atoms.c.uuid, atoms.c.state, atoms.c.result).where(
                atoms.c.flow == job.flow_uuid, atoms.c.name.like('step-%'))).all()
        self.assertEqual(states.SUCCESS, state)
        self.assertEqual([states.SUCCESS] * flows.STEPS, [row.state for row in found])
        return {row.uuid: row.result.strip('"') for row in found}

    def check_in_time(self, more: float = 0.0) -> None:
        took, late = self.taken_at - self.stopped.at, self.lateness.seconds
        self.addDetail('takeover', content.text_content(
            f'{took:.2f} s, on a machine that kept this process waiting for {late:.2f} s'))
        self.assertLess(took, _SESSION + _TICK + 1.0 + more + late)

    def check_serves_on(self) -> None:
        """Check that the process that was a zombie runs jobs, under a session of its own."""
        self.peer.terminate()
        self.assertEqual(0, self.peer.wait())
        job = self.fleet.post()
        self.fleet.wait(job, _SECONDS)
        self.assertEqual({self.stopped.pid}, {line.pid for line in self.fleet.ledger.lines(job.id)})
        first, *_, last = re.findall(rf'{_JOINED}(\S+),', self.zombie.log())
        self.assertNotEqual(first, last)
        self.assertIn(f' claimed job={job.id} flow={FLOW} epoch=1 owner={last} ', self.zombie.log())
        self.check_result(job, claims=1)
        rows = self._rows()
        for table, kept in self.rows.items():
            self.assertLessEqual(set(kept), set(rows[table]), 'the zombie has written, later')

    # -- the tests -----------------------------------------------------------------------------------

    def test_stopped_inside_a_task(self) -> None:
        self.haunt('execute:3:effect')
        self.check_harmless([1, 2, 3], [3, 4, 5, 6])
        self.check_in_time()
        keys = {line.key for line in self.fleet.ledger.lines(self.job.id) if line.atom == 3}
        self.assertEqual(1, len(keys))
        self.check_serves_on()

    def test_a_whole_daemon_stopped_between_two_tasks(self) -> None:
        self.haunt('append:4:after', group=True)
        self.check_harmless([1, 2, 3], [4, 5, 6])
        self.check_in_time()
        self.check_serves_on()

    def test_stopped_between_guard_and_commit(self) -> None:
        """The database ends the transaction, which has locked the job's row, before it is due."""
        self.stop('append:4:commit')
        other = self.fleet.post()
        self.assertEqual(states.COMPLETE, self.fleet.wait(other, _SESSION).state)
        self.take_over()
        self.wake()
        self.check_harmless([1, 2, 3], [3, 4, 5, 6])
        self.check_in_time()
        self.assertNotIn('ended the database sessions', self.peer.log())
        self.check_serves_on()

    def test_stopped_between_guard_and_commit_where_the_database_has_no_limit(self) -> None:
        """The successor waits for the lock once, then ends the transaction itself."""
        # The last step, with the one that takes the limit away: it has a transaction on every database.
        self.haunt('append:8:commit', without=('limit',))
        self.check_harmless(_STEPS, [6])
        self.check_in_time(_LOCK_WAIT)
        self.assertIn('ended the database sessions', self.peer.log())

    def test_stopped_inside_its_claim(self) -> None:
        """It has the lock, and the row's lock too, but is not the owner yet."""
        self.stop('claim:commit')
        self.take_over()
        self.wake(owner=False)
        self.check_harmless([], _STEPS)
        self.check_in_time()
        self.check_serves_on()

    def test_stopped_in_the_commit_that_settles(self) -> None:
        self.haunt('append:7:commit')
        self.check_harmless(_STEPS, [6])
        self.check_in_time()

    def test_without_the_guard_the_zombie_overwrites(self) -> None:
        self.haunt('execute:3:effect', without=('guard',))
        self.assertEqual([], self.late_starts())
        self.assertNotEqual(self.rows, self._rows())
        self.assertEqual(states.SUCCESS, self.ended.outcome)
        self.assertRaises(AssertionError, self.check_harmless, [1, 2, 3], [3, 4, 5, 6])


class MariaDBZombieTest(_ZombieTest):

    database = 'mariadb'


class PostgreSQLZombieTest(_ZombieTest):

    database = 'postgresql'

    # What follows has nothing to do with the database.

    def test_stopped_in_the_commit_that_settles_with_nobody_else_there(self) -> None:
        """Nobody has taken the job when it wakes: it does so itself, and repeats what was not recorded."""
        self.stop('append:7:commit', daemons=1)
        # Longer than a transaction that lost its connection is tried again.
        until(lambda: time.monotonic() - self.stopped.at > _BUDGET, _SECONDS)
        self.assertEqual([], self.fleet.members())
        self.zombie.signal(signal.SIGCONT)
        self.fleet.wait(self.job, _SECONDS)
        self.check_result(self.job, claims=2)
        self.assertIsNotNone(self._lost_line())
        self.assertEqual([*_STEPS, 6], self.starts(self.stopped.pid))

    def test_stopped_between_the_last_check_and_the_call(self) -> None:
        """The one gap there is: that task starts, as one that was running does not end."""
        self.haunt('check:4', without=('watch',))
        self.check_harmless([1, 2, 3, 4], [4, 5, 6], late=[4])

    def test_without_the_own_clock_the_zombie_starts_a_task(self) -> None:
        self.haunt('append:5:after', without=('clock',))
        self.assertEqual([4], self.late_starts())
        self.assertEqual(self.rows, self._rows(), 'the guard is enough for the records')


del _ZombieTest
