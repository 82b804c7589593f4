# SPDX-License-Identifier: Apache-2.0
"""One kill, one job: what the job must have come to in the end."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Iterator

from tests.functional.fleet import flows, ledger
from tests.functional.fleet.fleet import Fleet
from tests.functional.fleet.points import Arrival
from tfd import states
from tfd.jobs import record
from tfd.persistence import backends

__all__ = ['Case', 'after_the_failure', 'complaints', 'is_disturbed', 'takeover', 'up_to_success']

_AROUND = ('before', 'commit', 'after')
_INSIDE = ('before', 'effect', 'return')
_STEPS = range(1, flows.STEPS + 1)

#: A call of a task: the action, and the step's number.
Call = tuple[str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """A job whose owner is killed at a point; '' for nowhere.

    :ivar fails: whether the last step fails, after its effect, so that all are reverted.
    """

    point: str
    fails: bool = False

    @property
    def name(self) -> str:
        """The point and the flow's fate, for people."""
        return f'{self.point or "nowhere"}{" (fails)" if self.fails else ""}'

    @property
    def outcome(self) -> str:
        """The flow's final state."""
        return states.REVERTED if self.fails else states.SUCCESS

    @property
    def calls(self) -> list[Call]:
        """The calls of an undisturbed run, in their order."""
        forward = [('execute', step) for step in _STEPS]
        return forward + [('revert', step) for step in reversed(_STEPS)] if self.fails else forward

    @property
    def started(self) -> list[Call]:
        """The calls that begin, in their order: whose end is not recorded at the kill, again."""
        again = self._again()
        return [call for call in self.calls for _ in range(2 if call == again else 1)]

    def _again(self) -> Call | None:
        what, *where = self.point.split(':')
        if what in ('execute', 'revert'):
            return what, int(where[0])
        if what == 'append' and where[1] != 'after' and int(where[0]) > 1:
            # The first step records a start alone, every other one the end of a call too.
            return self.calls[int(where[0]) - 2]
        return None

    @property
    def is_last(self) -> bool:
        """Whether the job is complete at the kill."""
        return self.point == f'append:{len(self.calls) + 1}:after'

    @property
    def claims(self) -> int:
        """How often the job's row changes hands."""
        untouched = self.point in ('', 'claim:before', 'claim:commit')
        return 1 if untouched or self.is_last else 2


def up_to_success() -> list[Case]:
    """Return a case for every point of a run that succeeds."""
    return [Case(point) for point in (
        '', *_around('claim'), *_around('create'),
        *itertools.chain.from_iterable(_inside('execute', step) for step in _STEPS),
        *_appends(1, flows.STEPS + 1))]


def after_the_failure() -> list[Case]:
    """Return a case for every point of a run from the call that fails to the last revert."""
    return [Case(point, fails=True) for point in (
        '', *_inside('execute', flows.STEPS),
        *itertools.chain.from_iterable(_inside('revert', step) for step in _STEPS),
        *_appends(flows.STEPS + 1, 2 * flows.STEPS + 1))]


def _around(name: str) -> list[str]:
    return [f'{name}:{where}' for where in _AROUND]


def _inside(action: str, step: int) -> list[str]:
    return [f'{action}:{step}:{where}' for where in _INSIDE]


def _appends(first: int, last: int) -> list[str]:
    return [f'append:{number}:{where}'
            for number, where in itertools.product(range(first, last + 1), _AROUND)]


def takeover(fleet: Fleet, case: Case, job: record.Job) -> float | None:
    """Return how many seconds after the kill the next call begins, None where there is none."""
    arrival = fleet.points.arrival(job.id, case.point)
    starts = fleet.ledger.lines(job.id, what='start')
    if arrival is None or not starts or starts[-1].at < arrival.at:
        return None
    return next(line.at for line in starts if line.at > arrival.at) - arrival.at


def complaints(fleet: Fleet, case: Case, job: record.Job) -> list[str]:
    """Return what is wrong with a job that has ended; nothing where all is right.

    :param job: as it is in the end.
    """
    arrival = fleet.points.arrival(job.id, case.point)
    lines = fleet.ledger.lines(job.id)
    found = [*_of_row(case, job), *_of_effects(fleet, case, job, lines),
             *_of_records(fleet, case, job, lines), *_of_order(case, lines)]
    if not is_disturbed(fleet, job):
        found += [*_of_claims(case, job), *_of_calls(case, lines), *_of_owners(lines, arrival)]
        if case.point and arrival is None:
            found.append('nobody was killed')
    return [f'{case.name}: {text} (job {job.id})' for text in found]


def is_disturbed(fleet: Fleet, job: record.Job) -> bool:
    """Return whether a job was lost by more than the kill: a busy machine let a session run out.

    What is started how often is not known then; what it comes to is.
    """
    return any(f'{word} job={job.id}' in line for line in fleet.log().splitlines()
               for word in ('lost', 'left', 'gave back'))


def _differ(what: str, expected: object, actual: object) -> Iterator[str]:
    if expected != actual:
        yield f'{what}: expected {expected!r}, found {actual!r}'


def _of_row(case: Case, job: record.Job) -> Iterator[str]:
    yield from _differ('state', states.COMPLETE, job.state)
    yield from _differ('outcome', case.outcome, job.outcome)
    yield from _differ('owner, connections and reason', ('', '', ''),
                       (job.owner, job.connections, job.reason))


def _of_claims(case: Case, job: record.Job) -> Iterator[str]:
    yield from _differ('claims', case.claims, job.claims)
    # Each claim, and the settlement.
    yield from _differ('epoch', case.claims + 1, job.epoch)


def _of_order(case: Case, lines: list[ledger.Line]) -> Iterator[str]:
    started = [(line.action, line.atom) for line in lines if line.what == 'start']
    yield from _differ('order of calls', case.calls, [call for call, _ in itertools.groupby(started)])


def _of_calls(case: Case, lines: list[ledger.Line]) -> Iterator[str]:
    started = [(line.action, line.atom) for line in lines if line.what == 'start']
    yield from _differ('calls', case.started, started)
    # A call ends before the next one begins, unless its process was killed.
    open_calls: list[ledger.Line] = []
    for line in lines:
        if line.what == 'start':
            open_calls = [one for one in open_calls if one.pid == line.pid]
            if open_calls:
                yield f'{line.action} {line.atom} began while {open_calls[0]} was not over'
            open_calls = [line]
        elif line.what == 'end':
            open_calls = []


def _of_owners(lines: list[ledger.Line], arrival: Arrival | None) -> Iterator[str]:
    yield from _differ('epochs', sorted(line.epoch for line in lines),
                       [line.epoch for line in lines])
    for epoch, group in itertools.groupby(lines, lambda line: line.epoch):
        pids = {line.pid for line in group}
        if len(pids) > 1:
            yield f'epoch {epoch} was used by {sorted(pids)}'
    if arrival is not None:
        late = [line for line in lines if line.pid == arrival.pid and line.at > arrival.at]
        early = [line for line in lines if line.pid != arrival.pid and line.at < arrival.at]
        if late or early:
            yield f'the killed process did {late}, another one before that {early}'


def _of_effects(
    fleet: Fleet, case: Case, job: record.Job, lines: list[ledger.Line],
) -> Iterator[str]:
    keys = {line.atom: line.key for line in lines}
    yield from _differ('idempotency keys', flows.STEPS, len(set(keys.values())))
    yield from _differ('keys by call', {(line.atom, line.key) for line in lines},
                       set(keys.items()))
    things = fleet.world.things(job.id)
    yield from _differ('things', set() if case.fails else set(keys.values()), set(things))
    made: dict[int, set[str]] = collections.defaultdict(set)
    for line in lines:
        if line.action == 'execute' and line.what != 'start':
            made[line.atom].add(line.value)
    yield from _differ('things made by step', dict.fromkeys(_STEPS, 1),
                       {step: len(values) for step, values in made.items()})


def _of_records(
    fleet: Fleet, case: Case, job: record.Job, lines: list[ledger.Line],
) -> Iterator[str]:
    """Check the logbook, and that reverts were given what it had."""
    with backends.backend(fleet.url) as backend:
        journal = backend.journal()
        snapshot = journal.load(job.flow_uuid)
        decode = journal.codec.decode
        results = {atom.name: decode(atom.result) for atom in snapshot.atoms
                   if atom.result is not None and atom.name.startswith('step-')}
    yield from _differ('flow', case.outcome, snapshot.flow.state)
    tasks = [atom for atom in snapshot.atoms if atom.name.startswith('step-')]
    yield from _differ('atoms', [case.outcome] * flows.STEPS, [atom.state for atom in tasks])
    made = {f'step-{line.atom}': line.value for line in lines
            if line.action == 'execute' and line.what == 'effect'}
    if not case.fails:
        yield from _differ('results', made, results)
        return
    given = {f'step-{line.atom}': line.value for line in lines
             if line.action == 'revert' and line.what == 'end'}
    yield from _differ('results given to reverts', {**made, f'step-{flows.STEPS}': ''}, given)
