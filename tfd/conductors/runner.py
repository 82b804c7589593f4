# SPDX-License-Identifier: Apache-2.0
"""One claimed job, from its claim to the release of its lock.

What operators see of it in the log, each line with ``job= flow= epoch=``: ``completed`` with the
outcome, ``handed over``, ``gave back`` and ``parked`` with the reason, ``lost`` where a peer has
the job by now, ``left`` where the database could not be asked any more. Arguments and results are
never logged; of a failure only its type is, its text is in the job's row (``tfd job show``), with the last
lines that were logged about the run where the job was parked or given back.
"""

from __future__ import annotations

import dataclasses
import enum
import logging
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from tfd import exceptions, states
from tfd import flow as flows
from tfd.conductors import tail as tails
from tfd.jobs import board as boards
from tfd.jobs import claim as claims
from tfd.jobs import factories, record
from tfd.types.secret import Veil

__all__ = ['Engine', 'JobRun', 'MakeEngine', 'Running', 'Verdict']

LOG = logging.getLogger(__name__)

#: What says nothing about the job: the servers are away, another release's, or the job is somebody else's.
_NOT_THE_JOBS_FAULT = (
    exceptions.StorageUnavailable, exceptions.IncompatibleSchema, exceptions.CoordinatorUnavailable,
    exceptions.SessionLost,
)
#: What may be this host's fault alone, as too many open files: another host may load the flow.
_MAYBE_THIS_HOSTS_FAULT = (OSError, MemoryError)


class Injectable(Protocol):
    """The part of an engine's storage that is used here."""

    @property
    def veil(self) -> Veil:
        """What hides the flow's secrets."""

    def inject(self, pairs: Mapping[str, Any], transient: bool = False) -> None:
        """Add values to the flow's inputs."""

    def running_atoms(self) -> list[str]:
        """Return the names of the atoms that are being executed or reverted now."""


class Engine(Protocol):
    """The part of an engine that is used here; see :mod:`tfd.engines`."""

    @property
    def storage(self) -> Injectable:
        """Where the flow's inputs are, once compiled."""

    def compile(self) -> None:
        """Make the plan."""

    def prepare(self) -> None:
        """Record the flow, or load what is recorded of it."""

    def validate(self) -> None:
        """Check that everything that the flow requires is there."""

    def run(self) -> None:
        """Run until the flow comes to rest, and record that."""

    def suspend(self) -> None:
        """Come to rest at the next atom boundary."""


#: Makes an engine for a flow, whose inputs, logbook and ownership are those of the claimed job.
MakeEngine = Callable[[flows.Flow, claims.ClaimedJob], Engine]


class Verdict(enum.Enum):
    """How a run ended."""

    #: The job was given back: completed, handed over or parked.
    SETTLED = 'settled'
    #: The job was given back because it cannot run here; somebody else should try first.
    REFUSED = 'refused'
    #: The job is somebody else's by now; nothing was recorded.
    LOST = 'lost'
    #: It is not known, or not recorded, how it ended: the row still names this process as owner.
    LEFT = 'left'


@dataclasses.dataclass(frozen=True, slots=True)
class Running:
    """What a run is at now.

    :ivar since: seconds since 1970-01-01 UTC, when its claim came to be run.
    :ivar atoms: the atoms that are being executed or reverted; none while the flow is loaded.
    """

    job: str
    flow: str
    epoch: int
    since: float
    atoms: Sequence[str]


class JobRun:
    """Runs one claimed job: call it, once, from a thread of its own.

    It never raises. Whatever happens the lock is released in the end; a job of the verdict LEFT is
    given back by the reconciler when the database answers again.

    :param kept: keeps what is logged about the run, to be stored where that ends in trouble.
    """

    def __init__(self, claimed: claims.ClaimedJob, board: boards.JobBoard,
                 flow_factories: factories.FlowFactories, make_engine: MakeEngine,
                 max_attempts: int, kept: tails.Tails) -> None:
        self.claimed = claimed
        self._board = board
        self._factories = flow_factories
        self._make_engine = make_engine
        self._max_attempts = max_attempts
        self._kept = kept
        self._tail = tails.Tail()
        self._guard = threading.Lock()
        self._engine: Engine | None = None
        self._suspending = False
        self._since = time.time()

    def running(self) -> Running:
        """Return what it is at. Safe from any thread."""
        job, engine = self.claimed.job, self._engine
        atoms = engine.storage.running_atoms() if engine is not None else ()
        return Running(job.id, job.flow, job.epoch, self._since, atoms)

    def suspend(self) -> None:
        """Ask the flow to come to rest at its next atom boundary, and the job to be left to a peer.

        May be called at any time and again; an engine that was not ready to hear it hears it then.
        """
        self.claimed.handing_over = True
        with self._guard:
            self._suspending = True
            engine = self._engine
        if engine is not None:
            try:
                engine.suspend()
            except Exception as err:
                LOG.debug('%s cannot suspend now: %s', self._ids(), err)

    def __call__(self) -> Verdict:
        """Run the job to its end here."""
        with self._kept.of(self.claimed.job.id, self.claimed.job.flow_uuid) as self._tail:
            return self._to_its_end()

    def _to_its_end(self) -> Verdict:
        # Nothing is logged inside an except block: oslo.log would add the error's text to the line.
        caught: BaseException | None = None
        verdict = Verdict.LEFT
        try:
            verdict = self._run()
        except BaseException as err:
            caught = err
        if isinstance(caught, exceptions.OwnershipLost):
            LOG.warning('lost %s owner=%s: %s', self._ids(), self.claimed.job.owner, caught.why)
            verdict = Verdict.LOST
        elif isinstance(caught, _NOT_THE_JOBS_FAULT):
            LOG.warning('left %s: %s', self._ids(), caught)
        elif caught is not None:
            LOG.error('unexpected %s: %s\n%s', type(caught).__name__, self._ids(), _where(caught))
            verdict = self._give_up(caught)
        self._release()
        return verdict

    def _give_up(self, caught: BaseException) -> Verdict:
        """Give a job back after an error that nobody foresaw, if that is still possible."""
        try:
            return self._give_back(f'unexpected error: {_reason(caught)}')
        except Exception as err:
            LOG.debug('not given back %s: %s', self._ids(), err)
            return Verdict.LEFT

    def _run(self) -> Verdict:
        job = self.claimed.job
        if job.attempts > self._max_attempts:
            return self._park(f'claimed {job.attempts - 1} times in a row without recording '
                              f'anything new; {job.cause or "its owners died"}', job.log)
        engine, trouble = self._try_to_load()
        with self._guard:
            suspending = self._suspending
        if engine is None:
            return self._refuse(trouble)
        if suspending:
            return self._give_back('handed over', counts=False)
        return self._execute(engine)

    def _try_to_load(self) -> tuple[Engine | None, Exception | None]:
        """Return the engine, or what is wrong with the job."""
        try:
            return self._load(), None
        except (exceptions.OwnershipLost, *_NOT_THE_JOBS_FAULT):
            raise
        except Exception as err:
            return None, err

    def _refuse(self, trouble: Exception | None) -> Verdict:
        """Park a job that cannot be loaded anywhere; leave one to others that may be here alone."""
        reason = _reason(trouble)
        cause = getattr(trouble, 'cause', None) or trouble
        if isinstance(cause, (exceptions.UnknownFlow, exceptions.UnknownKey, *_MAYBE_THIS_HOSTS_FAULT)):
            return self._give_back(reason)
        return self._park(reason)

    def _load(self) -> Engine:
        """Make the flow and its engine, with everything that was recorded before."""
        flow = self._factories.make(self.claimed.job.flow)
        engine = self._make_engine(flow, self.claimed)
        engine.compile()
        self.claimed.log = self._log
        with self._guard:
            # From here on it hears of a suspend, and gives up waiting for a database that is away.
            self._engine = engine
            if self._suspending:
                return engine
        engine.storage.inject(
            {'tfd_job_id': self.claimed.job.id, 'tfd_epoch': self.claimed.job.epoch},
            transient=True)
        engine.prepare()
        engine.validate()
        return engine

    def _execute(self, engine: Engine) -> Verdict:
        """Run the engine, which settles the job in its last transaction."""
        broken: Exception | None = None
        try:
            engine.run()
        except Exception as err:
            # That of a task, once its flow is reverted; the engine's own; or an answer was lost.
            broken = err
        if self.claimed.given is None or (broken and not self._board.confirm(self.claimed)):
            if isinstance(broken, (exceptions.OwnershipLost, *_NOT_THE_JOBS_FAULT)):
                raise broken
            LOG.error('%s: the engine stopped without settling the job: %s\n%s', self._ids(),
                      type(broken).__name__, _where(broken))
            reason = f'the engine stopped: {_reason(broken)}'
            if isinstance(broken, exceptions.NotStorable):
                # It would come to the same point, and no further, anywhere.
                return self._park(reason)
            return self._give_back(reason)
        self._tell()
        return Verdict.SETTLED

    def _tell(self) -> None:
        given = self.claimed.given
        if given is None:
            return
        if given.state == states.COMPLETE:
            LOG.info('completed %s outcome=%s', self._ids(), given.outcome)
        elif given.state == states.PARKED:
            LOG.error('parked %s outcome=%s: its revert failed', self._ids(), given.outcome)
        else:
            LOG.info('handed over %s: %s', self._ids(), given.reason)

    def _park(self, reason: str, before: Sequence[str] = ()) -> Verdict:
        self._board.park(self.claimed, self._told(reason, before))
        LOG.error('parked %s attempt=%d: %s', self._ids(), self.claimed.job.attempts,
                  reason.partition(':')[0])
        return Verdict.SETTLED

    def _give_back(self, reason: str, counts: bool = True) -> Verdict:
        told = self._told(reason) if counts else reason
        self._board.abandon(self.claimed, told, counts=counts)
        LOG.log(logging.WARNING if counts else logging.INFO, 'gave back %s attempt=%d: %s',
                self._ids(), self.claimed.job.attempts, reason.partition(':')[0])
        return Verdict.REFUSED if counts else Verdict.SETTLED

    def _told(self, reason: str, before: Sequence[str] = ()) -> str:
        """Return a reason as it is stored, with the last lines about this run and what is left of those before."""
        return record.reasoned(self._veil().text(reason), [*before, *self._log()][-tails.LINES:])

    def _log(self) -> list[str]:
        veil = self._veil()
        return [tails.bounded(veil.text(line)) for line in self._tail.lines]

    def _veil(self) -> Veil:
        if self._engine is not None:
            return self._engine.storage.veil
        veil = Veil()
        veil.learn(self.claimed.job.store)
        return veil

    def _release(self) -> None:
        try:
            self._board.let_go(self.claimed)
        except Exception:
            LOG.exception('the lock could not be released: %s', self._ids())

    def _ids(self) -> str:
        job = self.claimed.job
        return f'job={job.id} flow={job.flow} epoch={job.epoch}'


def _reason(err: BaseException | None) -> str:
    """Return an error as one line that begins with its type."""
    if err is None:
        return 'without an error'
    return f'{type(err).__name__}: {err}'


def _where(error: BaseException | None) -> str:
    """Return where an error came from, without its text: that is a task's, and may hold a secret."""
    return '' if error is None else ''.join(traceback.format_tb(error.__traceback__)).rstrip()
