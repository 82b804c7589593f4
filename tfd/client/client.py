# SPDX-License-Identifier: Apache-2.0
"""The client of a jobboard."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import logging
import os
import re
import reprlib
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

from oslo_config import cfg

from tfd import exceptions, states
from tfd.client import doorbell
from tfd.conf import deployment, load
from tfd.jobs import factories, posting, record
from tfd.persistence import history
from tfd.persistence.record import StepRecord

__all__ = ['Client', 'Posting']

LOG = logging.getLogger(__name__)

#: Names that conductors give to every flow.
_GIVEN = frozenset(('tfd_job_id', 'tfd_epoch'))
#: What a flow may require beside those: it has it of every engine, unless the poster gives another.
_KNOWN = _GIVEN | {'tfd_idempotency_key'}
_NAME = 255
#: What a name must not have: it could not be stored everywhere, or would forge lines of a log.
_UNPRINTABLE = re.compile('[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]')
#: What a column for a whole number takes on every database.
_PRIORITIES = range(-2 ** 31, 2 ** 31)
#: Seconds since 1970 that a calendar has: those of the years 1 to 9999.
_MOMENTS = (-62135596800.0, 253402300799.0)


@dataclasses.dataclass(frozen=True, slots=True)
class Posting:
    """One job to post; see :meth:`Client.post` for the fields."""

    flow: str
    store: Mapping[str, Any] | None = dataclasses.field(default=None, repr=False)
    token: str | None = None
    priority: int = 0
    name: str | None = None
    not_before: float | datetime.datetime | None = None


class Client:
    """Posts jobs, looks at them, and waits for them. Safe to use from any thread, and across forks.

    Connects when it is first used, and raises :class:`IncompatibleSchema` then where this release
    cannot work with the schema of the database. Where conductors run, and which flows they have, need not be
    known here; no conductor has to be there at all when a job is posted.

    :param conf: what :func:`tfd.conf.load.load` returned.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._guard = threading.Lock()
        self._parts: _Parts | None = None
        self._factories = factories.FlowFactories(conf.conductor.allow_import_paths)
        self._required: dict[str, frozenset[str] | None] = {}

    @classmethod
    def from_config(cls, files: Sequence[str] = (), dirs: Sequence[str] = ()) -> Self:
        """Return a client for the configuration in these files and directories.

        Without any, ``tfd.conf`` is looked for as :func:`tfd.conf.load.load` says.

        :raises BadConfiguration: something in them cannot be used.
        """
        return cls(load.load(load.arguments(files, dirs)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of every connection. A later call connects again."""
        with self._guard:
            parts, self._parts = self._parts, None
        if parts is not None:
            parts.close()

    def post(
        self, flow: str, store: Mapping[str, Any] | None = None, token: str | None = None,
        priority: int = 0, name: str | None = None,
        not_before: float | datetime.datetime | None = None,
    ) -> record.Job:
        """Post a job, and return it as it is stored; it is safe there when this returns.

        Posting a token again does nothing and returns the job that it gave the first time, whatever
        became of it. So after :class:`StorageUnavailable` post again with the same token.

        :param flow: the name of the flow's factory, an entry point of the group ``tfd.flows``.
        :param store: the flow's inputs by name: what has a stored form, see
            :mod:`tfd.persistence.codec`.
        :param token: the caller's own name for this job, made once for what the job is to do; a new
            one where None.
        :param priority: a greater one is claimed first; see :class:`tfd.jobs.record.Priority`.
        :param name: for people; that of the flow where None.
        :param not_before: seconds since 1970-01-01 UTC, or an aware datetime, before which it is
            not claimed.
        :raises UnknownFlow: the factory is not installed here, and ``[client] check_flows`` is on.
        :raises BadFactory: it is installed, is broken, and ``[client] check_flows`` is on.
        :raises MissingDependencies: the factory is installed here, and its flow requires more.
        :raises NotStorable: a value in ``store`` has no stored form.
        :raises InvalidFormat: another argument cannot be used.
        :raises StorageUnavailable: the database cannot be reached, or did not answer.
        """
        return self.post_many([Posting(flow, store, token, priority, name, not_before)])[0]

    def post_many(self, postings: Sequence[Posting]) -> list[record.Job]:
        """Post jobs in one transaction: all of them or none; errors are those of :meth:`post`."""
        jobs = [_new_job(one) for one in postings]
        for job in jobs:
            self._check_flow(job)
        return self._board().post(jobs) if jobs else []

    def get(self, job_id: str) -> record.Job:
        """Return a job.

        :raises NotFound: no such job.
        :raises StorageUnavailable: the database cannot be reached.
        """
        return self._board().get(_job_id(job_id))

    def find(self, token: str) -> record.Job:
        """Return the job that was posted with this token, by whatever process.

        :raises NotFound: no such job: post it.
        :raises StorageUnavailable: the database cannot be reached.
        """
        return self._board().find(token)

    def list(self, states: Sequence[str] = (), limit: int = 100, before: str | None = None,
             owner: str | None = None) -> Sequence[record.Job]:
        """Return jobs, newest first.

        :param states: only those in one of these states.
        :param before: only those that were posted before the job of this id: the next page.
        :param owner: only those that this incarnation owns.
        :raises StorageUnavailable: the database cannot be reached.
        """
        return self._board().list(record.JobQuery(
            states=tuple(states), owner=owner, limit=limit, before=before))

    def wait(self, job_id: str, timeout: float) -> record.Job:
        """Return a job once it is COMPLETE or PARKED; costs one small query per look.

        :param timeout: seconds.
        :raises RequestTimeout: it is neither after that time.
        :raises NotFound: no such job.
        """
        return self._board().wait(
            _job_id(job_id), timeout, self._conf.client.wait_interval)

    def release(self, job_id: str) -> record.Job:
        """Make a PARKED job claimable again, its attempts forgotten, and return it.

        It goes on from the last step that was recorded.

        :raises InvalidState: it is not parked.
        :raises NotFound: no such job.
        :raises StorageUnavailable: it may or may not be released; look at it to find out.
        """
        return self._own_parts().release(_job_id(job_id))

    def history(self, job_id: str) -> Sequence[history.Event]:
        """Return what happened in the flow of a job, oldest first, as far back as it is kept.

        :raises NotFound: no such job.
        :raises StorageUnavailable: the database cannot be reached.
        """
        return self._own_parts().history(_job_id(job_id))

    def conductors(self, limit: int = 100) -> Sequence[record.Incarnation]:
        """Return the worker processes of conductors that were seen last, living or not, the latest first.

        :raises StorageUnavailable: the database cannot be reached.
        """
        return self._own_parts().conductors(limit)

    @contextlib.contextmanager
    def coordinator(self) -> Iterator[Any]:
        """Give a ``with`` block a :class:`~tfd.jobs.ports.Coordinator` to look at; it is no member.

        :raises CoordinatorUnavailable: it cannot be reached.
        """
        made = deployment.make_coordinator(self._conf, worker='client', observer=True)
        try:
            made.start()
            yield made
        finally:
            made.stop()

    def _board(self) -> posting.PostingBoard:
        return self._own_parts().board

    def _own_parts(self) -> _Parts:
        with self._guard:
            # What a fork brought along belongs to the parent: it is neither used nor closed here.
            if self._parts is None or self._parts.pid != os.getpid():
                self._parts = _Parts(self._conf)
            return self._parts

    def _check_flow(self, job: record.NewJob) -> None:
        required = self._requires(job.flow)
        missing = sorted((required or frozenset()) - set(job.store) - _KNOWN)
        if missing:
            raise exceptions.MissingDependencies(job.flow, missing)

    def _requires(self, name: str) -> frozenset[str] | None:
        """Return what a flow requires, None where its factory is not installed here."""
        checked = self._conf.client.check_flows
        if name not in self._required:
            try:
                self._required[name] = frozenset(self._factories.make(name).requires)
            except exceptions.UnknownFlow:
                if checked:
                    raise
                self._required[name] = None
            except factories.BadFactory as err:
                if checked:
                    raise
                LOG.warning('posting for conductors to judge: %s', err)
                self._required[name] = None
        return self._required[name]


class _Parts:
    """What a client holds in one process."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.pid = os.getpid()
        self._backend = deployment.make_backend(conf)
        try:
            # Once for each process: statements of a release that does not fit would fail later, or worse.
            self._backend.schema().check()
        except BaseException:
            self._backend.close()
            raise
        self._doorbell = doorbell.Doorbell(lambda: deployment.make_coordinator(
            conf, worker='client', observer=True, timeout=conf.client.ring_timeout))
        self._ring = self._doorbell.ring if conf.client.ring else lambda shard: None
        self.board = posting.PostingBoard(self._backend.jobs(), self._ring)

    def release(self, job_id: str) -> record.Job:
        """As :meth:`Client.release`."""
        store = self._backend.jobs()
        store.release(job_id, states.UNCLAIMED)
        job = store.get(job_id)
        self._ring(job.shard)
        return job

    def conductors(self, limit: int) -> Sequence[record.Incarnation]:
        """As :meth:`Client.conductors`."""
        return self._backend.roster().latest(limit)

    def history(self, job_id: str) -> Sequence[history.Event]:
        """As :meth:`Client.history`."""
        flow = self._backend.jobs().get(job_id).flow_uuid
        journal = self._backend.journal()
        steps: list[StepRecord] = []
        while page := journal.history(flow, steps[-1].seq if steps else 0):
            steps += page
        if not steps:
            return ()
        return history.events(steps, {atom.number: atom.name for atom in journal.load(flow).atoms})

    def close(self) -> None:
        """Let go of every connection, but those that a fork brought along."""
        if self.pid == os.getpid():
            self._doorbell.close()
            self._backend.close()


def _new_job(one: Posting) -> record.NewJob:
    job_id = str(uuid.uuid4())
    _check_text('flow', one.flow)
    for what, text in (('token', one.token), ('name', one.name)):
        if text is not None:
            _check_text(what, text)
    if not isinstance(one.store, (Mapping, type(None))):
        raise exceptions.InvalidFormat(f'store is a {type(one.store).__name__}: expected a mapping')
    store = dict(one.store or {})
    for key in store:
        if not isinstance(key, str):
            raise exceptions.InvalidFormat(f'store has the key {_shown(key)}: expected a str')
        if key in _GIVEN:
            raise exceptions.InvalidFormat(f'store has {key!r}, which conductors give')
    _check_priority(one.priority)
    return record.NewJob(
        id=job_id, token=one.token or job_id, name=one.name or one.flow, flow=one.flow,
        store=store, priority=int(one.priority), not_before=_seconds(one.not_before))


def _check_text(what: str, text: object) -> None:
    if not isinstance(text, str) or not 0 < len(text) <= _NAME or _UNPRINTABLE.search(text):
        raise exceptions.InvalidFormat(
            f'{what} is {_shown(text)}: expected a str of 1 to {_NAME} printable characters')


def _check_priority(priority: object) -> None:
    if isinstance(priority, bool) or not isinstance(priority, int) or priority not in _PRIORITIES:
        raise exceptions.InvalidFormat(
            f'priority is {_shown(priority)}: expected an int of 32 bits')


def _shown(value: object) -> str:
    """Return a value that cannot be used as a few words for an error."""
    try:
        return reprlib.repr(value)
    except Exception:
        return f'a {type(value).__name__} that cannot be printed'


def _seconds(when: object) -> float:
    if when is None:
        return 0.0
    if isinstance(when, datetime.datetime):
        if when.tzinfo is None:
            raise exceptions.InvalidFormat(
                f'not_before is {_shown(when)}: expected a datetime with a time zone')
        return when.timestamp()
    if isinstance(when, bool) or not isinstance(when, (int, float)) or not (
            _MOMENTS[0] <= when <= _MOMENTS[1]):
        raise exceptions.InvalidFormat(
            f'not_before is {_shown(when)}: expected seconds since 1970, or a datetime')
    return float(when)


def _job_id(text: str) -> str:
    """Return a job's id in its usual form.

    :raises NotFound: no job can have such an id.
    """
    try:
        return str(uuid.UUID(text))
    except (ValueError, AttributeError, TypeError):
        raise exceptions.NotFound(f'no job {_shown(text)}: not a UUID') from None
