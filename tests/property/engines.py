# SPDX-License-Identifier: Apache-2.0
"""Runs a spec on a real engine, in one life or in several, and holds it against the rules all the while."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from concurrent import futures
from typing import Any

from tests.property.singly import Singly
from tests.property.watch import Mismatch, Watch
from tests.reference import build
from tests.reference.spec import Script, Spec
from tfd import exceptions, states
from tfd import scheduler as machine
from tfd.engines import loading
from tfd.engines.parallel import WINDOW
from tfd.persistence import models
from tfd.persistence.record import Entry

__all__ = ['Crash', 'CrashingBackend', 'EngineRun']

_MODULES = build.modules_of('tfd')


class Crash(BaseException):
    """Stands for the end of the process: nothing may catch it."""


class _CrashingJournal:
    def __init__(self, backend: CrashingBackend) -> None:
        self._backend = backend
        self._journal = backend.backend.journal()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def append(self, entry: Entry) -> None:
        backend = self._backend
        backend.appends += 1
        here = backend.appends == backend.at
        if here and not backend.after:
            backend.die()
        self._journal.append(entry)
        backend.recorded += 1
        if here:
            backend.die()


def _crash() -> None:
    raise Crash


class CrashingBackend:
    """A backend at one of whose appends the process dies.

    :ivar at: the number of the append, from 1; 0 for none.
    :ivar after: whether it is recorded.
    :ivar dies: False where no crash will be asked for.
    :ivar die: ends the process, or stands for it.
    """

    def __init__(self, backend: Any, dies: bool = True, die: Callable[[], None] = _crash) -> None:
        self.backend = backend
        self.dies = dies
        self.die = die
        self.appends = self.recorded = self.at = 0
        self.after = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def journal(self) -> Any:
        """Return the journal."""
        return _CrashingJournal(self)


class _WatchedScheduler:
    """A scheduler that shows the watch what it is told and what it answers."""

    def __init__(self, scheduler: machine.Scheduler, run: EngineRun) -> None:
        self._scheduler = scheduler
        self._run = run

    def start(self) -> machine.Step:
        self._run.takes([])
        step = self._scheduler.start()
        self._run.gave(step)
        return step

    def handle(self, events: Iterable[machine.Event]) -> machine.Step:
        taken = list(events)
        self._run.takes(taken)
        step = self._scheduler.handle(taken)
        self._run.gave(step)
        return step


class _Trace:
    """Takes the calls that a flow's code gets, and compares what they are given with the rules."""

    def __init__(self, run: EngineRun) -> None:
        self._run = run

    def append(self, call: build.Call) -> None:
        self._run.called(call)


@dataclasses.dataclass(slots=True)
class EngineRun:
    """One run of a spec, watched from its first life to its last.

    :ivar kind: ``serial`` or ``parallel``.
    :ivar backend: where it is recorded; None keeps it in memory.
    :ivar suspends: told of each call and each notification; suspends where it answers True.
    """

    spec: Spec
    kind: str = 'serial'
    backend: Any = None
    suspends: Callable[[], bool] = lambda: False
    #: All calls of all lives, in order.
    calls: list[build.Call] = dataclasses.field(default_factory=list)
    wrong: list[str] = dataclasses.field(default_factory=list)
    lives: int = 0
    error: BaseException | None = None
    ended_before: bool = False
    script: Script = dataclasses.field(init=False)
    watch: Watch | None = None
    engine: Any = None
    _detail: models.FlowDetail | None = None
    _book: models.LogBook | None = None
    _before: tuple[Watch, int] | None = None
    _singly: Singly | None = None
    _expected: dict[tuple[str, str], Any] = dataclasses.field(default_factory=dict)
    _last: dict[tuple[str, str], build.Call] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        self.script = Script(self.spec)

    # -- lives -------------------------------------------------------------------------------------

    def play(self, anew: Callable[[], bool] = lambda: False) -> EngineRun:
        """Run to the end, through every crash and suspend.

        :param anew: tells whether a new engine goes on after a suspend, not the same one.
        """
        self._load()
        for _ in range(1000):
            try:
                self._run_once()
            except Crash:
                self._die()
                self._load()
                if self._has_ended():
                    return self
                continue
            except (build.ScriptedFailure, exceptions.WrappedFailure) as error:
                self.error = error
            if self.engine.storage.get_flow_state() != states.SUSPENDED:
                return self
            assert self.watch is not None
            self.watch.resume()
            if anew():
                self._load()
        raise Mismatch('no end after 1000 lives')

    def _has_ended(self) -> bool:
        """Tell whether the flow's end was recorded before the crash: to run it again would be to begin it anew."""
        self.engine.prepare()
        self.ended_before = self.engine.storage.get_flow_state() == states.REVERTED
        return self.ended_before

    def _run_once(self) -> None:
        if self.kind == 'serial':
            self.engine.run()
            return
        # A process that dies takes its threads with it: no call of an old life comes after its end.
        with futures.ThreadPoolExecutor(3) as executor:
            self.engine.options['executor'] = executor
            self.engine.run(timeout=5)

    def _load(self) -> None:
        self.lives += 1
        flow = build.build(self.spec, _MODULES, _Trace(self), self.script, phantoms=False)  # type: ignore[arg-type]
        options = {'defer_reverts': self.spec.defer_reverts, 'never_resolve': self.spec.never_resolve}
        if self._detail is None:
            self._detail = models.FlowDetail(flow.name)
            self._book = models.LogBook('book')
            self._book.add(self._detail)
        detail = self._detail
        if self.backend is not None:
            detail = models.FlowDetail(flow.name, uuid=self._detail.uuid)
        self.engine = loading.load(
            flow, flow_detail=detail, book=self._book, backend=self.backend, engine=self.kind, **options)
        begin = self.engine._begin
        self.engine._begin = lambda: _WatchedScheduler(begin(), self)
        if self.kind == 'serial' and self.backend is None:
            self._singly = Singly(self._took, self._gave, self._succeeded, self.engine.plan.gates)
        self.engine.atom_notifier.register('*', self._told)
        self.engine.compile()
        if self.watch is None:
            serial = self.kind == 'serial'
            self.watch = Watch(self.spec, self.engine.plan, serial, 1 if serial else WINDOW)
        else:
            self.watch.plan = self.engine.plan

    def _die(self) -> None:
        watch, backend = self.watch, self.backend
        assert watch is not None
        if self._before is not None and backend.recorded == self._before[1] and not backend.after:
            # The last step was not recorded: it is as if it had not been taken.
            self.watch = watch = self._before[0]
        backend.at = 0
        watch.crash()

    # -- what is seen ------------------------------------------------------------------------------

    def takes(self, events: list[machine.Event]) -> None:
        assert self.watch is not None
        if self.backend is not None and self.backend.dies:
            self._before = self.watch.fork(), self.backend.recorded
        if self._singly is not None:
            self._singly.takes(events)
            return
        for event in events:
            self._took(event)

    def _took(self, event: machine.Event) -> None:
        assert self.watch is not None
        self.watch.took(event, self._outcome(event))

    def _succeeded(self, kind: str, node: int) -> bool:
        return self._last[kind, str(self.engine.plan.atoms[node].name)].succeeded

    def _outcome(self, event: machine.Event) -> str:
        columns = self.engine.storage.columns
        match event:
            case machine.Executed(node, ok):
                call = self._last['execute', str(self.engine.plan.atoms[node].name)]
                if ok != call.succeeded:
                    self.wrong.append(f'{call} was reported with ok={ok}')
                return str(call.outcome)
            case machine.Reverted(node, ok):
                call = self._last['revert', str(self.engine.plan.atoms[node].name)]
                if ok != call.succeeded:
                    self.wrong.append(f'{call} was reported with ok={ok}')
                return str(columns.revert_failures[node].exception_str) if not ok else ''
            case machine.Answered(retry, answer):
                return '' if answer else columns.failures[retry].exception_str
            case machine.Decided(target, 'FAILED'):
                return str(columns.failures[target].exception_str)
        return ''

    def gave(self, step: machine.Step) -> None:
        if self._singly is not None:
            self._singly.gave(step)
        else:
            self._gave(step)

    def _gave(self, step: machine.Step) -> None:
        assert self.watch is not None
        self.watch.gave(step)
        for command in step.commands:
            self._expect(self.watch, self.watch._as_command(command))

    def _expect(self, watch: Watch, command: Any) -> None:
        """Note what the call that this command leads to must be given."""
        rules, name, expected = watch.rules, command.name, self._expected
        ended = {other: outcome for kind, other, ok, outcome in watch.held if kind == 'execute' and not ok}
        failures = {**rules.failures, **ended}
        if command.kind == 'execute':
            expected['execute', name] = rules.history(name) if name in rules.histories else None
        elif command.kind == 'ask':
            expected['ask', name] = rules.asked_history(command)
        elif command.kind == 'decide':
            for decider in rules.asked(name):
                expected['decide', decider.link] = rules.decider_history(name)
        elif name in rules.histories:
            expected['revert', name] = rules.history(name)
        else:
            outcome = rules.failures.get(name, rules.results.get(name))
            expected['revert', name] = (outcome, tuple(sorted(failures.items())))

    def called(self, call: build.Call) -> None:
        if self._singly is not None and call.kind in ('execute', 'revert', 'decide'):
            # What a decider is called by is its link.
            self._singly.reaches(call.kind, self.engine.plan.by_name.get(call.name))
        expected = self._expected.get((call.kind, call.name), 'no call')
        if call.given != expected:
            self.wrong.append(f'{call} should be given {expected}')
        self.calls.append(call)
        self._last[call.kind, call.name] = call
        self._suspend()

    def _told(self, state: str, details: Any) -> None:
        self._suspend()

    def _suspend(self) -> None:
        if self.suspends():
            self.engine.suspend()

    # -- the end -----------------------------------------------------------------------------------

    def check(self) -> None:
        """Compare how it ended with the rules.

        :raises Mismatch: it ended in another way.
        """
        assert self.watch is not None
        if self.wrong:
            raise Mismatch('\n'.join(self.wrong))
        self._check_storage(self.engine.storage)
        rules = self.watch.rules
        raised = _texts(self.error)
        if raised != rules.raised() and not self.ended_before:
            raise Mismatch(f'{self.error!r} was raised, but {rules.raised()} should be')
        if self.backend is not None:
            # What a later process finds is the same.
            self._load()
            self.engine.prepare()
            self._check_storage(self.engine.storage)

    def _check_storage(self, storage: Any) -> None:
        assert self.watch is not None
        rules = self.watch.rules
        names = list(rules.state)
        _same('flow state', storage.get_flow_state(), rules.flow_state())
        found = {name: state for name, (state, _intention) in storage.get_atoms_states(names).items()}
        _same('states', found, rules.state)
        for name in names:
            if rules.state[name] == 'SUCCESS':
                result = storage.get(name)[-1][0] if name in rules.histories else storage.get(name)
                _same(f'result of {name}', result, rules.results[name])
        for name in rules.histories:
            if rules.state[name] != 'REVERTED':
                found = tuple(
                    (result, tuple(sorted((who, failure.exception_str) for who, failure in failures.items())))
                    for result, failures in storage.get_retry_history(name))
                _same(f'history of {name}', found, rules.history(name))
        for what in ('failures', 'revert_failures'):
            read = storage.get_execute_failures if what == 'failures' else storage.get_revert_failures
            _same(what, {name: failure.exception_str for name, failure in read().items()}, getattr(rules, what))


def _texts(error: BaseException | None) -> set[str]:
    if error is None:
        return set()
    if isinstance(error, exceptions.WrappedFailure):
        return {failure.exception_str for failure in error}
    return {str(error)}


def _same(what: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise Mismatch(f'{what}: found {found}, expected {expected}')
