# SPDX-License-Identifier: Apache-2.0
"""Runs the scheduler and the reference interpreter side by side on one spec, and compares them after every step.

The rules know nothing of a *window* (how many calls may be under way at once) nor of a *barrier* (results are looked
at only when the whole wave has run). Both only make the scheduler later than the rules: calls that the rules have begun
and the scheduler has not yet are *joined*, ends that the rules have not been told yet are *held*. What either does to
states is taken into account by name.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from typing import Any

from tests.reference import build
from tests.reference import interpreter as reference
from tests.reference.spec import DEPTHS, RAISE, Script, Spec
from tfd import plan as planning
from tfd import scheduler as machine
from tfd.scheduler.vocabulary import STATE_NAMES

__all__ = ['Journal', 'Lockstep', 'Mismatch', 'Mode', 'compile_spec']

_MOST_STEPS = 3000
_UNBOUNDED = 1 << 30
_ATOM_CALLS = ('execute', 'revert')

_Call = machine.Execute | machine.Revert


class Mismatch(AssertionError):
    """The scheduler did something that the rules do not say."""


@dataclasses.dataclass(frozen=True, slots=True)
class Mode:
    """How a spec is played.

    :ivar barrier: look at results only when the whole wave has run, as the serial engine does.
    :ivar window: how many calls may be under way at once.
    :ivar crashes: how likely it is, between 0 and 1, that the scheduler is forgotten after a step and one that starts
        from the journal goes on; what was under way is lost with its outcome.
    :ivar withdraws: how likely it is that a suspend withdraws commands that were given and not performed.
    """

    barrier: bool = True
    window: int = _UNBOUNDED
    crashes: float = 0.0
    withdraws: float = 0.5


def compile_spec(spec: Spec) -> planning.Plan:
    """Return the plan of a spec's flow."""
    return planning.compile_flow(build.build(spec, build.modules_of('tfd'), [], Script(spec)))


class Journal:
    """What a run has recorded, as a later run would read it."""

    def __init__(self) -> None:
        self.codes: dict[int, int] = {}
        self.resolved: set[int] = set()
        self.levels: dict[int, int] = {}
        self.verdicts: dict[int, str] = {}
        self.answers: dict[int, str] = {}

    def record(self, step: machine.Step) -> None:
        """Take in one step's transitions."""
        for item in step.transitions:
            match item:
                case machine.Moved(node, code):
                    self.codes[node] = code
                    if code == machine.Code.PENDING:
                        del self.codes[node]
                        self.resolved.discard(node)
                case machine.Resolved(node):
                    self.resolved.add(node)
                case machine.Asked(node, level):
                    _put(self.levels, node, level)
                case machine.Judged(scope, verdict):
                    _put(self.verdicts, scope, verdict)
                case machine.Gated(target, answer):
                    _put(self.answers, target, answer)

    def progress(self) -> machine.Progress:
        """Return what a new scheduler starts from."""
        return machine.Progress(
            dict(self.codes), frozenset(self.resolved), dict(self.levels), dict(self.verdicts), dict(self.answers))


def _put(table: dict[int, Any], key: int, value: Any) -> None:
    if value:
        table[key] = value
    else:
        table.pop(key, None)


class Lockstep:
    """One run of a spec; :meth:`play` it to its end."""

    def __init__(self, spec: Spec, rng: random.Random, mode: Mode) -> None:
        self.spec, self.rng, self.mode = spec, rng, mode
        self.plan = compile_spec(spec)
        self.options = machine.Options(
            barrier=mode.barrier, window=mode.window, defer_reverts=spec.defer_reverts,
            never_resolve=spec.never_resolve)
        self.script = Script(spec)
        self.rules = reference.Interpreter(spec)
        self.journal = Journal()
        #: Under way: commands given, not ended.
        self.running: list[_Call] = []
        #: State before, by name, of what was given last: what a suspend may withdraw.
        self.fresh: list[tuple[_Call, str]] = []
        #: Begun in the rules, not yet by the scheduler; and the state before.
        self.joined: dict[reference.Command, str] = {}
        #: Next attempts of retries in the wave: the rules begin them when the scheduler does.
        self.restarts: set[reference.Command] = set()
        #: Ended, and not yet told to the rules: (kind, name, ok, outcome).
        self.held: list[tuple[str, str, bool, str]] = []
        self.number = 0
        #: What was called, in order: ``x:atom`` execute, ``r:`` revert, ``a:`` ask, ``d:`` decide, ``!`` a crash.
        self.calls: list[str] = []

    def play(self) -> str:
        """Play until the flow has come to its end; return its final state.

        :raises Mismatch: scheduler and rules differ.
        """
        scheduler = machine.Scheduler(self.plan, self.options)
        step = scheduler.start()
        for self.number in range(_MOST_STEPS):
            self.journal.record(step)
            self._begin(step)
            self._compare(step)
            if step.final == 'SUSPENDED':
                self.rules.resume()
                scheduler, step = self._successor()
            elif step.final is not None:
                return step.final
            elif self.crashes():
                self._crash(step)
                scheduler, step = self._successor()
            else:
                step = scheduler.handle(list(self._events(step)))
        raise Mismatch(f'no end after {_MOST_STEPS} steps')

    def _successor(self) -> tuple[machine.Scheduler, machine.Step]:
        scheduler = machine.Scheduler(self.plan, self.options, self.journal.progress())
        return scheduler, scheduler.start()

    def crashes(self) -> bool:
        """Tell whether the process dies now."""
        return self.rng.random() < self.mode.crashes

    def name(self, node: int) -> str:
        """Return an atom's name."""
        return str(self.plan.atoms[node].name)

    # -- the scheduler's commands, held against the rules ------------------------------------------

    def _begin(self, step: machine.Step) -> None:
        if not self.running and not self.joined and not self.restarts:
            self._release()
        if self.rules.revert_failures or (self.spec.never_resolve and self.rules.failures):
            self._unjoin()
        allowed = self.rules.commands()
        given = [self._as_command(command) for command in step.commands]
        for command in given:
            if command not in allowed and command not in self.joined:
                raise Mismatch(f'{command} begins, but only {allowed} may')
        self.fresh = []
        if any(command.kind not in _ATOM_CALLS for command in given):
            if len(given) != 1:
                raise Mismatch(f'{given} at once')
            self.rules.begin(given[0])
            return
        self._join(given, allowed)
        self.running += [command for command, _ in self.fresh]
        if len(self.running) > self.mode.window:
            raise Mismatch(f'{len(self.running)} calls are under way, {self.mode.window} may be')
        waiting = [command for command in self.rules.commands() if not self._may_wait(command)]
        late = [*self.joined, *self.restarts]
        if waiting or (late and len(self.running) < self.mode.window):
            raise Mismatch(f'{given} begin, but {waiting or late} should')

    def _join(self, given: list[reference.Command], allowed: list[reference.Command]) -> None:
        """Begin in the rules what the scheduler began, or took into its wave."""
        calls = {self._as_command(call): call for call in self._calls(given)}
        for command in given:
            before = self.joined.pop(command, None)
            if before is None:
                before = self.rules.state[command.name]
                self.rules.begin(command)
            self.fresh.append((calls[command], before))
        if self.mode.barrier and self.held:
            self.restarts.difference_update(given)
            return  # the wave of these ends is not over: nothing joins it
        left = [command for command in allowed if command not in given and command.kind in _ATOM_CALLS]
        self.restarts = {command for command in left if self._restarts(command)}
        for command in left:
            if command not in self.restarts:
                self.joined[command] = self.rules.state[command.name]
                self.rules.begin(command)

    def _calls(self, given: list[reference.Command]) -> Iterator[_Call]:
        for command in given:
            node = self.plan.by_name[command.name]
            yield machine.Execute(node) if command.kind == 'execute' else machine.Revert(node)

    def _restarts(self, command: reference.Command) -> bool:
        """Tell whether this is a retry's next attempt: that resets its scope when it begins, not when it is ready."""
        return command.kind == 'execute' and self.rules.state[command.name] == 'SUCCESS'

    def _may_wait(self, command: reference.Command) -> bool:
        if self.mode.barrier and (self.running or self.joined or self.restarts):
            return True
        return len(self.running) >= self.mode.window

    def _as_command(self, command: Any) -> reference.Command:
        match command:
            case machine.Execute(node):
                return reference.Command('execute', self.name(node))
            case machine.Revert(node):
                return reference.Command('revert', self.name(node))
            case machine.Ask(retry, _node, blamed):
                return reference.Command('ask', self.name(retry), self.name(blamed))
            case machine.Decide(target):
                return reference.Command('decide', self.name(target))
        raise AssertionError(command)

    def _compare(self, step: machine.Step) -> None:
        expected_states = dict(self.rules.state)
        expected_states.update({command.name: before for command, before in self.joined.items()})
        for kind, name, ok, _outcome in self.held:
            ended = ('SUCCESS', 'FAILURE') if kind == 'execute' else ('REVERTED', 'REVERT_FAILURE')
            expected_states[name] = ended[not ok]
        found = {self.name(node): STATE_NAMES[self.journal.codes.get(node, 0)] for node in self.plan.iter_atoms()}
        if found != expected_states:
            wrong = {name: (found[name], state) for name, state in expected_states.items() if found[name] != state}
            raise Mismatch(f'states (found, expected) differ: {wrong}')
        expected = self.rules.flow_state()
        if (step.final or 'RUNNING') != expected:
            raise Mismatch(f'the flow is {step.final}, but should be {expected}')

    # -- what happens ------------------------------------------------------------------------------

    def _events(self, step: machine.Step) -> Iterator[Any]:
        for command in step.commands:
            if isinstance(command, machine.Ask):
                yield self._ask(command)
                return
            if isinstance(command, machine.Decide):
                yield self._decide(command)
                return
        if self.number in self.spec.suspends:
            yield machine.Suspended(tuple(self._withdraw()))
            self._unjoin()
            self.rules.suspend()
        count = len(self.running) if self.mode.barrier else self.rng.randint(1, 3)
        for _ in range(min(count, len(self.running))):
            yield self._end(self.running.pop(self.rng.randrange(len(self.running))))

    def _withdraw(self) -> Iterator[int]:
        """Yield the nodes of commands that are not performed: the last ones of those that were given last."""
        if self.rng.random() >= self.mode.withdraws or not self.fresh:
            return
        for call, before in self.fresh[self.rng.randrange(len(self.fresh)):]:
            self.running.remove(call)
            self.rules.withdraw(self._as_command(call), before)
            yield call.node

    def _unjoin(self) -> None:
        """Take back in the rules what the scheduler will not begin any more."""
        for command, before in self.joined.items():
            self.rules.withdraw(command, before)
        self.joined = {}
        self.restarts = set()

    def _end(self, command: _Call) -> Any:
        name = self.name(command.node)
        if isinstance(command, machine.Execute):
            self.calls.append(f'x:{name}')
            ok, outcome = self.script.execute(name)
            self._tell('execute', name, ok, outcome)
            return machine.Executed(command.node, ok)
        self.calls.append(f'r:{name}')
        ok, outcome = self.script.revert(name)
        self._tell('revert', name, ok, outcome)
        return machine.Reverted(command.node, ok)

    def _tell(self, kind: str, name: str, ok: bool, outcome: str) -> None:
        self.held.append((kind, name, ok, outcome))
        if not self.mode.barrier:
            self._release()

    def _release(self) -> None:
        """Tell the rules of the ends that were held."""
        for kind, name, ok, outcome in self.held:
            end = self.rules.end_execute if kind == 'execute' else self.rules.end_revert
            end(name, ok, outcome)
        self.held = []

    def _ask(self, command: machine.Ask) -> Any:
        verdict = self.script.ask(self.name(command.retry))
        self.calls.append(f'a:{self.name(command.retry)}')
        self.rules.end_ask(self._as_command(command), verdict, 'raised')
        return machine.Answered(command.retry, '' if verdict == RAISE else verdict)

    def _decide(self, command: machine.Decide) -> Any:
        name = self.name(command.target)
        depth = self._deciders_say(name)
        self.rules.end_decide(name, depth, 'raised')
        return machine.Decided(command.target, 'FAILED' if depth == RAISE else depth)

    def _deciders_say(self, name: str) -> str:
        self.calls.append(f'd:{name}')
        noes = []
        for decider in self.rules.asked(name):
            answer = self.script.decide(decider.link)
            if answer is None:
                return RAISE
            if not answer:
                noes.append(decider.depth)
        return min(noes, key=DEPTHS.index, default='')

    # -- crashes -----------------------------------------------------------------------------------

    def _crash(self, step: machine.Step) -> None:
        """Lose what is under way: before its call, or after it, without anybody having learnt of it."""
        self.calls.append('!')
        for command in step.commands:
            if isinstance(command, machine.Ask) and self.rng.random() < 0.5:
                self.script.ask(self.name(command.retry))
            elif isinstance(command, machine.Decide) and self.rng.random() < 0.5:
                self._deciders_say(self.name(command.target))
        for call in self.running:
            if self.rng.random() < 0.5:
                play = self.script.execute if isinstance(call, machine.Execute) else self.script.revert
                play(self.name(call.node))
        self.running = []
        self._unjoin()
        self._release()
        self.rules.crash([self.name(node) for node in self.plan.iter_atoms()])
