# SPDX-License-Identifier: Apache-2.0
"""The jobs of a schedule, the flows that they run, and the service that their tasks change."""

from __future__ import annotations

import collections
import dataclasses
import random
import uuid
from typing import Any

from tests.simulation.history import History, Violation
from tests.simulation.hub import Hub, Process
from tfd import flow, retry, states, task
from tfd.jobs import record
from tfd.patterns import linear_flow, unordered_flow

__all__ = ['Factories', 'Script', 'Service', 'make_scripts']

#: How a script's flow ends badly: not at all; one task fails always, or the first time; the revert
#: of one fails; one kills its process.
_TROUBLES = ('', '', '', '', '', 'fails', 'fails', 'fails', 'flaky', 'flaky', 'stuck', 'poison')


class _Fault(Exception):
    """What tasks fail with."""


@dataclasses.dataclass(frozen=True, slots=True)
class Script:
    """One job: what its flow looks like, and how its tasks behave.

    :ivar lengths: the seconds that each task takes.
    :ivar bad: the number of the task that the trouble is with.
    """

    id: str
    posted: float
    shape: str
    lengths: tuple[float, ...]
    trouble: str
    bad: int

    @property
    def tasks(self) -> list[str]:
        """The names of its tasks."""
        return [f't{number}' for number in range(len(self.lengths))]

    @property
    def expected(self) -> str:
        """How its flow ends; '' where it never does."""
        return {'': states.SUCCESS, 'flaky': states.SUCCESS, 'fails': states.REVERTED,
                'stuck': states.FAILURE, 'poison': ''}[self.trouble]

    def job(self) -> record.NewJob:
        """Return it as it is posted."""
        return record.NewJob(self.id, f'token-{self.id}', 'job', self.id)


def make_scripts(rng: random.Random) -> list[Script]:
    """Return some jobs; at most one of them kills processes."""
    scripts: list[Script] = []
    for _ in range(rng.choice((1, 1, 2, 2, 3, 4))):
        trouble = rng.choice(_TROUBLES)
        if trouble == 'poison' and any(script.trouble == 'poison' for script in scripts):
            trouble = ''
        lengths = tuple(rng.choice((0.0, 0.02, 0.3, 1.0, 2.0, rng.uniform(0.0, 9.0)))
                        for _ in range(rng.choice((1, 2, 3, 4))))
        scripts.append(Script(
            str(uuid.UUID(int=rng.getrandbits(128), version=4)), rng.choice((0.0, 0.5, rng.uniform(0, 6))),
            rng.choice(('line', 'wave', 'nested')), lengths, trouble, rng.randrange(len(lengths))))
    return scripts


class Service:
    """What tasks change, each its own thing: it heeds the token that comes with every request.

    :ivar things: what exists, by job.
    :ivar undone: jobs of which anything was ever taken back.
    :ivar calls: how often each task was called.
    """

    def __init__(self, hub: Hub, history: History) -> None:
        self._hub = hub
        self._history = history
        self.things: dict[str, set[str]] = collections.defaultdict(set)
        self.undone: set[str] = set()
        self.calls: collections.Counter[tuple[str, str]] = collections.Counter()
        self._newest: dict[str, int] = {}

    def begins(self, process: Process, job: str, epoch: int, name: str, what: str) -> None:
        """A task is called."""
        self.calls[job, name] += 1
        self._hub.tell(process, 'task %s of %s: %s, epoch=%d', name, job[:8], what, epoch)
        self._history.starts(job, epoch, name)

    def change(self, job: str, epoch: int, name: str, exists: bool) -> None:
        """Make, or remove, the task's thing; what an old owner asks for is refused."""
        if epoch < self._newest.get(job, epoch):
            raise _Fault(f'epoch {epoch} is over')
        self._newest[job] = epoch
        if exists:
            self.things[job].add(name)
        else:
            self.undone.add(job)
            self.things[job].discard(name)

    def check(self, script: Script, job: record.Job) -> None:
        """Compare what there is with what is recorded of a job that is done."""
        things = self.things[script.id]
        wanted = {states.SUCCESS: set(script.tasks), states.REVERTED: set()}.get(job.outcome, things)
        if things != wanted:
            raise Violation(f'{job.id[:8]}: is {job.outcome}, and there is {sorted(things)}, not {sorted(wanted)}')
        if script.id in self.undone and script.trouble in ('', 'poison'):
            raise Violation(f'{job.id[:8]}: something was reverted, and no task failed')


class _Task(task.Task):
    """Makes its thing, or takes it away, somewhere in the middle of its time."""

    def __init__(self, name: str, length: float, world: tuple[Process, Service, Script], bad: bool) -> None:
        super().__init__(name)
        self._length = length
        self._process, self._service, self._script = world
        self._trouble = self._script.trouble if bad else ''

    def execute(self, tfd_job_id: str, tfd_epoch: int) -> str:
        self._service.begins(self._process, tfd_job_id, tfd_epoch, self.name, 'execute')
        self._wait(0.5)
        self._service.change(tfd_job_id, tfd_epoch, self.name, True)
        if self._trouble == 'poison':
            self._process.hub.tell(self._process, 'dies of its task')
            self._process.kill()
        self._wait(0.5)
        if self._trouble in ('fails', 'stuck'):
            raise _Fault(self.name)
        if self._trouble == 'flaky' and self._service.calls[tfd_job_id, self.name] == 1:
            raise _Fault('the first time')
        return self.name

    def revert(self, tfd_job_id: str, tfd_epoch: int, **_: Any) -> None:
        self._service.begins(self._process, tfd_job_id, tfd_epoch, self.name, 'revert')
        self._wait(0.3)
        if self._trouble == 'stuck':
            raise _Fault('cannot be undone')
        self._service.change(tfd_job_id, tfd_epoch, self.name, False)

    def _wait(self, part: float) -> None:
        if self._length:
            self._process.hub.sleep(self._length * part)


class Factories:
    """Makes flows for a process, by the ids of their scripts."""

    def __init__(self, process: Process, service: Service, scripts: dict[str, Script]) -> None:
        self._process = process
        self._service = service
        self._scripts = scripts

    def make(self, name: str) -> flow.Flow:
        """Return a new flow."""
        script = self._scripts[name]
        world = (self._process, self._service, script)
        tasks = [_Task(script.tasks[number], length, world, number == script.bad)
                 for number, length in enumerate(script.lengths)]
        if script.trouble == 'flaky':
            nested = linear_flow.Flow('nested', retry=retry.Times(2, name='again')).add(tasks.pop(script.bad))
            return linear_flow.Flow('flow').add(*tasks[:script.bad], nested, *tasks[script.bad:])
        if script.shape == 'nested':
            return linear_flow.Flow('flow').add(
                unordered_flow.Flow('nested').add(*tasks[:2]), *tasks[2:])
        return (linear_flow if script.shape == 'line' else unordered_flow).Flow('flow').add(*tasks)
