# SPDX-License-Identifier: Apache-2.0
"""Holds what a scheduler does against the rules, step by step, whoever drives it.

The rules know nothing of a *window* (how many calls may be under way at once) nor of a *barrier* (results are looked
at only when the whole wave has run). Both only make the scheduler later than the rules: calls that the rules have begun
and the scheduler has not yet are *joined*, ends that the rules have not been told yet are *held*. What either does to
states is taken into account by name.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

from tests.reference import interpreter as reference
from tests.reference.spec import RAISE, Spec
from tfd import plan as planning
from tfd import scheduler as machine
from tfd.scheduler.vocabulary import FAILED, STATE_NAMES

__all__ = ['UNBOUNDED', 'Journal', 'Mismatch', 'Watch']

UNBOUNDED = 1 << 30

_ATOM_CALLS = ('execute', 'revert')

_Call = machine.Execute | machine.Revert


class Mismatch(AssertionError):
    """The scheduler did something that the rules do not say."""


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
                case machine.GatedAll(targets):
                    self.answers.update(dict.fromkeys(targets, 'yes'))

    def progress(self) -> machine.Progress:
        """Return what a new scheduler starts from."""
        return machine.Progress(
            dict(self.codes), frozenset(self.resolved), dict(self.levels), dict(self.verdicts), dict(self.answers))


def _put(table: dict[int, Any], key: int, value: Any) -> None:
    if value:
        table[key] = value
    else:
        table.pop(key, None)


class Watch:
    """The rules beside one run.

    :param barrier: results are looked at only when the whole wave has run.
    :param window: how many calls may be under way at once.
    """

    def __init__(self, spec: Spec, plan: planning.Plan, barrier: bool, window: int) -> None:
        self.spec, self.plan, self.barrier, self.window = spec, plan, barrier, window
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

    def name(self, node: int) -> str:
        """Return an atom's name."""
        return str(self.plan.atoms[node].name)

    def fork(self) -> Watch:
        """Return a watch that stands where this one stands now, and stays there."""
        other = copy.copy(self)
        other.rules = self.rules.fork()
        other.journal = copy.deepcopy(self.journal)
        for name in ('running', 'fresh', 'joined', 'restarts', 'held'):
            setattr(other, name, copy.copy(getattr(self, name)))
        return other

    # -- what the scheduler answers ----------------------------------------------------------------

    def gave(self, step: machine.Step) -> None:
        """Take a step that is recorded.

        :raises Mismatch: the rules do not allow it.
        """
        self.journal.record(step)
        self._begin(step)
        self._compare(step)

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
        if len(self.running) > self.window:
            raise Mismatch(f'{len(self.running)} calls are under way, {self.window} may be')
        waiting = [command for command in self.rules.commands() if not self._may_wait(command)]
        late = [*self.joined, *self.restarts]
        if waiting or (late and len(self.running) < self.window):
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
        if self.barrier and self.held:
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
            yield machine.Execute((node,)) if command.kind == 'execute' else machine.Revert((node,))

    def _restarts(self, command: reference.Command) -> bool:
        """Tell whether this is a retry's next attempt: that resets its scope when it begins, not when it is ready."""
        return command.kind == 'execute' and self.rules.state[command.name] == 'SUCCESS'

    def _may_wait(self, command: reference.Command) -> bool:
        if self.barrier and (self.running or self.joined or self.restarts):
            return True
        return len(self.running) >= self.window

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

    # -- what it is told ---------------------------------------------------------------------------

    def took(self, event: machine.Event, outcome: str = '') -> None:
        """Take an event that the scheduler is about to take.

        :param outcome: the result or failure that goes with it.
        """
        match event:
            case machine.Executed(node, ok):
                self._ended(machine.Execute((node,)), ok, outcome)
            case machine.Reverted(node, ok):
                self._ended(machine.Revert((node,)), ok, outcome)
            case machine.Answered(retry, answer):
                asked = next(one for one in self.rules.waiting if one.name == self.name(retry))
                self.rules.end_ask(asked, answer or RAISE, outcome)
            case machine.Decided(target, answer):
                self.rules.end_decide(self.name(target), RAISE if answer == FAILED else answer, outcome)
            case machine.Suspended(withdrawn):
                self._withdraw(withdrawn)
                self._unjoin()
                self.rules.suspend()

    def _ended(self, call: _Call, ok: bool, outcome: str) -> None:
        self.running.remove(call)
        kind = 'execute' if isinstance(call, machine.Execute) else 'revert'
        self.held.append((kind, self.name(call.node), ok, outcome))
        if not self.barrier:
            self._release()

    def _release(self) -> None:
        """Tell the rules of the ends that were held."""
        for kind, name, ok, outcome in self.held:
            end = self.rules.end_execute if kind == 'execute' else self.rules.end_revert
            end(name, ok, outcome)
        self.held = []

    def _withdraw(self, nodes: Iterable[int]) -> None:
        for call, before in [one for one in self.fresh if one[0].node in set(nodes)]:
            self.running.remove(call)
            self.rules.withdraw(self._as_command(call), before)

    def _unjoin(self) -> None:
        """Take back in the rules what the scheduler will not begin any more."""
        for command, before in self.joined.items():
            self.rules.withdraw(command, before)
        self.joined = {}
        self.restarts = set()

    # -- going on ----------------------------------------------------------------------------------

    def resume(self) -> None:
        """A new scheduler goes on after a suspend."""
        self.rules.resume()

    def crash(self) -> None:
        """The process died; a new scheduler goes on from the journal."""
        self.running = []
        self._unjoin()
        self._release()
        self.rules.crash([self.name(node) for node in self.plan.iter_atoms()])
