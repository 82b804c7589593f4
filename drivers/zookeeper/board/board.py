# SPDX-License-Identifier: Apache-2.0
"""The board of nodes, behind TaskFlow's API."""

from __future__ import annotations

import contextlib
import itertools
import logging
import time
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

from tfd import exceptions, states
from tfd.jobs import base
from tfd.jobs.base import JobPriority
from tfd.jobs.claim import SessionOwnership
from tfd.persistence import models
from tfd.types.clock import Clock
from tfd.types.entity import Entity
from tfd_drivers.zookeeper import requests
from tfd_drivers.zookeeper.board import layout, postings
from tfd_drivers.zookeeper.board import posting as posts
from tfd_drivers.zookeeper.board.claims import NotHeld
from tfd_drivers.zookeeper.board.connection import BoardConnection
from tfd_drivers.zookeeper.board.herald import Herald
from tfd_drivers.zookeeper.board.job import ZookeeperJob
from tfd_drivers.zookeeper.board.options import DEFAULT_PATH, board_options
from tfd_drivers.zookeeper.board.postings import Posting
from tfd_drivers.zookeeper.locks import Addition

__all__ = ['ZookeeperJobBoard']

LOG = logging.getLogger(__name__)

#: How many jobs are read first where a board is iterated over, and how many at once at most.
_FEW, _MANY = 4, 64
#: Seconds between two looks at a board on which others are busy and nothing can be claimed.
_REST = 0.05
_CONNECT = 10.0


class _Jobs(base.JobBoardIterator):
    """Jobs that were looked at already."""

    def _is_wanted(self, job: base.Job) -> bool:
        return True


class ZookeeperJobBoard(base.NotifyingJobBoard):
    """Jobs as nodes of ZooKeeper; see :class:`tfd.jobs.base.JobBoard`.

    :param name: what the board is called.
    :param conf: ``path``, ``hosts``, ``timeout`` (of a session, in seconds) and what else
        :class:`~tfd_drivers.zookeeper.coordinator.ZookeeperCoordinator` takes.
    :param client: a client of kazoo's, which the caller stops; by default the board makes its own.
    :param persistence: where the jobs' logbooks are.
    :param emit_notifications: whether the notifier tells anything.
    :raises ValueError: the path is none.
    :raises BadConfiguration: another option cannot be used.
    """

    #: The oldest ZooKeeper that will do: it has transactions.
    MIN_ZK_VERSION = (3, 4, 0)
    DEFAULT_PATH = DEFAULT_PATH
    #: How TaskFlow names its jobs' nodes, and those by which they are claimed.
    JOB_PREFIX = 'job'
    LOCK_POSTFIX = layout.LOCK

    def __init__(
        self, name: str, conf: Mapping[str, Any], client: Any = None, persistence: Any = None,
        emit_notifications: bool = True, clock: Clock | None = None,
    ) -> None:
        super().__init__(name, conf)
        self._persistence = persistence
        self._connection = BoardConnection(board_options(conf), client, self._told, clock)
        self._view = self._connection.view
        self._herald = Herald(self._view, self._refresh, self._job_of)
        self._notifier = self._herald
        self._emit = emit_notifications
        self._objects: weakref.WeakValueDictionary[str, ZookeeperJob] = weakref.WeakValueDictionary()
        self._claimed: dict[str, SessionOwnership] = {}

    # -- the connection ----------------------------------------------------------------------------

    @property
    def path(self) -> str:
        """The path of the board."""
        return self._connection.layout.root

    @property
    def entity_path(self) -> str:
        """The path below which conductors are known, by kind and name."""
        return self._connection.layout.entities

    @property
    def trash_path(self) -> str:
        """The path below which jobs are kept that were trashed."""
        return self._connection.layout.trash

    @property
    def connected(self) -> bool:
        """Whether there is a session now."""
        return self._connection.joined() is not None

    def connect(self, timeout: float = _CONNECT) -> None:
        """Connect; a board that is connected stays so.

        :raises JobFailure: not within so many seconds. Trying goes on until :meth:`close`.
        """
        with _translated('Connecting', self.path):
            self._connection.open(timeout)
        if self._emit:
            self._herald.begin()

    def close(self) -> None:
        """Let go of claims, entities and what is known; it can be connected again."""
        self._herald.end()
        self._connection.close()
        self._claimed.clear()

    def register_entity(self, entity: Entity) -> None:
        """Make a conductor known for as long as this board is connected."""
        if entity.kind != 'conductor':
            raise exceptions.NotImplementedError(f'Not implemented for other entity type {entity.kind!r}')
        with _translated('Registering', entity.name):
            self._connection.register(entity)

    # -- looking -----------------------------------------------------------------------------------

    @property
    def job_count(self) -> int:
        """How many jobs are on the board, as far as is known here."""
        with contextlib.suppress(exceptions.JobFailure):
            self._refresh()
        return self._view.count

    @property
    def quarantined(self) -> int:
        """How many nodes are passed over because they are no jobs; the log has named each once."""
        return self._view.quarantined

    def iterjobs(self, only_unclaimed: bool = False, ensure_fresh: bool = False) -> Iterator[base.Job]:
        """Yield the jobs, the most urgent first, of those the oldest."""
        return _Jobs(
            self, LOG, board_fetch_func=lambda fresh: self._jobs(only_unclaimed, fresh),
            only_unclaimed=only_unclaimed, ensure_fresh=ensure_fresh)

    def _jobs(self, only_unclaimed: bool, fresh: bool) -> Iterator[base.Job]:
        self._refresh(fresh)
        paths = self._view.jobs(only_unclaimed)
        many = _FEW
        while batch := list(itertools.islice(paths, many)):
            with _translated('Reading', self.path):
                found = self._connection.postings(batch)
            for path in batch:
                if path in found and self._view.offers(path, only_unclaimed):
                    yield self._object(path, found[path])
            many = min(_MANY, 4 * many)

    def wait(self, timeout: float | None = None) -> Iterator[base.Job]:
        """Return an iterator of jobs once there is one that can be claimed."""
        began = time.monotonic()
        ends = None if timeout is None else began + timeout
        while True:
            with contextlib.suppress(exceptions.JobFailure):
                if next(self._jobs(True, False), None) is not None:
                    return self.iterjobs()
            left = None if ends is None else ends - time.monotonic()
            if left is not None and left <= 0:
                raise exceptions.NotFound(
                    f'Expired waiting for jobs to arrive; waited {time.monotonic() - began:.3f} seconds')
            with self._view.news:
                if not self._view.is_dirty or not self.connected:
                    self._view.news.wait(left)
            time.sleep(_REST if left is None else min(_REST, left))

    def find_owner(self, job: base.Job) -> str | None:
        """Return who has claimed a job, None where nobody has."""
        path = _path(job)
        with _translated('Owner query', job):
            client, budget = self._connection.require().client, self._connection.budget()
            found = requests.fetch(client, self._connection.layout.lock(path), budget)
        return None if found is None else postings.owner_of(found[0])

    def state_of(self, path: str) -> str:
        """Return the state of a job now."""
        with _translated('State query', path):
            client, budget = self._connection.require().client, self._connection.budget()
            locked = client.exists_async(self._connection.layout.lock(path))
            there = requests.ask(client.exists_async(path), budget, f'look for {path}')
            if there is None:
                return states.COMPLETE
            claimed = requests.ask(locked, budget, f'look for the lock of {path}')
        return states.UNCLAIMED if claimed is None else states.CLAIMED

    def stat_of(self, path: str) -> Any:
        """Return the stat of a job's node, None where there is none."""
        with _translated('Query', path):
            client, budget = self._connection.require().client, self._connection.budget()
            return requests.ask(client.exists_async(path), budget, f'look for {path}')

    # -- changing ----------------------------------------------------------------------------------

    def post(
        self, name: str, book: models.LogBook | None = None, details: Mapping[str, Any] | None = None,
        priority: JobPriority | str = JobPriority.NORMAL,
    ) -> base.Job:
        """Put a job on the board, and return it."""
        posting = posts.new(name, book, details, JobPriority.convert(priority))
        data = postings.encode(posting)
        with _translated('Posting', posting.uuid):
            path = posts.post(self._connection, posting, data)
        self._connection.contents.keep(path, posting, len(data))
        job = self._objects[path] = ZookeeperJob(self, path, posting, self._persistence, book)
        return job

    @base.check_who
    def claim(self, job: base.Job, who: str) -> None:
        """Become the owner of a job, by a name."""
        path = _path(job)
        with _translated('Claiming', job):
            claims = self._connection.require().claims
            try:
                claims.claim(path, who)
            except exceptions.LockHeld as err:
                owner = postings.owner_of((err.owner or '').encode()) or err.owner
                raise exceptions.UnclaimableJob(f'Job {job.uuid} is claimed by {owner!r} already') from err
        self._claimed[path] = SessionOwnership(job.uuid, claims.session, self._connection.clock)

    @base.check_who
    def consume(self, job: base.Job, who: str) -> None:
        """Take a job off the board: it is done."""
        path = _path(job)
        self._settle(job, who, 'consume', lambda transaction: transaction.delete(path))
        self._connection.contents.forget(path)

    @base.check_who
    def abandon(self, job: base.Job, who: str) -> None:
        """Give a job back to whoever claims it next."""
        self._settle(job, who, 'abandon', lambda transaction: None)

    @base.check_who
    def trash(self, job: base.Job, who: str) -> None:
        """Take a job off the board, and keep it below :attr:`trash_path`."""
        path = _path(job)
        aside = self._connection.layout.trashed(path)
        data = postings.encode(posts.of_job(job))

        def move(transaction: Any) -> None:
            transaction.delete(path)
            transaction.create(aside, data)

        self._settle(job, who, 'trash', move)
        self._connection.contents.forget(path)

    def ownership(self, job: base.Job, who: str) -> SessionOwnership:
        """Return what an engine asks before each task whether a job that was claimed here is owned still.

        :raises OwnershipLost: it is not claimed here, or not any more.
        """
        found = self._claimed.get(_path(job))
        if found is None:
            raise exceptions.OwnershipLost(job.uuid, 0, 'this board has no claim on it')
        return found

    def _settle(self, job: base.Job, who: str, what: str, addition: Addition) -> None:
        path = _path(job)
        with _translated(f'To {what}', job):
            claims = self._connection.require().claims
            owner = claims.owner(path)
            if owner is None:
                self._refuse(job, who, what)
            if owner != who:
                raise exceptions.JobFailure(f'Can not {what} a job {job.uuid} which is not owned by {who}')
            claims.settle(path, addition)
        self._claimed.pop(path, None)

    def _refuse(self, job: base.Job, who: str, what: str) -> None:
        """Say why a job that is not claimed here cannot be settled here."""
        owner = self.find_owner(job)
        if owner is None:
            raise exceptions.NotFound(f'Can not {what} a job {job.uuid} which we can not determine the owner of')
        where = 'not owned by' if owner != who else 'claimed in another session by'
        raise exceptions.JobFailure(f'Can not {what} a job {job.uuid} which is {where} {who}')

    # -- what happens ------------------------------------------------------------------------------

    def _refresh(self, fresh: bool = False) -> None:
        with _translated('Reading', self.path):
            self._view.refresh(self._connection.budget(), fresh)

    def _told(self, came: list[str], went: list[str]) -> None:
        for path in went:
            self._connection.contents.forget(path)
        if self._emit:
            self._herald.tell(came, went)

    def _job_of(self, paths: list[str]) -> dict[str, base.Job]:
        found = self._connection.postings(paths)
        return {path: self._object(path, posting) for path, posting in found.items()}

    def _object(self, path: str, posting: Posting) -> ZookeeperJob:
        """Return the job of a path: one object for all who have it at the same time."""
        job = self._objects.get(path)
        if job is None:
            job = self._objects[path] = ZookeeperJob(self, path, posting, self._persistence)
        return job


def _path(job: base.Job) -> str:
    path = getattr(job, 'path', None)
    if not isinstance(path, str):
        raise TypeError(f'{job!r} is no job of a ZooKeeper board')
    return path


@contextlib.contextmanager
def _translated(what: str, of: object) -> Iterator[None]:
    """Raise a JobFailure where ZooKeeper cannot be asked, or does not answer."""
    try:
        yield
    except NotHeld as err:
        raise exceptions.JobFailure(f'{what} failure: {of}: {err}') from err
    except requests.Unanswered as err:
        raise exceptions.JobFailure(f'{what} failure: {of}: whether it was done is not known', cause=err) from err
    except (exceptions.SessionLost, exceptions.CoordinatorUnavailable) as err:
        raise exceptions.JobFailure(f'{what} failure: {of}', cause=err) from err
