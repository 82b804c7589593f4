# SPDX-License-Identifier: Apache-2.0
"""The persistence port: what an engine, and the users of logbooks, ask of a backend."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from tfd.persistence import models, record
from tfd.persistence.sealing import Sealing

__all__ = [
    'Backend', 'Codec', 'Connection', 'Journal', 'Ownership', 'Schema', 'SealedBackend', 'Secrets', 'SecretsBatch',
]


class Codec(Protocol):
    """Turns users' values into what a backend stores, and back.

    A codec keeps these rules: ``decode(encode(v))`` equals ``v`` for every value that :meth:`encode` accepts;
    ``encode`` has no side effect; what it returned is never changed by a later change of the value. (That of the memory
    backend's journal stores the object itself and keeps neither the last rule nor copies.)

    Secrets rest encrypted, where they rest anywhere: a codec whose stored form leaves the process shows neither what a
    :class:`~tfd.types.secret.Secret` holds nor, with a key, what is secret by its name.
    """

    @property
    def sealing(self) -> Sealing:
        """What is secret by its name, and the keys."""

    def encode(self, value: Any, what: str, secret: bool = False) -> Any:
        """Return the stored form of ``value``.

        :param what: whose value it is, for the error (``"result of atom 'a'"``).
        :param secret: all of it is secret by its name; it is decoded as the plain value.
        :raises NotStorable: some part of the value has no stored form; that of a Secret needs a key.
        """

    def decode(self, stored: Any) -> Any:
        """Return the value that was encoded; None for None.

        :raises UnknownKey: it is secret, and its key is not here.
        """

    def renewed(self, value: Any, what: str, stored: Any) -> Any:
        """Return the stored form of ``value`` that comes in the place of another.

        That itself where it is a form of the same value: encrypting a value twice gives two forms. What was all secret
        stays so.
        """


class Journal(Protocol):
    """Where an engine records its steps. Safe to use from any thread, one call at a time per flow.

    A driver keeps these rules:

    1. Each call is one transaction: all of it is recorded, durably, when the call returns; nothing of it when it
       raises :class:`OwnershipLost`, :class:`NotFound` or :class:`StorageFailure`.
    2. With a fence, the transaction begins with the guard: the fenced job's row is *written* (its ``seq`` grows by
       one) where its epoch is the fence's. Where it is not: :class:`OwnershipLost`, and nothing is recorded. A write
       that is no progress (:meth:`create`, or an entry whose ``progresses`` is False) lets ``claimed_seq`` grow too.
    3. :class:`StorageUnavailable` means that it may or may not have been recorded. The same call may be repeated:
       entries hold absolute values, and a settlement that was already applied by the same claim is taken as done.
    4. Deadlocks and serialisation failures are retried inside, guard included, within a budget.
    """

    @property
    def codec(self) -> Codec:
        """The codec that made, and reads, the value fields of this journal's records."""

    def create(
        self, flow: record.FlowRecord, atoms: Sequence[record.AtomRecord], fence: record.Fence | None = None
    ) -> None:
        """Record a flow and its atoms, or the atoms that a recorded flow has not got yet.

        A flow that exists keeps its state and takes the digest and meta given; an atom that exists (by number) is
        left alone.
        """

    def append(self, entry: record.Entry) -> None:
        """Record one step.

        :raises OwnershipLost: the fence does not hold.
        :raises NotFound: no such flow or atom row.
        :raises StorageUnavailable: the database could not be reached, or did not answer.
        """

    def load(self, flow: str) -> record.Snapshot:
        """Return all that is recorded of the flow, read in one snapshot.

        :raises NotFound: no such flow.
        """

    def history(self, flow: str, after: int = 0, limit: int = 1000) -> Sequence[record.StepRecord]:
        """Return what the steps of a job's flow did, oldest first; nothing where the backend keeps no history.

        Each step is recorded in the transaction of what it did, once. A backend may forget the oldest.

        :param after: only steps whose ``seq`` is greater: the next page.
        """


class Ownership(Protocol):
    """What an engine that runs a job is told about its claim. Given by whoever claimed the job."""

    @property
    def fence(self) -> record.Fence | None:
        """The fence that goes with every write; None where the job has no row, and :meth:`check` is all there is."""

    def check(self) -> None:
        """Return where the claim is believed to hold now, by the own clock; called immediately before each task's call.

        Without a fence before each write, too.

        :raises OwnershipLost: it does not, or is about to end.
        """

    def settlement(self, flow_state: str, failures: Sequence[Any]) -> record.Settlement | None:
        """Return how the job is given back when its flow comes to rest.

        :param flow_state: where it rests: SUCCESS, REVERTED, FAILURE or SUSPENDED.
        :param failures: the failures that the flow ended with.
        :returns: what the flow's last transaction carries, or None to keep the job.
        """


class Connection(Protocol):
    """Logbooks, flow details and atom details, as TaskFlow's users know them. For one thread at a time.

    What a ``get_`` returns is a copy: changing it changes nothing stored until it is given to ``save_logbook`` or an
    ``update_``.

    A flow whose job is CLAIMED is changed by its owner's steps alone: a call that would change or remove something of
    it raises :class:`FlowOwned`, and changes nothing else either. The book's own name and metadata are free.
    """

    @property
    def backend(self) -> Backend:
        """The backend that made this connection."""

    def close(self) -> None:
        """Let go of the connection; the backend stays open."""

    def upgrade(self) -> None:
        """Bring the schema to this release's revision, where the backend has one."""

    def validate(self) -> str:
        """Check that the backend can be used.

        :returns: the revision of its schema, '' where it has none.
        :raises IncompatibleSchema: the schema is missing, too old or too new.
        :raises StorageUnavailable: it cannot be reached.
        """

    def clear_all(self) -> None:
        """Remove every logbook, flow and atom that no job owns."""

    def save_logbook(self, book: models.LogBook) -> models.LogBook:
        """Store the book, its flow details and their atom details, inserting and updating; return it as merged.

        :raises NotImplementedError: an atom is stored as another kind of atom; nothing is stored.
        """

    def get_logbook(self, book_uuid: str, lazy: bool = False) -> models.LogBook:
        """Return a book, without its flow details where ``lazy``.

        :raises NotFound: no such book.
        """

    def get_logbooks(self, lazy: bool = False) -> Iterator[models.LogBook]:
        """Yield every book."""

    def destroy_logbook(self, book_uuid: str) -> None:
        """Remove a book, its flows and their atoms.

        :raises NotFound: no such book.
        """

    def get_flow_details(self, fd_uuid: str, lazy: bool = False) -> models.FlowDetail:
        """Return a flow detail, without its atoms where ``lazy``.

        :raises NotFound: no such flow.
        """

    def get_flows_for_book(self, book_uuid: str, lazy: bool = False) -> Iterator[models.FlowDetail]:
        """Yield the flow details of a book; nothing where there is no such book."""

    def get_atom_details(self, ad_uuid: str) -> models.AtomDetail:
        """Return an atom detail.

        :raises NotFound: no such atom.
        """

    def get_atoms_for_flow(self, fd_uuid: str) -> Iterator[models.AtomDetail]:
        """Yield the atom details of a flow."""

    def update_flow_details(self, flow_detail: models.FlowDetail) -> models.FlowDetail:
        """Store state and meta of a flow that exists.

        :raises NotFound: no such flow.
        """

    def update_atom_details(self, atom_detail: models.AtomDetail) -> models.AtomDetail:
        """Store an atom that exists.

        :raises NotFound: no such atom.
        """


class Backend(Protocol):
    """A place where logbooks are kept. Made once per process, safe to use from any thread."""

    def get_connection(self) -> Connection:
        """Return a new connection; the caller closes it."""

    def journal(self) -> Journal:
        """Return the journal of this backend; there is one, closed with the backend."""

    def close(self) -> None:
        """Let go of every connection. Calling it again does nothing."""


class SealedBackend(Backend, Protocol):
    """A backend whose secrets rest encrypted."""

    def secrets(self) -> Secrets:
        """Return what encrypts stored secrets anew."""


class Schema(Protocol):
    """The schema of a database, for who looks after it.

    A driver keeps these rules: of several processes that change it at once, one does the work and the others wait for
    it; whatever breaks a change off, the same call again goes on with it.
    """

    @property
    def expected(self) -> str:
        """The revision that this release needs, at least."""

    def found(self) -> str | None:
        """Return the revisions that the database is at, None where it has no schema.

        :raises StorageUnavailable: it cannot be reached.
        """

    def check(self) -> str:
        """Return the revisions that the database is at, if this release can work with them.

        :raises IncompatibleSchema: it cannot; the schema is missing, too old or too new.
        :raises StorageUnavailable: the database cannot be reached.
        """

    def sync(self) -> Sequence[str]:
        """Expand, and contract as far as no process can run that needs what goes; return the revisions applied.

        This release runs beside the one before at most, so what that one did without already can go; in a new
        database all of it.

        :raises IncompatibleSchema: the schema is newer than this release can work with.
        :raises StorageUnavailable: the database cannot be reached, or another process is at it for too long.
        :raises StorageFailure: a change was refused.
        """

    def expand(self) -> Sequence[str]:
        """Add what this release needs, beside which the release before goes on; errors are those of :meth:`sync`."""

    def contract(self) -> Sequence[str]:
        """Take away what this release does not need: no earlier one works any more.

        :raises IncompatibleSchema: the schema is not expanded yet, or newer than this release can work with.
        """


@dataclasses.dataclass(frozen=True, slots=True)
class SecretsBatch:
    """What some rows had.

    :ivar found: how many secrets each key encrypts, by the ids of the keys, before anything was changed.
    :ivar changed: values that were encrypted anew.
    :ivar missed: values that somebody else changed meanwhile, and that were left alone.
    :ivar unreadable: a line about each value that no key here decrypts.
    """

    found: Mapping[str, int]
    changed: int = 0
    missed: int = 0
    unreadable: Sequence[str] = ()


class Secrets(Protocol):
    """Stored secrets, for who looks after the keys.

    A driver keeps these rules: a batch is one transaction, of a bounded size or of one flow; what an engine writes
    meanwhile is never replaced by something older; broken off and begun again, it does only what is left.
    """

    def batches(self, size: int, rotate: bool) -> Iterator[SecretsBatch]:
        """Go through all that is stored, and yield what each batch had.

        :param size: rows that one batch looks at, where a driver has rows.
        :param rotate: encrypt anew what is not encrypted with the first key.
        :raises BadConfiguration: there is no key to encrypt with.
        :raises StorageUnavailable: the rest is left as it is.
        """
