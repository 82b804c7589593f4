# SPDX-License-Identifier: Apache-2.0
"""The processes of a schedule: conductors as the daemon makes them, and a poster."""

from __future__ import annotations

import functools
from typing import Any

from tests.simulation.coordinator import Coordinator
from tests.simulation.database import Backend, Database, JobStore
from tests.simulation.ensemble import Ensemble
from tests.simulation.hub import Hub, Process
from tests.simulation.threads import Pool, SimulatedThreads
from tests.simulation.work import Factories, Script, Service
from tfd import engines, exceptions, flow
from tfd.conductors.conductor import Conductor, Settings
from tfd.conductors.runner import JobRun
from tfd.conductors.tail import Tails
from tfd.jobs.board import JobBoard
from tfd.jobs.claim import ClaimedJob
from tfd.jobs.posting import PostingBoard
from tfd.persistence import models

__all__ = ['MAX_ATTEMPTS', 'MAX_SESSION', 'Host', 'World', 'post']

MAX_ATTEMPTS = 3
MAX_SESSION = 20.0
#: Seconds after which a process that died is started again.
_PAUSE = 2.0


class World:
    """What every process of a schedule shares.

    :ivar engine: the kind of engine that conductors run flows with.
    :ivar asleep_until: when every host goes on, where all of them are suspended.
    :ivar closing: no process is started any more.
    """

    def __init__(self, hub: Hub, ensemble: Ensemble, database: Database, service: Service,
                 scripts: dict[str, Script], engine: str) -> None:
        self.hub = hub
        self.ensemble = ensemble
        self.database = database
        self.service = service
        self.scripts = scripts
        self.engine = engine
        self.settings = Settings(max_jobs=2)
        self.asleep_until = 0.0
        self.closing = False


class Host:
    """Runs one conductor at a time; a new process each time that it is started.

    :ivar ending: whether its process was asked to end.
    """

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self.ending = False
        self.conductor: Conductor | None = None
        self.process: Process
        self.coordinator: Coordinator
        self._world = world
        self._starts = 0
        self._down_for = _PAUSE
        self.start()

    def __str__(self) -> str:
        return self.name

    def start(self) -> None:
        """Start a process, unless one is there."""
        if self._world.closing or (self._starts and self.process.alive):
            return
        self._starts += 1
        self.ending = False
        self.process = Process(self._world.hub, f'{self.name}#{self._starts}', self._died)
        self.process.stop(max(0.0, self._world.asleep_until - self._world.hub.now))
        self._world.hub.tell(self.process, 'starts')
        self.process.spawn('main', self._main)

    def kill(self, seconds: float) -> None:
        """Kill the process; another one is started after so many seconds."""
        self._down_for = seconds
        self.process.kill()

    def _died(self) -> None:
        self._world.hub.after(self._down_for, self.start)
        self._down_for = _PAUSE

    def terminate(self, seconds: float) -> None:
        """Ask the process to hand over and to end, as SIGTERM does; another one is started so long after that."""
        self._down_for = seconds
        self._world.hub.tell(self.process, 'SIGTERM')
        self.ending = True
        if self.conductor is not None:
            self.conductor.stop()

    def _main(self) -> None:
        world, process = self._world, self.process
        self.conductor = None
        coordinator = self.coordinator = Coordinator(world.ensemble, process, '1')
        store, backend = JobStore(world.database, process), Backend(world.database, process)
        board = JobBoard(store, coordinator, process, world.hub.sleep, max_session=MAX_SESSION)
        make_engine = functools.partial(self._make_engine, backend)
        factories = Factories(process, world.service, world.scripts)
        self.conductor = Conductor(
            board, store, coordinator,
            lambda claimed: JobRun(claimed, board, factories, make_engine, MAX_ATTEMPTS, Tails()),
            world.settings, process, world.hub.rng, kind=SimulatedThreads(process))
        if self.ending:
            self.conductor.stop()
        try:
            coordinator.start()
        except exceptions.CoordinatorUnavailable:
            world.hub.tell(process, 'waits for the coordinator')
        self.conductor.run()
        coordinator.stop()
        world.hub.tell(process, 'ends')
        process.kill()

    def _make_engine(self, backend: Backend, made: flow.Flow, claimed: ClaimedJob) -> Any:
        job = claimed.job
        options = {'executor': Pool(self.process)} if self._world.engine == 'parallel' else {}
        return engines.load(
            made, flow_detail=models.FlowDetail(made.name, job.flow_uuid), book=models.LogBook(job.name, job.book_uuid),
            backend=backend, engine=self._world.engine, ownership=claimed, refuse_changed=True,
            sleep=self._world.hub.sleep, **options)


def post(world: World, process: Process) -> None:
    """Post every job at its time, again and again until the answer comes."""
    wire = world.ensemble.wire

    def ring(shard: int) -> None:
        wire.send(process, 'ring', functools.partial(world.ensemble.ring, shard))

    board = PostingBoard(JobStore(world.database, process), ring, process, world.hub.sleep)
    for script in sorted(world.scripts.values(), key=lambda script: script.posted):
        world.hub.sleep(max(0.0, script.posted - world.hub.now))
        while True:
            try:
                board.post([script.job()])
            except exceptions.StorageUnavailable:
                world.hub.sleep(0.5)
            else:
                break
    process.alive = False
