# SPDX-License-Identifier: Apache-2.0
"""An owner that was stopped records nothing afterwards, and keeps nobody waiting."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time

from testtools import content

from tests.functional.sql.cases import SqlTestCase, candidate_of, claim
from tests.functional.zombies.lateness import Lateness
from tfd import exceptions
from tfd.jobs import record as jobs_record
from tfd.persistence.record import Change, Entry, Fence

# Stops itself between the guard and the commit of a step, and says how the step ended once it is continued.
_OWNER = '''
import dataclasses, os, signal, sys
from tests.functional.sql.cases import *
from tfd import exceptions
from tfd.persistence.record import Change, DecisionRecord, Entry, Fence
from tfd_drivers.sql.backend import SqlBackend

url, flow, job, epoch, session, point = sys.argv[1:]
backend = SqlBackend({'connection': url, 'session_timeout': session})
fence = Fence(job, int(epoch))
# With a decision it has a transaction on every database, in which it can stop.
step = Entry(flow, fence, [Change(0, ('state',), ('ZOMBIE',))], decisions=[DecisionRecord(flow, 's', 1, 'a')])
dialect = backend.database.engine.dialect
commit, stopped = dialect.do_commit, []

def stop():
    stopped.append(1)
    os.kill(os.getpid(), signal.SIGSTOP)

def do_commit(connection):
    if not stopped:
        stop()
    commit(connection)

claim_again = claim(backend, job, 'zombie')
step = dataclasses.replace(step, fence=Fence(job, claim_again.epoch))
if point == 'inside':
    dialect.do_commit = do_commit
else:
    stop()
try:
    backend.journal().append(step)
    print('recorded')
except exceptions.OwnershipLost:
    print('lost')
'''


_SESSION = 6.0
#: Seconds between the end of a session and whoever hears of it.
_SLACK = 0.5


class _TakeoverTest(SqlTestCase):

    def owner(self, job: jobs_record.Job, fence: Fence, session: float, point: str) -> subprocess.Popen[str]:
        """Return a process that claimed the job and stopped."""
        arguments = [self.url, job.flow_uuid, job.id, str(fence.epoch), str(session), point]
        process = subprocess.Popen(
            [sys.executable, '-c', _OWNER, *arguments], stdout=subprocess.PIPE, text=True,
            env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)})
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        self.assertTrue(os.WIFSTOPPED(status), 'the owner ended before it stopped')
        return process

    def woken(self, process: subprocess.Popen[str]) -> str:
        """Let the owner go on; return what it says of its step."""
        process.send_signal(signal.SIGCONT)
        return process.communicate(timeout=60)[0].strip()

    def take_over(self, job: jobs_record.Job) -> jobs_record.Job:
        """Claim the job from its owner, as a conductor does."""
        candidate = candidate_of(self.backend, job.id)
        try:
            return self.backend.jobs().claim(candidate, 'owner', 'claim').job
        except exceptions.StorageUnavailable:
            self.assertGreater(self.backend.jobs().unblock(candidate), 0)
        return self.backend.jobs().claim(candidate, 'owner', 'claim').job


class _ServerTakeoverTest(_TakeoverTest):

    def test_an_owner_stopped_inside_a_transaction_is_ended_by_its_successor(self) -> None:
        job, fence = self.owned_flow()
        zombie = self.owner(job, fence, 60.0, 'inside')
        began = time.monotonic()
        taken = self.take_over(job)
        self.assertLess(time.monotonic() - began, 4.0)
        step = Entry(job.flow_uuid, Fence(job.id, taken.epoch), changes=[Change(1, ('state',), ('SUCCESS',))])
        self.backend.journal().append(step)
        self.assertEqual('lost', self.woken(zombie))
        self.assertEqual([None, 'SUCCESS', None, None], self.states(job))

    def test_an_owner_stopped_inside_a_transaction_blocks_nobody_beyond_a_third_of_the_session(self) -> None:
        """The server ends it: whoever waits for the row long enough has it then."""
        job, fence = self.owned_flow()
        patient = self.make(lock_timeout=10.0, statement_timeout=30.0)
        candidate = candidate_of(patient, job.id)
        zombie = self.owner(job, fence, _SESSION, 'inside')
        began = time.monotonic()
        with Lateness() as late:
            # The owner has claimed it again.
            candidate = dataclasses.replace(candidate, epoch=candidate.epoch + 1)
            taken = patient.jobs().claim(candidate, 'owner', 'claim').job
        took = time.monotonic() - began
        self.addDetail('seconds', content.text_content(f'{took:.2f}, {late.seconds:.2f} late'))
        self.assertGreater(took, _SLACK, 'it blocked nobody')
        self.assertLess(took, _SESSION / 3 + _SLACK + late.seconds)
        self.assertEqual('lost', self.woken(zombie))
        self.assertEqual([None] * 4, self.states(job))
        self.assertEqual(('owner', candidate.epoch + 1), (taken.owner, taken.epoch))

    def test_an_owner_stopped_between_transactions_records_nothing(self) -> None:
        job, fence = self.owned_flow()
        zombie = self.owner(job, fence, 60.0, 'between')
        self.take_over(job)
        self.assertEqual('lost', self.woken(zombie))
        self.assertEqual([None] * 4, self.states(job))


class MariaDBTakeoverTest(_ServerTakeoverTest):

    kind = 'mariadb'


class PostgreSQLTakeoverTest(_ServerTakeoverTest):

    kind = 'postgresql'


class SqliteTakeoverTest(_TakeoverTest):

    kind = 'sqlite'

    def test_an_owner_stopped_between_transactions_records_nothing(self) -> None:
        job, fence = self.owned_flow()
        zombie = self.owner(job, fence, 60.0, 'between')
        self.take_over(job)
        self.assertEqual('lost', self.woken(zombie))
        self.assertEqual([None] * 4, self.states(job))

    def test_an_owner_stopped_inside_a_transaction_keeps_all_writers_waiting_but_no_reader(self) -> None:
        job, fence = self.owned_flow()
        zombie = self.owner(job, fence, 60.0, 'inside')
        hasty = self.make(write_timeout=0.2)
        for _ in range(2):
            self.assertRaises(exceptions.StorageUnavailable, claim, hasty, job.id, 'owner')
        self.assertEqual([None] * 4, self.states(job))
        zombie.kill()
        zombie.wait()
        self.assertEqual('owner', claim(hasty, job.id, 'owner').owner)
        self.assertEqual([None] * 4, self.states(job))


del _TakeoverTest, _ServerTakeoverTest
