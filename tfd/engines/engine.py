# SPDX-License-Identifier: Apache-2.0
"""The shell around the scheduler: records its steps, performs its commands, tells who listens. In that order.

A run is a loop: the scheduler answers events with a step; the step is recorded in one transaction; its commands are
performed; what they came to are the next events. Whether commands are performed one by one or handed to an executor is
what engines differ in.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tfd import exceptions, states
from tfd import plan as planning
from tfd import retry as retries
from tfd import scheduler as machine
from tfd.engines import base, outcomes, patience, publishing, questions
from tfd.engines import options as known_options
from tfd.executors import calls
from tfd.persistence import base as persistence
from tfd.persistence import models
from tfd.plan import Kind, Plan
from tfd.scheduler import Ask, Decide, Event, Execute, Revert, Step
from tfd.storage import Storage
from tfd.storage.columns import Columns
from tfd.types import failure as ft

__all__ = ['ActionEngine']

LOG = logging.getLogger(__name__)

#: Seconds between two looks for a suspend, at the least, while nothing else makes a pause.
_PAUSE = 0.01

_RETRY = int(Kind.RETRY)
_INTERRUPTED = frozenset((states.RUNNING, states.SUSPENDING, states.RESUMING))
_UNENDED = _INTERRUPTED | {states.SUSPENDED}
#: What a run yields that finds nothing to do.
_NOTHING_TO_DO = (states.SCHEDULING, states.WAITING, states.ANALYZING)


class ActionEngine(base.Engine):
    """What serial and parallel engines have in common.

    :param defer_reverts: option; a REVERT that no retry above overrules reverts everything, not the failed scope alone.
    :param never_resolve: option; leave failures as they are: ask no retry and revert nothing.
    :param ownership: option; the claim under which a job is run (:class:`tfd.persistence.base.Ownership`).
    :param patience: option; seconds to go on trying to record a step while the database is away.
    :param refuse_changed: option; refuse to go on with a flow that began under another plan.
    :param sleep: option; how to wait between such tries, for tests.
    :raises ValueError, TypeError: an option that no engine knows, or one with a value that cannot be used.
    """

    _barrier = True
    _window = 1

    def __init__(
        self, flow: Any, flow_detail: models.FlowDetail, backend: persistence.Backend | None,
        options: Mapping[str, Any], book: str | None = None,
    ) -> None:
        options = known_options.read(options)
        super().__init__(flow, flow_detail, backend, options)
        self._ownership: persistence.Ownership | None = options.get('ownership')
        fence = self._ownership.fence if self._ownership is not None else None
        #: What is asked before a write that no fence goes with.
        self._unfenced = self._ownership if fence is None else None
        self._storage = Storage(flow_detail, backend, fence, book)
        self._plan: Plan | None = None
        #: Values of the run; there once the engine is prepared.
        self._columns: Columns
        self._prepared = self._suspending = False
        # Whether who runs looks at each step; whether an atom's end is told at once, with no record to wait for.
        self._stepping = self._at_once = False
        self._in_use = threading.Lock()
        # One thread compiles and prepares; others that want to wait for it.
        self._preparing = threading.RLock()
        self._publisher = publishing.Publisher(self)
        self._patience = patience.Patience(self._storage, self._ownership, self._options, lambda: self._suspending)
        self._steps = 0
        self._active_for = 0.0
        self._scheduling = machine.Options(
            barrier=self._barrier, window=self._window, defer_reverts=bool(options.get('defer_reverts', False)),
            never_resolve=bool(options.get('never_resolve', False)))

    @property
    def storage(self) -> Storage:
        """States, results and inputs of the run."""
        return self._storage

    @property
    def statistics(self) -> dict[str, Any]:
        """How much was done so far: ``steps`` recorded, and ``active_for`` seconds of running."""
        return {'steps': self._steps, 'active_for': self._active_for}

    # -- before running ----------------------------------------------------------------------------

    def compile(self) -> None:
        """Make the plan."""
        with self._preparing:
            if self._plan is None:
                self._plan = planning.compile_flow(self._flow)

    @property
    def plan(self) -> Plan:
        """The compiled flow; compiles it."""
        if self._plan is None:
            self.compile()
        assert self._plan is not None
        return self._plan

    def prepare(self) -> None:
        """Record the flow, or load what is recorded of it."""
        with self._preparing:
            if self._prepared:
                return
            self._persist(lambda: self._storage.bind(self.plan, bool(self._options.get('refuse_changed', False))))
            self._columns = self._publisher.columns = self._storage.columns
            if self._storage.get_flow_state() in _INTERRUPTED:
                self._storage.show_flow_state(states.SUSPENDED)
            self._prepared = True

    def validate(self) -> None:
        """Check that whatever an atom requires is there."""
        self.prepare()
        missing: dict[str, None] = {}
        cause: exceptions.MissingDependencies | None = None
        for node, method, symbol in self.plan.unprovided:
            atom = self.plan.atoms[node]
            if not self._storage.has_input(symbol, atom):
                missing[symbol] = None
                cause = cause or exceptions.MissingDependencies(f"'{method}' method on {atom}", [symbol])
        if missing:
            raise exceptions.MissingDependencies(self._flow, sorted(missing), cause=cause)

    def reset(self) -> None:
        """Make the flow as it was before its first run."""
        if not self._prepared:
            raise exceptions.InvalidState('Can not reset an engine which has not been prepared')
        states.check_flow_transition(self._storage.get_flow_state(), states.PENDING)
        self._commit(self._storage.clear(), states.PENDING)

    def suspend(self) -> None:
        """Let the flow come to rest once the atoms that run have ended."""
        if self._plan is None:
            raise exceptions.InvalidState('Can not suspend an engine which has not been compiled')
        self._suspending = True

    # -- running -----------------------------------------------------------------------------------

    def run(self, timeout: float | None = None) -> None:
        """Run the flow until it comes to rest."""
        self._stepping, timeout = False, base.seconds(timeout, _PAUSE)
        with self._running() as scheduler:
            step = self._started(scheduler.start())
            while step.final is None:
                step = self._handle(scheduler, self._perform(step.commands) or self._wait(timeout))
            self._finish(step)
        outcomes.raise_failures(self._storage)

    def run_iter(self, timeout: float | None = None) -> Iterator[str]:
        """Run, yielding what the engine is about to do; ``send(True)`` suspends."""
        self._stepping, timeout = True, base.seconds(timeout)
        with self._running() as scheduler:
            yield from self._loop(scheduler, timeout)
        outcomes.raise_failures(self._storage)

    @contextlib.contextmanager
    def _running(self) -> Iterator[machine.Scheduler]:
        """Hold what a run needs; one at a time."""
        # First of all: what another run holds must not be prepared anew under it.
        if not self._in_use.acquire(blocking=False):
            raise exceptions.ExecutionFailure(f'flow {self.plan.name!r} is being run by this engine already')
        try:
            self.validate()
        except BaseException:
            self._in_use.release()
            raise
        began = time.monotonic()
        try:
            yield self._begin()
        except BaseException as err:
            self._end()
            self._stopped(err)
            raise
        finally:
            self._active_for += time.monotonic() - began
            self._suspending = False
            self._end()
            self._in_use.release()

    def _stopped(self, error: BaseException) -> None:
        """Record that the flow rests, which an error has stopped: nothing runs it any more.

        It is SUSPENDED, with what was under way as after a crash; FAILURE where who drives :meth:`run_iter` threw an
        exception into it. Not that of a job: who owns it decides. Nor after a write that failed.
        """
        broken_off = not self._prepared
        if self._ownership is not None or (broken_off and not isinstance(error, calls.ENDS)):
            return
        thrown_in = isinstance(error, Exception) and not isinstance(error, exceptions.TaskFlowException)
        try:
            self.prepare()
            if self._storage.get_flow_state() in (_UNENDED if broken_off else _INTERRUPTED):
                if not (thrown_in or broken_off):
                    self._publisher.flow(states.SUSPENDING)
                self._commit(Step([], []), states.FAILURE if thrown_in else states.SUSPENDED)
        except Exception:
            LOG.warning('flow %s has stopped, and that cannot be recorded', self._storage.flow_uuid, exc_info=True)

    def _begin(self) -> machine.Scheduler:
        if self._storage.get_flow_state() == states.REVERTED:
            self._commit(self._storage.clear(), states.PENDING)
        self._suspending = False
        self._publisher.watch()
        return machine.Scheduler(self.plan, self._how(), self._storage.progress())

    def _how(self) -> machine.Options:
        """Return how this run is scheduled."""
        return self._scheduling

    def _loop(self, scheduler: machine.Scheduler, timeout: float | None) -> Iterator[str]:
        # Not "|=": that reads the flag before the yield, during which suspend() may set it.
        if (yield states.RESUMING):
            self._suspending = True
        step = self._started(scheduler.start())
        if step.final is not None:
            yield from _NOTHING_TO_DO
        while step.final is None:
            events: list[Event] | None = None
            try:
                if (yield states.SCHEDULING):
                    self._suspending = True
                events = self._perform(step.commands)
                if (yield states.WAITING):
                    self._suspending = True
                events = events or self._wait(timeout)
                if (yield states.ANALYZING):
                    self._suspending = True
            except GeneratorExit:
                self._finish(self._come_to_rest(scheduler, step, events))
                raise
            except Exception:
                if events:
                    # Whatever is thrown in, what has ended has ended.
                    self._commit(scheduler.handle([*events, machine.Suspended()]))
                raise
            step = self._handle(scheduler, events)
        yield self._finish(step)

    def _started(self, step: Step) -> Step:
        """Record the first step, unless it is the last one too."""
        if step.final is None:
            self._commit(step, states.RUNNING)
        else:
            self._publisher.flow(states.RUNNING)
        return step

    def _handle(self, scheduler: machine.Scheduler, events: list[Event]) -> Step:
        """Return what follows from events; it is recorded, unless it is the last step."""
        if self._suspending:
            self._tell_suspending(events)
        step = scheduler.handle(events)
        if step.final is None and events:
            self._commit(step)
        return step

    def _come_to_rest(self, scheduler: machine.Scheduler, step: Step, events: list[Event] | None) -> Step:
        """Let what runs end, as after a suspend, where who drives the engine leaves it; return the last step.

        :param events: what the step's commands came to, as far as it is known; None where they were not performed.
        """
        self._suspending = True
        while step.final is None:
            if events is None:
                events = self._perform(step.commands)
            step, events = self._handle(scheduler, events or self._wait(None)), None
        return step

    def _tell_suspending(self, events: list[Event]) -> None:
        if self._storage.get_flow_state() != states.SUSPENDING:
            self._publisher.flow(states.SUSPENDING)
            events.append(machine.Suspended())

    def _finish(self, step: Step) -> str:
        """Record the last step, in one transaction with the flow's state and what becomes of the job."""
        final = step.final
        assert final is not None
        settlement = None
        if self._ownership is not None:
            settlement = self._ownership.settlement(final, list(outcomes.failures(self._storage, final).values()))
        self._commit(step, final, settlement)
        return final

    # -- recording ---------------------------------------------------------------------------------

    def _commit(self, step: Step, flow_state: str | None = None, settlement: Any = None) -> None:
        """Record a step, and tell of it once it is recorded."""
        self._steps += 1
        publisher = self._publisher
        news = publisher.news(step) if self._atom_notifier.topics else ()
        old = flow_state and self._storage.get_flow_state()
        if self._backend is None:
            # As _persist would, which is a call more for every task.
            self._storage.record(step, flow_state, settlement)
        else:
            self._persist(lambda: self._storage.record(step, flow_state, settlement))
        if flow_state == states.RUNNING and old != flow_state:
            # That it runs comes before what it does.
            publisher.tell_flow(flow_state, str(old))
            old = flow_state
        for item in news:
            publisher.atom(*item)
        if publisher.watched and not self._at_once:
            publisher.ended(step)
        if flow_state is not None and old != flow_state:
            publisher.tell_flow(flow_state, str(old))

    def _persist(self, write: Callable[[], None]) -> None:
        """Write, with patience. After an error it is not known what is recorded: another run begins by looking."""
        if self._backend is None:
            write()
            return
        if self._unfenced is not None:
            self._unfenced.check()
        try:
            self._patience.write(write)
        except BaseException:
            # Only now: another thread that prepares while this one writes would load what is half recorded.
            self._prepared = False
            raise

    # -- performing commands -----------------------------------------------------------------------

    def _perform(self, commands: Sequence[Any]) -> list[Event]:
        """Perform commands; return what they came to, as far as it is known at once."""
        events: list[Event] = []
        for at, command in enumerate(commands):
            kind = type(command)
            if kind is Execute or kind is Revert:
                if self._suspending:
                    events.append(machine.Suspended(tuple(one.node for one in commands[at:])))
                    self._publisher.flow(states.SUSPENDING)
                    break
                self._start(command.node, kind is Revert, events)
            elif kind is Ask:
                events.append(questions.ask(self._storage, self.plan, command))
            elif kind is Decide:
                events.append(questions.decide(self._storage, self.plan, command))
            else:
                self._perform_chain(command, events)
        return events

    def _start(self, node: int, reverting: bool, events: list[Event]) -> None:
        """Begin the call of an atom; add its end to the events where that is known at once."""
        raise NotImplementedError

    def _perform_chain(self, command: Any, events: list[Event]) -> None:
        """Perform a command for a chain of tasks; given only to engines that ask the scheduler for them."""
        raise NotImplementedError

    def _wait(self, timeout: float | None) -> list[Event]:
        """Return what else has ended, after waiting for it."""
        return []

    def _end(self) -> None:
        """Let go of what the run needed."""

    def _dispatch(self, node: int, code: int) -> None:
        """Show that an atom begins."""
        shown = self._columns.states
        old = shown[node]
        if old != code:
            shown[node] = code
            if self._atom_notifier.topics:
                self._publisher.atom(node, old, code)
        if self._publisher.watched or self._columns.metas:
            self._publisher.begins(node)

    def _arguments(self, node: int, reverting: bool) -> Any:
        """Return what an atom is called with, or the Failure to find it."""
        plan, storage = self._columns.plan, self._storage
        bound = (plan.revert_arguments if reverting else plan.execute_arguments)[node]
        try:
            arguments = storage.arguments(node, bound) if bound else {}
        except Exception:
            return ft.Failure()
        is_retry = plan.kinds[node] == _RETRY
        if is_retry:
            arguments[retries.EXECUTE_REVERT_HISTORY] = storage.history_of(node)
        if reverting:
            arguments[retries.REVERT_FLOW_FAILURES] = storage.flow_failures()
            if not is_retry:
                arguments['result'] = storage.outcome_of(node)
        return arguments
