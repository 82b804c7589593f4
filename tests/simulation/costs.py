# SPDX-License-Identifier: Apache-2.0
"""What a fleet asks of ZooKeeper and of the database: ``python -m tests.simulation.costs``.

Counts the calls of the ports that the real conductors of a simulated fleet make, and what each of
them is on the wire: how many requests the ZooKeeper driver sends for it, and one transaction of the
database. Nothing is timed.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import logging
import random
import sys
import uuid
from collections.abc import Collection

from tests.simulation.database import Database, Tables
from tests.simulation.ensemble import Ensemble
from tests.simulation.fleet import Host, World
from tests.simulation.history import History
from tests.simulation.hub import Hub
from tests.simulation.placing import placed_at_once
from tests.simulation.work import Script, Service
from tfd import states
from tfd.conductors.conductor import Settings
from tfd.jobs import record

__all__ = ['Fleet', 'main']

#: The session's time-out and the longest one, in seconds, as they are configured by default.
_TIMEOUT = 10.0
#: What a call of the coordinator is to a server: requests that read, and requests that write.
#: A heartbeat is a sync and a look at the own node; to join is a session, three looks at what is
#: there, and the own node; a lock is taken, and let go of, in one multi.
_READS = {'beat': 2, 'members': 1, 'watch': 1, 'board': 2, 'read': 2, 'connect': 3}
_WRITES = {'lock': 1, 'unlock': 1, 'ring': 1, 'connect': 2, 'close': 1}
#: Transactions that write nothing.
_LOOKS = frozenset(('pending', 'orphans', 'owned', 'get', 'board_id', 'load'))
#: Seconds that a message is under way at most, half of that on the average.
_LATENCY = 0.002
#: How many conductors one host has.
_PER_HOST = 8

Counts = collections.Counter[str]


class _Indexed(Tables):
    """Finds jobs by state and shard without looking at all of them, as an index does."""

    def __init__(self, hub: Hub, history: History) -> None:
        super().__init__(hub, history)
        self._by_state: dict[str, dict[str, record.Job]] = collections.defaultdict(dict)
        self._by_shard: dict[int, dict[str, record.Job]] = collections.defaultdict(dict)

    def put(self, job: record.Job) -> None:
        """Add or replace a row."""
        before = self._jobs.get(job.id)
        if before is not None:
            self._by_state[before.state].pop(job.id)
            self._by_shard[job.shard].pop(job.id, None)
        self._jobs[job.id] = self._by_state[job.state][job.id] = job
        if job.state == states.UNCLAIMED:
            self._by_shard[job.shard][job.id] = job

    def _change(self, job, **values):
        changed = dataclasses.replace(job, **values)
        self.put(changed)
        return changed

    def post(self, jobs):
        posted = [self._made(job) for job in jobs]
        for job in posted:
            self.put(job)
        return posted

    def _in(self, state, wanted):
        return [job for job in self._by_state[state].values() if wanted(job)]

    def pending(self, shards: Collection[int], now: float, limit: int) -> list[record.Candidate]:
        """Return some of what waits; jobs whose time has not come are not in the index that is read."""
        found: list[record.Job] = []
        for shard in shards:
            for number, job in enumerate(self._by_shard[shard].values()):
                if number >= limit:
                    break
                found.append(job)
        found.sort(key=lambda job: (job.created_at, job.id))
        return [record.Candidate(job.id, job.epoch, job.state, job.owner, job.flow, job.version, job.attempts)
                for job in found[:limit]]


class Fleet:
    """Conductors that have joined, and are at rest.

    :param waiting: how many jobs are queued.
    """

    def __init__(self, size: int, waiting: int = 0, seed: int = 1) -> None:
        random.seed(seed)
        self._rng = random.Random(seed)
        self.hub = Hub(seed)
        ensemble = Ensemble(self.hub, _TIMEOUT)
        history = History(self.hub, ensemble.ends, _TIMEOUT)
        self.tables = _Indexed(self.hub, history)
        self._scripts: dict[str, Script] = {}
        self.world = World(self.hub, ensemble, Database(self.hub, self.tables), Service(self.hub, history),
                           self._scripts, 'serial')
        self.world.settings = Settings()
        ensemble.wire.slow = self.world.database.wire.slow = _LATENCY
        for _ in range(waiting):
            self.post()
        self.hosts = [Host(self.world, f'c{number}') for number in range(size)]
        self.world.closing = True

    def post(self) -> None:
        """Post a job of five tasks that do nothing; ring for it."""
        job_id = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        self._scripts[job_id] = Script(job_id, 0.0, 'line', (0.0,) * 5, '', 0)
        self.world.database.wire.counts['post'] += 1
        self.world.ensemble.wire.counts['ring'] += 1
        [job] = self.tables.post([self._scripts[job_id].job()])
        self.hub.after(0.001, self.world.ensemble.ring, job.shard)

    def post_for(self, seconds: float, rate: float) -> None:
        """Post so many jobs a second, from now on."""
        for number in range(int(seconds * rate)):
            self.hub.after(number / rate, self.post)

    def done(self) -> int:
        """Return how many jobs are complete."""
        return self.tables.count(states.COMPLETE)

    def play(self, seconds: float) -> list[Counts]:
        """Let time pass; return what was asked for in each second of it."""
        zk, sql = self.world.ensemble.wire, self.world.database.wire
        found: list[Counts] = []
        for _ in range(int(seconds)):
            before = zk.counts.copy(), sql.counts.copy()
            self.hub.run_for(1.0)
            found.append(_requests(zk.counts - before[0], sql.counts - before[1]))
        return found


def _requests(zk: Counts, sql: Counts) -> Counts:
    """Return what was sent, by kind."""
    asked: Counts = collections.Counter()
    for what, count in zk.items():
        asked['zk reads'] += count * _READS.get(what, 0)
        asked['zk writes'] += count * _WRITES.get(what, 0)
        asked['zk events'] += count * (what == 'event')
        asked[f'  zk {what}'] += count
    for what, count in sql.items():
        asked['sql looks' if what in _LOOKS else 'sql writes'] += count
        asked[f'  sql {what}'] += count
    return asked


_COLUMNS = ('zk reads', 'zk writes', 'zk events', 'sql looks', 'sql writes')


def _line(name: str, counts: Counts, seconds: float) -> str:
    return f'{name:<52}' + ''.join(f'{counts[column] / seconds:>12.1f}' for column in _COLUMNS)


def _total(seconds: list[Counts]) -> Counts:
    return sum(seconds, collections.Counter())


def _peak(seconds: list[Counts]) -> Counts:
    return collections.Counter({column: max(second[column] for second in seconds) for column in _COLUMNS})


def _say(name: str, counts: Counts, seconds: float = 1.0) -> None:
    print(_line(name, counts, seconds), flush=True)


def _report_fleet(size: int) -> None:
    """Print what a fleet costs that has nothing to do."""
    print(f'{size} conductors'.ljust(52) + ''.join(f'{column:>12}' for column in _COLUMNS))
    fleet = Fleet(size)
    joined = fleet.play(40)
    _say('all join at once, in all', _total(joined[:20]))
    _say('  the busiest second', _peak(joined[:20]))
    _say('at rest, each second', _total(rest := fleet.play(20)), len(rest))
    for host in fleet.hosts[:_PER_HOST]:
        host.process.kill()
    died = fleet.play(20)
    _say(f'a host of {_PER_HOST} dies: in 20 s, beyond rest', _beyond(died, rest))
    _say('  the busiest second', _peak(died))
    fleet.play(20)
    fleet.world.ensemble.wire.down = True
    fleet.play(15)
    fleet.world.ensemble.thaw()
    back = fleet.play(30)
    _say('ZooKeeper is back after 15 s: in 30 s, beyond rest', _beyond(back, rest))
    _say('  the busiest second', _peak(back))
    fleet.hub.close()


def _report_jobs(size: int, rate: float, waiting: int) -> None:
    """Print what a job costs."""
    for queued in (waiting, 4 * waiting):
        _say(f'per job, of {queued} that were queued', _drained(size, queued), queued)
    busy, jobs = _loaded(size, rate)
    _say(f'per job, {rate:g} posted each second', busy, jobs)
    print('    ' + ', '.join(f'{what.strip()} {count / jobs:.2f}' for what, count in sorted(busy.items())
                             if what.startswith('  ')))


def _drained(size: int, queued: int) -> Counts:
    """Return what it takes to run jobs that are all there at the beginning."""
    fleet = Fleet(size, queued)
    spent: list[Counts] = []
    while fleet.done() < queued:
        spent += fleet.play(1)
    fleet.hub.close()
    return _total(spent)


def _loaded(size: int, rate: float) -> tuple[Counts, int]:
    """Return what it takes to run jobs that come at a rate, beyond rest, and how many there were."""
    fleet = Fleet(size)
    fleet.play(40)
    rest = fleet.play(20)
    fleet.post_for(10, rate)
    busy = fleet.play(15)
    fleet.hub.close()
    return _beyond(busy, rest), fleet.done()


def _beyond(seconds: list[Counts], rest: list[Counts]) -> Counts:
    usual = _total(rest)
    spent = _total(seconds)
    return collections.Counter({what: round(spent[what] - usual[what] * len(seconds) / len(rest)) for what in spent})


def main(arguments: list[str]) -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog='python -m tests.simulation.costs', description=__doc__.split('\n')[0])
    parser.add_argument('--conductors', type=int, default=100, help='how many conductors [100]')
    parser.add_argument('--rate', type=float, default=20.0, help='jobs posted each second, for 10 s [20]')
    parser.add_argument('--waiting', type=int, default=1000, help='jobs that are queued already [1000]')
    parser.add_argument('--no-jobs', action='store_true', help='leave out what jobs cost')
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    with placed_at_once():
        _report_fleet(options.conductors)
        if not options.no_jobs:
            _report_jobs(options.conductors, options.rate, options.waiting)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
