# SPDX-License-Identifier: Apache-2.0
"""What breaks in a schedule, when, and for how long."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

from tests.simulation.fleet import Host, World

__all__ = ['Fault', 'Faults', 'draw']

_DAY = 86400.0
#: Seconds after which there is nothing more to see of those who go on while one is stopped for a day.
_SEEN = 60.0
#: Faults of one host, and those of a server.
_OF_HOSTS = (
    'kill', 'kill', 'stop', 'stop', 'stop', 'day', 'term', 'cut zk', 'cut zk', 'cut sql', 'cut both', 'expire')
_OF_SERVERS = (
    'zk down', 'sql down', 'sql down', 'sql slow', 'zk slow', 'loses zk', 'loses sql', 'loses both', 'wipe', 'wipe',
    'suspend')


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """One thing that breaks.

    :ivar host: the number of the host, for those of hosts.
    :ivar length: seconds until it is mended; a killed or terminated process is started again then.
    """

    at: float
    kind: str
    host: int
    length: float

    def __str__(self) -> str:
        where = f' of c{self.host}' if self.kind in _OF_HOSTS else ''
        return f'{self.kind}{where} at {self.at:.2f} for {self.length:.2f} s'


def draw(rng: random.Random, hosts: int, timeout: float) -> list[Fault]:
    """Return the faults of a schedule, in the order of time."""
    faults: list[Fault] = []
    for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 4, 6))):
        kind = rng.choice(_OF_HOSTS if rng.random() < 0.7 else _OF_SERVERS)
        length = rng.choice((0.3, 1.0, timeout * 0.9, timeout * 1.1, timeout * 1.5, rng.uniform(0.0, 2.5 * timeout)))
        if kind == 'day':
            length = _DAY
        elif kind == 'suspend':
            length = rng.choice((timeout * 1.5, _DAY))
        faults.append(Fault(rng.uniform(0.0, rng.choice((2.0, 6.0, 12.0))), kind, rng.randrange(hosts), length))
        if kind == 'wipe' and rng.random() < 0.7:
            # Somebody does not hear of it.
            faults.append(dataclasses.replace(faults[-1], kind='cut zk', length=timeout * 1.5))
        if kind == 'term' and rng.random() < 0.3:
            # Both are maintained in one night.
            faults.append(dataclasses.replace(faults[-1], kind='sql down'))
    return _awake(sorted(faults, key=lambda fault: fault.at))


def _awake(faults: list[Fault]) -> list[Fault]:
    """Have what would happen while everybody is asleep happen after that."""
    moved: list[Fault] = []
    asleep = 0.0
    for fault in faults:
        moved.append(dataclasses.replace(fault, at=fault.at + asleep))
        if fault.kind == 'suspend':
            asleep += fault.length
    return moved


class Faults:
    """Makes faults happen, and ends them.

    :ivar over: when the last of them is mended.
    """

    def __init__(self, world: World, hosts: Sequence[Host], faults: Sequence[Fault]) -> None:
        self._world = world
        self._hosts = hosts
        self._hub = world.hub
        self.over = max((fault.at + fault.length for fault in faults), default=0.0)
        self.left = len(faults)
        # Faults of one kind may overlap: what is broken twice is mended twice.
        self._broken: list[Fault] = []
        for fault in faults:
            self._hub.at(fault.at, self._begin, fault)

    def _begin(self, fault: Fault) -> None:
        self._hub.tell('FAULT', '%s', fault)
        host = self._hosts[fault.host]
        self._broken.append(fault)
        if fault.kind == 'kill':
            host.kill(fault.length)
        elif fault.kind == 'term':
            host.terminate(fault.length)
        elif fault.kind == 'stop':
            host.process.stop(fault.length)
        elif fault.kind == 'day':
            host.process.stop(fault.length)
            self._hub.after(_SEEN, self._suspend, fault.length - _SEEN)
        elif fault.kind == 'expire':
            self._expire(host)
        elif fault.kind == 'wipe':
            self._world.ensemble.wipe()
        elif fault.kind == 'suspend':
            self._suspend(fault.length)
        self._apply()
        self._hub.after(0.0 if fault.kind in ('expire', 'wipe') else fault.length, self._end, fault)

    def _end(self, fault: Fault) -> None:
        self._broken.remove(fault)
        self.left -= 1
        self._apply()

    def _expire(self, host: Host) -> None:
        prefix = f'{host.name}/'
        for incarnation in self._world.ensemble.living():
            if incarnation.startswith(prefix):
                self._world.ensemble.expire(incarnation)

    def _suspend(self, seconds: float) -> None:
        """Let every host sleep, and time pass: nothing else happens until they wake up."""
        self._world.asleep_until = self._hub.now + seconds
        for host in self._hosts:
            host.process.stop(seconds)

    def _apply(self) -> None:
        """Have the wires be as broken as the faults say that are not mended."""
        kinds = {fault.kind for fault in self._broken}
        ensemble, sql = self._world.ensemble, self._world.database.wire
        zk = ensemble.wire
        sql.down = 'sql down' in kinds
        if 'zk down' in kinds:
            zk.down = True
        elif zk.down:
            ensemble.thaw()
        zk.slow = 1.5 if 'zk slow' in kinds else 0.0
        sql.slow = 2.5 if 'sql slow' in kinds else 0.0
        zk.loss = 0.2 if kinds & {'loses zk', 'loses both'} else 0.0
        sql.loss = 0.2 if kinds & {'loses sql', 'loses both'} else 0.0
        zk.cut = self._cut_off('cut zk')
        sql.cut = self._cut_off('cut sql')

    def _cut_off(self, kind: str) -> set[object]:
        return {self._hosts[fault.host].process for fault in self._broken if fault.kind in (kind, 'cut both')}
