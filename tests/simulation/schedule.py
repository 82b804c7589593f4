# SPDX-License-Identifier: Apache-2.0
"""One schedule, from its seed to its end."""

from __future__ import annotations

import contextlib
import random
import traceback
import uuid
from collections.abc import Callable
from unittest import mock

from tests.simulation.database import Database, Tables
from tests.simulation.ensemble import Ensemble
from tests.simulation.faults import Fault, Faults, draw
from tests.simulation.fleet import MAX_ATTEMPTS, Host, World, post
from tests.simulation.history import History, Violation
from tests.simulation.hub import Hub, Process
from tests.simulation.placing import placed_at_once
from tests.simulation.work import Service, make_scripts
from tfd import states

__all__ = ['Schedule']

#: Seconds of a session.
_TIMEOUT = 6.0
#: Seconds within which everything has come to rest once nothing is broken any more: a maximal
#: session to doubt the board's id, a session to notice deaths, the reconciler's period, polls and
#: pauses, and what the tasks of the longest flow take, several times over.
_BOUND = 240.0
#: Seconds within which conductors end that are told to.
_SHUTDOWN = 60.0

MakeTables = Callable[[Hub, History], Tables]


class Schedule:
    """Plays one seed.

    :ivar trace: what happened, where it is traced, once it was played.
    :param make_tables: makes the rows of jobs; what is wrong with them is to be found out.
    """

    def __init__(self, seed: int, traced: bool = False, make_tables: MakeTables = Tables) -> None:
        # What third parties draw from.
        random.seed(seed)
        self.seed = seed
        self._names = random.Random(seed)
        hub = self.hub = Hub(seed, traced)
        rng = hub.rng
        ensemble = Ensemble(hub, _TIMEOUT)
        self.history = History(hub, ensemble.ends, _TIMEOUT)
        self.tables = make_tables(hub, self.history)
        self.scripts = {script.id: script for script in make_scripts(rng)}
        self.service = Service(hub, self.history)
        self.world = World(hub, ensemble, Database(hub, self.tables), self.service, self.scripts,
                           rng.choice(('serial', 'parallel')))
        self.hosts = [Host(self.world, f'c{number}') for number in range(rng.choice((1, 2, 2, 3, 3, 4)))]
        self.plan: list[Fault] = draw(rng, len(self.hosts), _TIMEOUT)
        self._faults = Faults(self.world, self.hosts, self.plan)
        self._poster = Process(hub, 'poster')
        self._poster.spawn('main', lambda: post(self.world, self._poster))
        self.trace: list[str] = []

    def play(self) -> None:
        """Play it to its end.

        :raises AssertionError: a promise was broken, or something waits for ever.
        """
        hub = self.hub
        for script in self.scripts.values():
            hub.tell('SCRIPT', '%s', script)
        with contextlib.ExitStack() as stack:
            stack.enter_context(placed_at_once())
            stack.enter_context(mock.patch.object(uuid, 'uuid4', self._uuid))
            try:
                self._play()
            finally:
                # Nobody reads where threads were that unwind now.
                stack.enter_context(mock.patch.object(traceback, 'format_tb', lambda *_: []))
                self.trace = hub.close()

    def _play(self) -> None:
        self.hub.run(self._at_rest, self._faults.over + _BOUND)
        self._check()
        if self.hub.rng.random() < 0.25:
            self._shut_down()

    def _uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self._names.getrandbits(128), version=4)

    def _at_rest(self) -> bool:
        return (not self._poster.alive and not self._faults.left
                and not self.tables.count(states.UNCLAIMED, states.CLAIMED) and not self.world.ensemble.locks)

    def _check(self) -> None:
        """Compare every job with its script."""
        for script in self.scripts.values():
            job = self.tables.get(script.id)
            if job.state == states.COMPLETE and job.outcome == script.expected:
                self.service.check(script, job)
            elif job.state != states.PARKED or not self._must_be_parked(script.trouble, job.outcome, script.id):
                raise Violation(f'{script.id[:8]} is {job.state} {job.outcome}, expected {script.expected}: '
                                f'{job.reason}')

    def _must_be_parked(self, trouble: str, outcome: str, job: str) -> bool:
        if outcome:
            return trouble == 'stuck'
        return self.history.without_progress(job) >= MAX_ATTEMPTS

    def _shut_down(self) -> None:
        """Have every conductor end."""
        ends = self.hub.now + _SHUTDOWN
        self.world.closing = True
        for host in self.hosts:
            host.terminate(0.0)
        self.hub.run(lambda: not any(host.process.alive for host in self.hosts), ends)
