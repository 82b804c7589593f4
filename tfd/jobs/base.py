# SPDX-License-Identifier: Apache-2.0
"""Jobs and boards as TaskFlow's users know them: a poster leaves a job on a board, a conductor claims and consumes it.

A board of these keeps its jobs by itself. A deployment that has its jobs in SQL uses :mod:`tfd.client` and the daemon
instead.
"""

from __future__ import annotations

import abc
import contextlib
import enum
import functools
import time
import uuid as uuids
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from tfd import exceptions, states
from tfd.persistence import base as persistence
from tfd.persistence import models
from tfd.types import entity as entities
from tfd.types.notifier import Notifier

__all__ = [
    'POSTED', 'REMOVAL', 'Job', 'JobBoard', 'JobBoardIterator', 'JobPriority', 'NotifyingJobBoard', 'check_who',
]

#: Of :attr:`NotifyingJobBoard.notifier`: a job is on the board, whoever put it there; a job has left it.
POSTED = 'POSTED'
REMOVAL = 'REMOVAL'

_F = TypeVar('_F', bound=Callable[..., Any])


class JobPriority(enum.Enum):
    """How urgent a job is."""

    VERY_HIGH = 'VERY_HIGH'
    HIGH = 'HIGH'
    NORMAL = 'NORMAL'
    LOW = 'LOW'
    VERY_LOW = 'VERY_LOW'

    @property
    def rank(self) -> int:
        """0 for the most urgent, 4 for the least."""
        return list(JobPriority).index(self)

    @classmethod
    def convert(cls, value: Any) -> JobPriority:
        """Return the priority of a name, in whatever case.

        :raises ValueError: there is none of that name.
        """
        if isinstance(value, cls):
            return value
        try:
            return cls(str(value).upper())
        except ValueError:
            names = [priority.value for priority in cls]
            raise ValueError(f'{str(value)!r} is not a valid priority, valid priorities are {names}') from None

    @classmethod
    def reorder(cls, *values: tuple[Any, Any]) -> tuple[Any, ...]:
        """Return the second parts of ``(priority, something)``, the most urgent first; equals stay as they are."""
        return tuple(some for _, some in sorted(values, key=lambda value: cls.convert(value[0]).rank))


def check_who(method: _F) -> _F:
    """Have a method ``(self, job, who)`` refuse a ``who`` that is no name.

    :raises TypeError, ValueError: it is no text, or empty.
    """

    @functools.wraps(method)
    def checked(self: Any, job: Any, who: Any) -> Any:
        if not isinstance(who, str):
            raise TypeError(f'Job applicant must be a string type, not {who!r}')
        if not who:
            raise ValueError('Job applicant must be non-empty')
        return method(self, job, who)

    return checked  # type: ignore[return-value]  # it takes what the method takes


class Job(abc.ABC):
    """A piece of work on a board: a logbook with a flow to run, and details for whoever runs it.

    :param details: what the poster has to say; JSON has to have a form of it.
    :param backend: where the logbook is; without one, :attr:`book` is what was given.
    :param book: the logbook; ``book_data`` is its ``name`` and ``uuid`` where it is not at hand.
    """

    def __init__(
        self, board: JobBoard, name: str, uuid: str | None = None, details: Mapping[str, Any] | None = None,
        backend: persistence.Backend | None = None, book: models.LogBook | None = None,
        book_data: Mapping[str, Any] | None = None,
    ) -> None:
        self._board = board
        self._name = name
        self._uuid = uuid or str(uuids.uuid4())
        self._details = dict(details or {})
        self._backend = backend
        self._book = book
        self._book_data = dict(book_data or {})

    def __str__(self) -> str:
        # Without the details: they may be secret, and this is what logs show.
        return f'{type(self).__name__}: {self.name} (priority={self.priority.value}, uuid={self.uuid})'

    @property
    def board(self) -> JobBoard:
        """The board that it is on, or was."""
        return self._board

    @property
    def name(self) -> str:
        """The name that its poster gave it; not unique."""
        return self._name

    @property
    def uuid(self) -> str:
        """What makes it unique."""
        return self._uuid

    @property
    def details(self) -> dict[str, Any]:
        """What its poster has to say to whoever runs it."""
        return self._details

    @property
    @abc.abstractmethod
    def priority(self) -> JobPriority:
        """How urgent it is."""

    @property
    @abc.abstractmethod
    def state(self) -> str:
        """UNCLAIMED, CLAIMED, or COMPLETE once it has left the board, as it is now.

        :raises JobFailure: it cannot be said now.
        """

    @property
    @abc.abstractmethod
    def created_on(self) -> Any:
        """When it was posted, as a UTC ``datetime`` without a time zone."""

    @property
    @abc.abstractmethod
    def last_modified(self) -> Any:
        """When it was changed last, None once it has left the board."""

    @property
    def book(self) -> models.LogBook | None:
        """Its logbook, loaded when it is first asked for; None where it has none, or the board no backend.

        :raises NotFound: the backend does not have it.
        """
        if self._book is None and self._backend is not None and self.book_uuid is not None:
            with contextlib.closing(self._backend.get_connection()) as connection:
                self._book = connection.get_logbook(self.book_uuid)
        return self._book

    @property
    def book_uuid(self) -> str | None:
        """The UUID of its logbook, None where it has none."""
        return self._book.uuid if self._book is not None else self._book_data.get('uuid')

    @property
    def book_name(self) -> str | None:
        """The name of its logbook, None where it has none."""
        return self._book.name if self._book is not None else self._book_data.get('name')

    def expires_in(self) -> float | None:
        """Return in how many seconds its claim ends unless it is extended; None: it ends with a session."""
        return None

    def extend_expiry(self, expiry: float) -> bool:
        """Have its claim last for so many seconds from now; tell whether it does.

        A claim that ends with its owner's session need not be extended, and is not.
        """
        return False

    def wait(
        self, timeout: float | None = None, delay: float = 0.01, delay_multiplier: float = 2.0,
        max_delay: float = 60.0, sleep_func: Callable[[float], object] = time.sleep,
    ) -> bool:
        """Wait until it is COMPLETE, looking with pauses that grow; tell whether it is.

        :param timeout: seconds, None for ever.
        :param delay, delay_multiplier, max_delay: the first pause in seconds, what each is times the one before, and
            the longest.
        """
        ends = None if timeout is None else time.monotonic() + timeout
        while self.state != states.COMPLETE:
            left = None if ends is None else ends - time.monotonic()
            if left is not None and left <= 0:
                return False
            sleep_func(min(delay, max_delay) if left is None else min(delay, max_delay, left))
            delay *= delay_multiplier
        return True


class JobBoardIterator:
    """Yields jobs of a board, each as the board has it when its turn comes.

    :ivar only_unclaimed, ensure_fresh: as they were given.
    :param board_fetch_func: called with ``ensure_fresh``, once, for the jobs.
    :param board_removal_func: called with a job that turned out to have left the board.
    :param only_unclaimed: pass over what is not UNCLAIMED.
    """

    _UNCLAIMED = frozenset((states.UNCLAIMED,))
    _ANY = frozenset((states.UNCLAIMED, states.CLAIMED, states.COMPLETE))

    def __init__(
        self, board: JobBoard, logger: Any, board_fetch_func: Callable[[bool], Iterable[Job]] | None = None,
        board_removal_func: Callable[[Job], object] | None = None, only_unclaimed: bool = False,
        ensure_fresh: bool = False,
    ) -> None:
        self._board = board
        self._log = logger
        self._fetch = board_fetch_func
        self._remove = board_removal_func
        self._wanted = self._UNCLAIMED if only_unclaimed else self._ANY
        self.only_unclaimed = only_unclaimed
        self.ensure_fresh = ensure_fresh
        self._jobs: Iterator[Job] | None = None

    @property
    def board(self) -> JobBoard:
        """The board."""
        return self._board

    def __iter__(self) -> JobBoardIterator:
        return self

    def __next__(self) -> Job:
        if self._jobs is None:
            self._jobs = iter(self._fetch(self.ensure_fresh) if self._fetch is not None else ())
        for job in self._jobs:
            if self._is_wanted(job):
                return job
        raise StopIteration

    def _is_wanted(self, job: Job) -> bool:
        try:
            return job.state in self._wanted
        except exceptions.JobFailure as err:
            self._log.warning('the state of %s cannot be read: %s', job, err)
        except exceptions.NotFound:
            if self._remove is not None:
                self._remove(job)
        return False


class JobBoard(abc.ABC):
    """Where jobs are posted, claimed and consumed. Safe to use from any thread; not across a fork.

    A board keeps these rules:

    1. A job has one owner at most; what one owner may do, no other may: ``JobFailure`` says that it is not yours.
    2. A claim ends with the session that took it, and the job can then be claimed by others.
    3. The outcome of a request whose answer was lost is found out by reading, never guessed.
    4. What somebody put on the board that is no job is passed over, and harms nothing.
    """

    def __init__(self, name: str, conf: Mapping[str, Any]) -> None:
        self._name = name
        self._conf = conf

    @property
    def name(self) -> str:
        """The name that it was fetched by."""
        return self._name

    @property
    @abc.abstractmethod
    def job_count(self) -> int:
        """How many jobs are on the board, as far as is known here."""

    @property
    @abc.abstractmethod
    def connected(self) -> bool:
        """Whether it can be used now."""

    @abc.abstractmethod
    def iterjobs(self, only_unclaimed: bool = False, ensure_fresh: bool = False) -> Iterator[Job]:
        """Yield the jobs, the most urgent first, of those the oldest.

        :param only_unclaimed: only those that can be claimed.
        :param ensure_fresh: see whatever was posted before this call, wherever it was.
        """

    @abc.abstractmethod
    def wait(self, timeout: float | None = None) -> Iterator[Job]:
        """Return an iterator of jobs once there is one that can be claimed.

        :raises NotFound: there is none within so many seconds.
        """

    @abc.abstractmethod
    def find_owner(self, job: Job) -> str | None:
        """Return who has claimed a job, None where nobody has."""

    @abc.abstractmethod
    def post(
        self, name: str, book: models.LogBook | None = None, details: Mapping[str, Any] | None = None,
        priority: JobPriority | str = JobPriority.NORMAL,
    ) -> Job:
        """Put a job on the board, and return it.

        :param book: its logbook, which has to be stored where a conductor finds it.
        :raises ValueError: no such priority, or JSON has no form of the details.
        :raises JobFailure: it was not posted; or, where the message says so, that is not known.
        """

    @abc.abstractmethod
    def claim(self, job: Job, who: str) -> None:
        """Become the owner of a job, by a name.

        :raises UnclaimableJob: somebody has claimed it.
        :raises NotFound: it is not on the board.
        :raises JobFailure: it was not claimed, for another reason.
        """

    @abc.abstractmethod
    def consume(self, job: Job, who: str) -> None:
        """Take a job off the board: it is done.

        :raises JobFailure: it is not owned by ``who``, or not any more.
        :raises NotFound: nobody owns it, or it is not on the board.
        """

    @abc.abstractmethod
    def abandon(self, job: Job, who: str) -> None:
        """Give a job back to whoever claims it next; errors as of :meth:`consume`."""

    @abc.abstractmethod
    def trash(self, job: Job, who: str) -> None:
        """Take a job off the board and keep it aside, for somebody to look at; errors as of :meth:`consume`."""

    @abc.abstractmethod
    def register_entity(self, entity: entities.Entity) -> None:
        """Make an entity known on the board, for as long as this board is connected.

        :raises NotImplementedError: the board does not keep such entities.
        """

    @abc.abstractmethod
    def connect(self) -> None:
        """Become able to use the board."""

    @abc.abstractmethod
    def close(self) -> None:
        """Let go of everything, claims included."""

    def ownership(self, job: Job, who: str) -> persistence.Ownership | None:
        """Return what an engine asks before each task whether a job that was claimed here is owned still.

        None where boards of this kind cannot say: then nothing is asked.

        :raises OwnershipLost: it is not claimed here, or not any more.
        """
        return None


class NotifyingJobBoard(JobBoard):
    """A board that tells what happens on it: see :data:`POSTED` and :data:`REMOVAL`."""

    def __init__(self, name: str, conf: Mapping[str, Any]) -> None:
        super().__init__(name, conf)
        self._notifier = Notifier()

    @property
    def notifier(self) -> Notifier:
        """Tells of :data:`POSTED` and :data:`REMOVAL`, whoever did it; the details have the ``job``."""
        return self._notifier
