# SPDX-License-Identifier: Apache-2.0
"""Takes over logbooks that another library recorded, so that their unfinished flows can be resumed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from tfd import exceptions, states
from tfd.persistence import base, details, models, record
from tfd.persistence.foreign import LeftOut
from tfd.storage.columns import derived_uuid
from tfd.storage.storage import INJECTOR

__all__ = ['Outcome', 'take_over']

_FORGOTTEN = (None, states.PENDING)
_EXECUTED = (states.SUCCESS, states.REVERTING)


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a flow.

    :ivar new: False where it was there already.
    :ivar finished: whether it has nothing more to do.
    """

    book: str
    flow: str
    uuid: str
    new: bool
    finished: bool


def take_over(
    books: Iterable[models.LogBook | LeftOut], backend: base.Backend, dry_run: bool = False
) -> Iterator[Outcome | LeftOut]:
    """Record books and their flows; yield what became of each flow, and what was left out.

    A flow that is recorded already is left as it is: what tfd has done with it since counts. A flow is recorded whole
    or not at all; taking over again what was broken off goes on with it.

    :param dry_run: record nothing.
    :raises StorageUnavailable: the rest is left for another time.
    """
    for book in books:
        if isinstance(book, LeftOut):
            yield book
            continue
        if not dry_run:
            connection = backend.get_connection()
            try:
                connection.save_logbook(book.copy(retain_contents=False))
            finally:
                connection.close()
        for flow in book:
            try:
                yield _take_over(book, flow, backend.journal(), dry_run)
            except (exceptions.NotStorable, exceptions.StorageFailure) as err:
                yield LeftOut('flow', flow.name, flow.uuid, str(err))


def _take_over(book: models.LogBook, flow: models.FlowDetail, journal: base.Journal, dry_run: bool) -> Outcome:
    decisions = _verdicts(flow)
    atoms = [
        details.atom_record(_settled(atom, flow.uuid), flow.uuid, number, journal.codec)
        for number, atom in enumerate(flow)]
    mine = details.flow_record(flow, book.uuid, journal.codec)
    known = _recorded(journal, flow.uuid)
    if not dry_run:
        if known is None:
            journal.create(mine, atoms)
        if decisions and (known is None or _was_broken_off(known)):
            journal.append(record.Entry(flow.uuid, decisions=decisions))
    return Outcome(book.name, flow.name, flow.uuid, known is None, flow.state in (states.SUCCESS, states.REVERTED))


def _recorded(journal: base.Journal, flow: str) -> record.Snapshot | None:
    try:
        return journal.load(flow)
    except exceptions.NotFound:
        return None


def _was_broken_off(known: record.Snapshot) -> bool:
    """Tell whether a flow has not been run here yet, and lacks what was decided about it."""
    return not known.flow.digest and not known.decisions


def _settled(atom: models.AtomDetail, flow: str) -> models.AtomDetail:
    """Return an atom without what is left in its record of an earlier attempt, and ready to be resumed."""
    if atom.name == INJECTOR:
        inputs = models.TaskDetail(INJECTOR, derived_uuid(flow, INJECTOR))
        inputs.put(states.SUCCESS, atom.results)
        return inputs
    if atom.state in _FORGOTTEN:
        if isinstance(atom, models.TaskDetail):
            atom.results = None
        atom.failure = None
        atom.revert_results, atom.revert_failure = None, None
        # Nothing is to be reverted of it: what is decided about its scope is said there.
        atom.intention = states.EXECUTE
    elif atom.state in _EXECUTED and atom.results is not None:
        atom.failure = None
    if atom.state == states.RETRYING:
        # Its scope is reverted, and may be reset in part: it is asked for nothing, and does both again.
        atom.state = states.SUCCESS
    return atom


def _verdicts(flow: models.FlowDetail) -> list[record.DecisionRecord]:
    """Return what was decided about the scopes of a flow, from the intentions of its atoms.

    TaskFlow writes a verdict on every atom that it concerns, and not which scope it is about: on a retry for its scope;
    on all atoms for the whole flow.
    """
    atoms = [atom for atom in flow if atom.name != INJECTOR]
    found = {
        atom.name: atom.intention for atom in atoms
        if isinstance(atom, models.RetryDetail) and atom.intention in (states.RETRY, states.REVERT)
        and atom.state not in (*_FORGOTTEN, states.REVERTED)}
    if atoms and all(atom.intention == states.REVERT for atom in atoms):
        found[''] = states.REVERT
    return [record.DecisionRecord(flow.uuid, f'scope:{name}', 1, verdict) for name, verdict in found.items()]
