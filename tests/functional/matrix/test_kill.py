# SPDX-License-Identifier: Apache-2.0
"""SIGKILL of a job's owner, at every point of its run: a peer ends the job right, and in time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

import testtools
from testtools import content

from tests.functional import servers
from tests.functional.fleet.fleet import Fleet, until
from tests.functional.matrix import cases
from tests.functional.matrix.cases import Case
from tfd import states
from tfd.jobs import record

__all__: list[str] = []

_TICK = 0.2
_SESSION = 2.0
#: After the session has timed out.
_LIMIT = _SESSION + _TICK + 1.0
#: Seconds that a machine may lose on its way, which is busy with other tests too.
_BUSY = 3.0
_ENDED = (states.COMPLETE, states.PARKED)


class _KillMatrix(testtools.TestCase):
    """Each case is a job; workers have one job at a time, so that a kill is that of one case."""

    database = ''

    def setUp(self) -> None:
        super().setUp()
        zookeeper = self.useFixture(servers.ZooKeeper(tick_time=_TICK))
        self.fleet = self.useFixture(Fleet(self.database, zookeeper, _SESSION))
        self.addOnException(lambda _: self.addDetail('log', content.text_content(self.fleet.log())))

    def run_cases(
        self, all_cases: Sequence[Case], deed: str, daemons: int, workers: int,
    ) -> None:
        """Run cases side by side, few enough that somebody is always free to take over.

        One that was disturbed is run again, until all have had their very own kill.
        """
        for number in range(daemons):
            self.fleet.daemon(f'd{number}', workers=workers)
        self._check(self._drive(all_cases, deed, workers))

    def _drive(
        self, all_cases: Sequence[Case], deed: str, workers: int,
    ) -> list[tuple[Case, record.Job]]:
        waiting = [*reversed(all_cases)]
        running: list[tuple[Case, record.Job]] = []
        ended: list[tuple[Case, record.Job]] = []
        deadline = time.monotonic() + 60.0 + 4.0 * len(all_cases)
        while waiting or running:
            # One is about to be killed, and each of the others is wanted by a job.
            if waiting and len(running) + 2 <= len(self.fleet.conductors()):
                case = waiting.pop()
                plan = {case.point: deed} if case.point else {}
                running.append((case, self.fleet.post(plan, fails=6 if case.fails else 0)))
            now = [(case, self.fleet.get(job)) for case, job in running]
            running = [(case, job) for case, job in now if job.state not in _ENDED]
            for case, job in now:
                if job.state in _ENDED:
                    ended.append((case, job))
                    if cases.is_disturbed(self.fleet, job):
                        waiting.append(case)
            self._replace_the_dead(workers)
            self.assertLess(time.monotonic(), deadline, f'still to do: {running} {waiting}')
            time.sleep(0.05)
        return ended

    def _replace_the_dead(self, workers: int) -> None:
        dead = [daemon for daemon in self.fleet.daemons if not daemon.is_alive()]
        for daemon in dead:
            self.fleet.daemons.remove(daemon)
            self.fleet.daemon(f'd{time.monotonic_ns()}', workers=workers)

    def _check(self, ended: Sequence[tuple[Case, record.Job]]) -> None:
        wrong = [text for case, job in ended for text in cases.complaints(self.fleet, case, job)]
        self.assertEqual([], wrong)
        quiet = [(case, job) for case, job in ended
                 if case.point and not cases.is_disturbed(self.fleet, job)]
        killed = {self.fleet.points.arrival(job.id, case.point).pid for case, job in quiet}
        self.assertEqual(len(quiet), len(killed), 'a kill met two cases')
        until(lambda: not self.fleet.locks(), 2 * _LIMIT, 'the end of the locks')
        self.assertNotIn(' ERROR ', self.fleet.log())
        self.assertNotIn('Traceback', self.fleet.log())
        self._check_times([(case, job) for case, job in quiet if not case.is_last])

    def _check_times(self, ended: Sequence[tuple[Case, record.Job]]) -> None:
        times = {case.name: cases.takeover(self.fleet, case, job) for case, job in ended}
        self.assertNotIn(None, times.values())
        seconds = sorted(times.values())
        text = '\n'.join(f'{name} {value:.2f}' for name, value in times.items())
        self.addDetail('seconds from kill to next call', content.text_content(text))
        self.assertLess(statistics.median(seconds), _LIMIT)
        self.assertLess(seconds[-1], _LIMIT + _BUSY)


class _Workers(_KillMatrix):
    """The worker process that has the job is killed; its daemon starts another one."""

    def test_forward(self) -> None:
        self.run_cases(cases.up_to_success(), 'kill', daemons=6, workers=2)

    def test_revert(self) -> None:
        self.run_cases(cases.after_the_failure(), 'kill', daemons=6, workers=2)


class _Daemons(_KillMatrix):
    """The whole daemon is killed, parent and all."""

    def test_forward(self) -> None:
        self.run_cases(_some(cases.up_to_success()), 'kill-group', daemons=8, workers=1)

    def test_revert(self) -> None:
        self.run_cases(_some(cases.after_the_failure()), 'kill-group', daemons=8, workers=1)


def _some(all_cases: Sequence[Case]) -> list[Case]:
    """Return those at the boundaries, and one inside of each call."""
    return [case for case in all_cases if case.point.endswith((':after', ':effect'))]


class MariadbWorkersTest(_Workers):

    database = 'mariadb'


class PostgresqlWorkersTest(_Workers):

    database = 'postgresql'


class MariadbDaemonsTest(_Daemons):

    database = 'mariadb'


class PostgresqlDaemonsTest(_Daemons):

    database = 'postgresql'


del _KillMatrix, _Workers, _Daemons
