# SPDX-License-Identifier: Apache-2.0
"""Runs the scheduler and the reference interpreter side by side on one spec, and compares them after every step."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from tests.reference import build
from tests.reference import interpreter as reference
from tests.reference.spec import DEPTHS, RAISE, Script, Spec
from tfd import plan as planning
from tfd import scheduler as machine
from tfd.scheduler.vocabulary import STATE_NAMES

__all__ = ['Journal', 'Mismatch', 'compile_spec', 'run']

_MOST_STEPS = 3000


class Mismatch(AssertionError):
    """The scheduler did something that the rules do not say."""


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


class run:  # noqa: N801 - reads as a verb where it is used
    """One run in lock step.

    :param serial: look at results only when the whole wave has run.
    :param crashes: tells, before each step, whether to forget the scheduler and go on from the journal with a new one.
    """

    def __init__(
        self, spec: Spec, rng: random.Random, serial: bool, window: int = 1 << 30,
        crashes: Callable[[int], bool] = lambda number: False,
    ) -> None:
        self.spec, self.rng, self.serial, self.crashes = spec, rng, serial, crashes
        self.plan = compile_spec(spec)
        self.options = machine.Options(
            barrier=serial, window=window, defer_reverts=spec.defer_reverts, never_resolve=spec.never_resolve)
        self.script = Script(spec)
        self.rules = reference.Interpreter(spec)
        self.journal = Journal()
        self.running: list[machine.Execute | machine.Revert] = []
        self.number = 0
        self.calls: list[str] = []

    def to_the_end(self) -> str:
        """Play until the flow has come to rest; return its final state.

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
                scheduler = machine.Scheduler(self.plan, self.options, self.journal.progress())
                step = scheduler.start()
                continue
            if step.final is not None:
                return step.final
            if self.crashes(self.number) and not self.spec.suspends:
                scheduler = machine.Scheduler(self.plan, self.options, self.journal.progress())
                step = self._restart(scheduler)
                continue
            step = scheduler.handle(list(self._events(step)))
        raise Mismatch(f'no end after {_MOST_STEPS} steps')

    def name(self, node: int) -> str:
        """Return an atom's name."""
        return self.plan.atoms[node].name

    # -- the scheduler's commands, held against the rules ------------------------------------------

    def _begin(self, step: machine.Step) -> None:
        allowed = self.rules.commands()
        given = [self._as_command(command) for command in step.commands]
        for command in given:
            if command not in allowed:
                raise Mismatch(f'{command} begins, but only {allowed} may')
        partial = any(command.kind == 'decide' for command in given) or self.serial
        if not partial and set(given) != set(allowed):
            raise Mismatch(f'{given} begin, but {allowed} should')
        if not given and not self.running and allowed:
            raise Mismatch(f'nothing begins, but {allowed} should')
        for command in allowed if self.serial and given and given[0].kind in ('execute', 'revert') else given:
            self.rules.begin(command)
        self.running += [one for one in step.commands if isinstance(one, machine.Execute | machine.Revert)]

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
        found = {self.name(node): STATE_NAMES[self.journal.codes.get(node, 0)] for node in self.plan.iter_atoms()}
        if found != self.rules.state:
            wrong = {name: (found[name], state) for name, state in self.rules.state.items() if found[name] != state}
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
            self.rules.suspend()
            yield machine.Suspended()
        count = len(self.running) if self.serial else self.rng.randint(1, 3)
        for _ in range(min(count, len(self.running))):
            yield self._end(self.running.pop(self.rng.randrange(len(self.running))))

    def _end(self, command: machine.Execute | machine.Revert) -> Any:
        name = self.name(command.node)
        self.calls.append(f'{"x" if isinstance(command, machine.Execute) else "r"}:{name}')
        if isinstance(command, machine.Execute):
            ok, outcome = self.script.execute(name)
            self.rules.end_execute(name, ok, outcome)
            return machine.Executed(command.node, ok)
        ok, outcome = self.script.revert(name)
        self.rules.end_revert(name, ok, outcome)
        return machine.Reverted(command.node, ok)

    def _ask(self, command: machine.Ask) -> Any:
        verdict = self.script.ask(self.name(command.retry))
        self.calls.append(f'a:{self.name(command.retry)}')
        self.rules.end_ask(self._as_command(command), verdict, 'raised')
        return machine.Answered(command.retry, '' if verdict == RAISE else verdict)

    def _decide(self, command: machine.Decide) -> Any:
        name = self.name(command.target)
        self.calls.append(f'd:{name}')
        noes = []
        for decider in self.rules.asked(name):
            answer = self.script.decide(decider.link)
            if answer is None:
                self.rules.end_decide(name, RAISE, 'raised')
                return machine.Decided(command.target, 'FAILED')
            if not answer:
                noes.append(decider.depth)
        depth = min(noes, key=DEPTHS.index, default='')
        self.rules.end_decide(name, depth)
        return machine.Decided(command.target, depth)

    # -- crashes -----------------------------------------------------------------------------------

    def _restart(self, scheduler: machine.Scheduler) -> machine.Step:
        """Start a new scheduler where everything that was under way is lost with its outcome."""
        lost = {command.node for command in self.running}
        self.running = []
        step = scheduler.start()
        redone = {one.node for one in step.commands if isinstance(one, machine.Execute | machine.Revert)}
        del lost, redone
        return step
