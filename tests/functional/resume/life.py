# SPDX-License-Identifier: Apache-2.0
"""One process in the life of a flow: goes on with what is recorded, until the end or until it is killed."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import signal
import sys
from typing import Any

from tests.functional.resume.flows import FLOWS, Ledger
from tests.functional.sql.cases import claim
from tests.property.engines import CrashingBackend
from tfd import engines, exceptions, states
from tfd.jobs.claim import ClaimedJob
from tfd.jobs.ports import Lock
from tfd.persistence import models
from tfd.plan import Kind
from tfd.types.clock import BootClock
from tfd_drivers.sql.backend import SqlBackend

__all__ = ['Place', 'live', 'spawn']

#: It is not known to an engine that it was killed in its last transaction: to run a flow that ended begins it anew.
_ENDED = (states.REVERTED, states.FAILURE)
_BOOK = 'book'
_DETAIL = 'detail'


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where a flow's processes meet: a folder with a database and a ledger.

    :ivar folder: holds the ledger, and a database with the schema, ``tfd.sqlite``, unless there is another.
    :ivar flow: the name of the flow.
    :ivar kind: ``serial`` or ``parallel``.
    :ivar url: that of another database.
    :ivar job: the id of the job that the flow is run for; '' where it is none's.
    """

    folder: str
    flow: str
    kind: str = 'serial'
    url: str = ''
    job: str = ''

    @property
    def ledger(self) -> Ledger:
        """The calls."""
        return Ledger(os.path.join(self.folder, 'ledger'))

    def open(self) -> Any:
        """Return the backend."""
        return SqlBackend(self.url or f'sqlite:///{self.folder}/tfd.sqlite')


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def live(place: Place, at: int = 0, after: bool = False) -> dict[str, Any]:
    """Run the flow to its end, in one go, or until the process dies; return what it came to.

    :param at: the process is killed at this append, from 1; 0 for none.
    :param after: once it is recorded.
    """
    backend = CrashingBackend(place.open(), die=_kill)
    backend.at, backend.after = at, after
    try:
        if not place.job:
            return {**_outcome(*_run(place, backend)), 'appends': backend.appends}
        outcome = _outcome(*_run_for_job(place, backend))
        for atom in outcome['atoms'].values():
            # They are made of that of the flow, which is another one for each job.
            del atom['uuid']
        job = backend.jobs().get(place.job)
        settled = (job.state, job.outcome, job.owner, job.reason)
        return {**outcome, 'job': list(settled), 'appends': backend.appends}
    finally:
        backend.close()


def _run(place: Place, backend: Any) -> tuple[Any, BaseException | None]:
    engine = _load(place, backend)
    error: BaseException | None = None
    for _ in range(100):
        if engine.storage.get_flow_state() in _ENDED:
            break
        error = _tried(engine) or error
        if engine.storage.get_flow_state() != states.SUSPENDED:
            break
    return engine, error


def _tried(engine: Any) -> BaseException | None:
    try:
        engine.run()
    except Exception as raised:
        return raised
    return None


def _run_for_job(place: Place, backend: Any) -> tuple[Any, BaseException | None]:
    """Do so as conductors do: each run is under a claim, and ends in a settlement."""
    error: BaseException | None = None
    for _ in range(100):
        job = backend.jobs().get(place.job)
        if job.state not in (states.UNCLAIMED, states.CLAIMED):
            break
        owner = ClaimedJob(claim(backend, job.id), _LOCK, BootClock())
        error = _tried(_load_for_job(place, backend, owner)) or error
    return _load_for_job(place, backend, None), error


class _EndlessSession:
    """A session that never ends."""

    incarnation = 'life'
    timeout = 1.0

    def deadline(self) -> float:
        return math.inf


_LOCK = Lock('lock', _EndlessSession())


def _load_for_job(place: Place, backend: Any, owner: ClaimedJob | None) -> Any:
    job = backend.jobs().get(place.job)
    detail, book = models.FlowDetail(place.flow, job.flow_uuid), models.LogBook(job.name, job.book_uuid)
    return _engine(place, backend, flow_detail=detail, book=book, ownership=owner)


def _load(place: Place, backend: Any) -> Any:
    connection = backend.get_connection()
    try:
        try:
            detail = connection.get_flow_details(_DETAIL)
        except exceptions.NotFound:
            book = models.LogBook(_BOOK, uuid=_BOOK)
            detail = models.FlowDetail(place.flow, uuid=_DETAIL)
            book.add(detail)
            connection.save_logbook(book)
    finally:
        connection.close()
    return _engine(place, backend, flow_detail=detail)


def _engine(place: Place, backend: Any, **options: Any) -> Any:
    case = FLOWS[place.flow]
    store = {} if place.job else case.store
    engine = engines.load(
        case.make(place.ledger), store=store, backend=backend, engine=place.kind, **options, **case.options)
    if place.job:
        engine.storage.inject(case.store, transient=True)
    engine.prepare()
    for item in case.suspends:
        name, state = item.split()
        engine.atom_notifier.register(
            state, lambda state, details: engine.suspend(),
            details_filter=lambda details, name=name: details.get('task_name') == name)
    return engine


def _outcome(engine: Any, error: BaseException | None) -> dict[str, Any]:
    """Return everything of a run that can be asked for, as text where it is not the same object in two processes."""
    storage = engine.storage
    atoms: dict[str, Any] = {}
    for node in engine.plan.iter_atoms():
        name = engine.plan.atoms[node].name
        atoms[name] = {'states': storage.get_atoms_states([name])[name], 'uuid': storage.get_atom_uuid(name)}
        if engine.plan.kinds[node] == Kind.RETRY:
            atoms[name]['history'] = [
                (given, _told(failures)) for given, failures in storage.get_retry_history(name)]
            continue
        atoms[name]['progress'] = (storage.get_task_progress(name), storage.get_task_progress_details(name))
        for what in ('get_execute_result', 'get_revert_result'):
            try:
                atoms[name][what] = str(getattr(storage, what)(name))
            except exceptions.NotFound:
                atoms[name][what] = 'none'
    failures = {**_told(storage.get_execute_failures()), **_told(storage.get_revert_failures())}
    if error is not None:
        raised = list(error) if isinstance(error, exceptions.WrappedFailure) else [str(error)]
        known = [told[0] for told in failures.values()]
        unknown = [str(one) for one in raised if getattr(one, 'exception_str', one) not in known]
        assert not unknown, f'{unknown} was raised, {known} is recorded'
    return {
        'flow': storage.get_flow_state(), 'atoms': atoms, 'failures': failures,
        'values': sorted(f'{symbol} {value}' for symbol, value in storage.fetch_all().items())}


def _told(failures: Any) -> dict[str, Any]:
    return {name: (failure.exception_str, list(failure), [str(cause) for cause in failure.causes])
            for name, failure in sorted(failures.items())}


def spawn(place: Place, at: int = 0, after: bool = False) -> dict[str, Any] | None:
    """Live in a new process; return what the flow came to, None where the process was killed.

    Forked, where nothing of a flow has run yet: to start a Python for each would take most of the time.
    """
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(read)
            with os.fdopen(write, 'w') as out:
                json.dump(live(place, at, after), out)
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read) as source:
        told = source.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return None
    assert status == 0, f'the process ended with {status}'
    found: dict[str, Any] = json.loads(told)
    return found


if __name__ == '__main__':
    folder, flow, kind, number, when = sys.argv[1:]
    print(json.dumps(live(Place(folder, flow, kind), int(number), when == 'after')))
