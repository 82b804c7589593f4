# SPDX-License-Identifier: Apache-2.0
"""What must neither end a daemon nor keep it busy: it is parked, or left aside, and others run."""

from __future__ import annotations

import time

import fixtures
import psutil
import sqlalchemy as sa
import testtools
from kazoo import client as kazoo_client
from testtools import content

from tests.functional.fleet.fleet import Fleet, until
from tests.functional.matrix import flows
from tfd import states
from tfd.jobs import record
from tfd_drivers.sql import tables

__all__: list[str] = []

_FLOWS = flows.__name__
_SESSION = 2.0
_AGAIN = 'claimed 2 times in a row without recording anything new'

#: By the name of the factory: the state, the outcome and how the reason begins.
_ENDS = {
    'no.such.flow': (states.PARKED, '', f'{_AGAIN}; UnknownFlow: '),
    f'{_FLOWS}.nothing': (states.PARKED, '', 'BadFactory: '),
    f'{_FLOWS}.raises': (states.PARKED, '', 'BadFactory: '),
    f'{_FLOWS}.exits': (states.PARKED, '', 'BadFactory: '),
    f'{_FLOWS}.no_flow': (states.PARKED, '', 'BadFactory: '),
    f'{_FLOWS}.duplicate': (states.PARKED, '', 'Duplicate: '),
    f'{_FLOWS}.unstorable': (states.COMPLETE, states.REVERTED, ''),
    f'{_FLOWS}.quits': (states.PARKED, '', f'{_AGAIN}; unexpected error: SystemExit: '),
    # It requires what is not in the store.
    'fleet.six': (states.PARKED, '', 'MissingDependencies: '),
}


class _BadInput(testtools.TestCase):

    database = ''

    def setUp(self) -> None:
        super().setUp()
        # The client says what it thinks of such flows too.
        self.useFixture(fixtures.FakeLogger())
        self.fleet = self.useFixture(Fleet(
            self.database, session_timeout=_SESSION, allow_import_paths=_FLOWS, max_attempts=2))
        self.addOnException(lambda _: self.addDetail('log', content.text_content(self.fleet.log())))

    def _start(self) -> None:
        for host in ('one', 'two'):
            self.fleet.daemon(host)
        until(lambda: len(self.fleet.conductors()) == 2, what='the daemons\' start')
        self.workers = self.fleet.conductors()

    def _check_alive(self) -> None:
        """Check that the same processes are there, run a job, and then rest."""
        job = self.fleet.wait(self.fleet.client.post(f'{_FLOWS}.good'))
        self.assertEqual((states.COMPLETE, states.SUCCESS), (job.state, job.outcome))
        self.assertEqual(self.workers, self.fleet.conductors())
        self._check_rest()

    def _check_rest(self) -> None:
        def used() -> float:
            return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in self.workers)

        lines, seconds = self.fleet.log().count('\n'), used()
        time.sleep(1.5)
        self.assertLess(used() - seconds, 0.3)
        self.assertLess(self.fleet.log().count('\n') - lines, 6)

    def test_jobs(self) -> None:
        self._start()
        posted = {flow: self.fleet.client.post(flow) for flow in _ENDS}
        ended = {flow: self.fleet.wait(job) for flow, job in posted.items()}
        for flow, (state, outcome, reason) in _ENDS.items():
            job = ended[flow]
            self.assertEqual((state, outcome, '', ''),
                             (job.state, job.outcome, job.owner, job.connections), job)
            self.assertEqual(reason, job.reason[:len(reason)])
            if state == states.PARKED:
                self.assertIn(f'job={job.id} flow={flow}', self._parked())
        self.assertEqual([], self.fleet.locks())
        self._check_alive()

    def _parked(self) -> str:
        return '\n'.join(line for line in self.fleet.log().splitlines()
                         if ' ERROR ' in line and ' parked ' in line)

    def test_a_job_that_no_process_survives(self) -> None:
        self._start()
        job = self.fleet.wait(self.fleet.client.post(f'{_FLOWS}.deadly'))
        self.assertEqual((states.PARKED, '', 3), (job.state, job.owner, job.claims))
        self.assertIn('its owners died', job.reason)
        until(lambda: len(self.fleet.conductors()) == 2, what='a new worker\'s start')
        self.workers = self.fleet.conductors()
        self._check_alive()

    def test_a_row_that_cannot_be_read(self) -> None:
        job = self.fleet.client.post(f'{_FLOWS}.good')
        engine = sa.create_engine(self.fleet.url)
        with engine.begin() as connection:
            connection.execute(sa.update(tables.jobs).values(store='{no json'))
        engine.dispose()
        self._start()
        until(lambda: self._row(job)['state'] == states.PARKED, what='the parking')
        row = self._row(job)
        self.assertIn('InvalidFormat: ', row['reason'])
        self.assertEqual('', row['owner'])
        self._check_alive()

    def _row(self, job: record.Job) -> sa.RowMapping:
        engine = sa.create_engine(self.fleet.url, poolclass=sa.NullPool)
        with engine.connect() as connection:
            return connection.execute(
                sa.select(tables.jobs).where(tables.jobs.c.id == job.id)).mappings().one()

    def test_garbage_in_zookeeper(self) -> None:
        blocked = self.fleet.client.post(f'{_FLOWS}.good')
        self._litter(before=True, job=blocked.id)
        self._start()
        self._litter(before=False, job=blocked.id)
        self._check_alive()
        # What stood in its lock's place was no session's, and is removed.
        self.assertEqual(states.SUCCESS, self.fleet.wait(blocked).outcome)

    def _litter(self, before: bool, job: str) -> None:
        """Leave nodes that nobody of tfd's has made, and change those that somebody did."""
        zookeeper = kazoo_client.KazooClient(hosts=self.fleet.hosts, timeout=10)
        zookeeper.start(timeout=10)
        self.addCleanup(zookeeper.close)
        self.addCleanup(zookeeper.stop)
        garbage = b'\xff\x00{garbage'
        kind = 'before' if before else 'after'
        for path in (f'/members/garbage-{kind}', f'/members/a%2Fb%2Fzz-{kind}', f'/locks/{kind}',
                     f'/doorbells/{kind}', f'/doorbells/99{len(kind)}', f'/{kind}'):
            zookeeper.create(path, garbage, makepath=True)
        if before:
            zookeeper.create('/board', garbage)
            zookeeper.create(f'/locks/{job}', garbage)
        else:
            for path in '/members', '/locks', '/doorbells', *(
                    f'/members/{name}' for name in zookeeper.get_children('/members')):
                zookeeper.set(path, garbage)


class MariadbBadInputTest(_BadInput):

    database = 'mariadb'


class PostgresqlBadInputTest(_BadInput):

    database = 'postgresql'


del _BadInput
