# SPDX-License-Identifier: Apache-2.0
"""Flows of ten thousand nodes, put together of small ones that the rules can be asked about.

A *leaf* is a small random flow with a retry of its own, in which nothing reaches beyond it: no REVERT_ALL, no revert or
outermost retry that fails, no decider of the depth ALL. By rule 27 leaves do not disturb one another, so each is held
against an interpreter of its own; between leaves there is but one rule: a leaf begins when all leaves before it have
succeeded. The flows around the leaves, of every pattern, say which those are.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator
from typing import Any

from tests.property.lockstep import compile_spec
from tests.property.watch import UNBOUNDED, Journal, Mismatch
from tests.reference import interpreter as reference
from tests.reference.generator import Odds, random_spec
from tests.reference.spec import (
    DEPTHS,
    RAISE,
    REVERT,
    REVERT_ALL,
    FlowSpec,
    LinkSpec,
    RetrySpec,
    Script,
    Spec,
    TaskSpec,
)
from tfd import scheduler as machine
from tfd.scheduler.vocabulary import FAILED, STATE_NAMES

__all__ = ['Composite', 'random_composite']

_ODDS = Odds(
    nested=0.4, retry=0.5, execute_fails=0.08, always_fails=0.15, revert_fails=0.0, retry_execute_fails=0.0,
    retry_revert_fails=0.0, link=0.4, decider=0.4, decider_raises=0.05, defer_reverts=0.0, never_resolve=0.0,
    suspend=0.0)
_WIDEST = 6


def random_composite(rng: random.Random, nodes: int) -> tuple[FlowSpec, list[FlowSpec]]:
    """Return a flow of about so many atoms, and its leaves."""
    leaves: list[FlowSpec] = []
    made = 0
    while made < nodes:
        flow = random_spec(rng, size=rng.choice((6, 12, 24)), odds=_ODDS).flow
        leaf = _tame(flow, f'{len(leaves)}.', RetrySpec(f'{len(leaves)}.r', (REVERT,)))
        leaves.append(leaf)
        made += len(reference.Shape(leaf).atoms)
    names = (f'outer{number}' for number in range(made))
    return _around(rng, leaves, names), leaves


def _tame(flow: FlowSpec, prefix: str, retry: RetrySpec | None) -> FlowSpec:
    """Return a flow that reaches nothing outside of it, with names of its own.

    :param retry: for a flow that has none.
    """
    if flow.retry is not None:
        verdicts = tuple(REVERT if verdict == REVERT_ALL else verdict for verdict in flow.retry.verdicts)
        retry = dataclasses.replace(flow.retry, name=prefix + flow.retry.name, verdicts=verdicts)
    children: list[TaskSpec | FlowSpec] = []
    for child in flow.children:
        if isinstance(child, FlowSpec):
            children.append(_tame(child, prefix, None))
        else:
            children.append(dataclasses.replace(child, name=prefix + child.name))
    links = tuple(
        dataclasses.replace(link, depth='FLOW') if link.answers and link.depth in (None, 'ALL') else link
        for link in flow.links)
    return FlowSpec(prefix + flow.name, flow.pattern, tuple(children), retry, links)


def _around(rng: random.Random, leaves: list[FlowSpec], names: Iterator[str]) -> FlowSpec:
    """Return a flow of every pattern, nested, that holds the leaves."""
    if len(leaves) <= _WIDEST:
        children = leaves
    else:
        cuts = sorted(rng.sample(range(1, len(leaves)), rng.randint(1, _WIDEST - 1)))
        parts = [leaves[first:last] for first, last in zip([0, *cuts], [*cuts, len(leaves)], strict=True)]
        children = [_around(rng, part, names) for part in parts]
    # Most leaves must have a chance to begin: what comes before one may fail.
    pattern = rng.choices(('unordered', 'graph', 'linear'), (6, 3, 1))[0]
    links: tuple[LinkSpec, ...] = ()
    if pattern == 'graph':
        pairs = [(first, second) for second in range(len(children)) for first in range(second)]
        links = tuple(LinkSpec(*pair) for pair in pairs if rng.random() < 0.15)
    return FlowSpec(next(names), pattern, tuple(children), None, links)


class Composite:
    """One run of the scheduler through a composite; :meth:`play` it to its end.

    :param barrier: results are looked at only when the whole wave has run.
    :param disturbs: asked at each step; ``crash``, ``suspend`` or ''.
    """

    def __init__(
        self, flow: FlowSpec, leaves: list[FlowSpec], rng: random.Random, barrier: bool,
        disturbs: Callable[[], str] = lambda: '',
    ) -> None:
        self.rng, self.barrier, self.disturbs = rng, barrier, disturbs
        spec = Spec(flow)
        self.plan = compile_spec(spec)
        self.options = machine.Options(barrier=barrier, window=UNBOUNDED)
        self.script = Script(spec)
        self.journal = Journal()
        self.rules = [reference.Interpreter(Spec(leaf)) for leaf in leaves]
        self.leaf_of = {name: number for number, rules in enumerate(self.rules) for name in rules.shape.atoms}
        self.before = dict(_before(flow, {id(leaf): number for number, leaf in enumerate(leaves)}))
        self.begun: set[int] = set()
        self.running: list[machine.Execute | machine.Revert] = []
        self.disturbed = {'crash': 0, 'suspend': 0}

    def play(self) -> str:
        """Play until the flow has come to its end; return its final state.

        :raises Mismatch: scheduler and rules differ.
        """
        scheduler = machine.Scheduler(self.plan, self.options)
        step = scheduler.start()
        while True:
            self.journal.record(step)
            self._begin(step)
            if step.final == 'SUSPENDED':
                for rules in self.rules:
                    rules.resume()
                scheduler, step = self._successor()
            elif step.final is not None:
                self._check_end(step.final)
                return step.final
            else:
                scheduler, step = self._go_on(scheduler, step)

    def _go_on(self, scheduler: machine.Scheduler, step: machine.Step) -> tuple[machine.Scheduler, machine.Step]:
        disturbance = self.disturbs()
        if disturbance:
            self.disturbed[disturbance] += 1
        if disturbance == 'crash':
            self._crash()
            return self._successor()
        events = list(self._events(step))
        if disturbance == 'suspend':
            events.append(machine.Suspended())
            for rules in self.rules:
                rules.suspend()
        return scheduler, scheduler.handle(events)

    def _successor(self) -> tuple[machine.Scheduler, machine.Step]:
        scheduler = machine.Scheduler(self.plan, self.options, self.journal.progress())
        return scheduler, scheduler.start()

    def _crash(self) -> None:
        self.running = []
        for rules in self.rules:
            rules.crash(rules.shape.atoms)

    def _of(self, node: int) -> tuple[reference.Interpreter, str]:
        name = str(self.plan.atoms[node].name)
        return self.rules[self.leaf_of[name]], name

    # -- what the scheduler gives --------------------------------------------------------------------

    def _begin(self, step: machine.Step) -> None:
        given: dict[int, list[reference.Command]] = {}
        for command in step.commands:
            one = self._as_command(command)
            given.setdefault(self.leaf_of[one.name], []).append(one)
            if isinstance(command, machine.Execute | machine.Revert):
                self.running.append(command)
        for leaf, commands in given.items():
            rules = self.rules[leaf]
            allowed = rules.commands()
            if not set(commands) <= set(allowed):
                raise Mismatch(f'{commands} begin, but only {allowed} may')
            if leaf not in self.begun:
                self._begin_leaf(leaf)
            for one in commands:
                rules.begin(one)

    def _begin_leaf(self, leaf: int) -> None:
        self.begun.add(leaf)
        late = [other for other in self.before[leaf] if not self._has_succeeded(other)]
        if late:
            raise Mismatch(f'leaf {leaf} begins before leaves {late} have succeeded')

    def _has_succeeded(self, leaf: int) -> bool:
        return leaf in self.begun and set(self.rules[leaf].state.values()) <= {'SUCCESS', 'IGNORE'}

    def _as_command(self, command: Any) -> reference.Command:
        if isinstance(command, machine.Ask):
            return reference.Command('ask', self._of(command.retry)[1], self._of(command.blamed)[1])
        if isinstance(command, machine.Decide):
            return reference.Command('decide', self._of(command.target)[1])
        return reference.Command(
            'execute' if isinstance(command, machine.Execute) else 'revert', self._of(command.node)[1])

    # -- what it is told -----------------------------------------------------------------------------

    def _events(self, step: machine.Step) -> Iterator[machine.Event]:
        for command in step.commands:
            if isinstance(command, machine.Ask):
                yield self._answer(command)
                return
            if isinstance(command, machine.Decide):
                yield self._decide(command)
                return
        count = len(self.running) if self.barrier else self.rng.randint(1, 40)
        for _ in range(min(count, len(self.running))):
            at = self.rng.randrange(len(self.running))
            self.running[at], self.running[-1] = self.running[-1], self.running[at]
            yield self._end(self.running.pop())

    def _end(self, call: machine.Execute | machine.Revert) -> machine.Event:
        rules, name = self._of(call.node)
        if isinstance(call, machine.Execute):
            ok, outcome = self.script.execute(name)
            rules.end_execute(name, ok, outcome)
            return machine.Executed((call.node, ok))
        ok, outcome = self.script.revert(name)
        rules.end_revert(name, ok, outcome)
        return machine.Reverted((call.node, ok))

    def _answer(self, command: machine.Ask) -> machine.Event:
        rules, name = self._of(command.retry)
        verdict = self.script.ask(name)
        rules.end_ask(self._as_command(command), verdict)
        return machine.Answered(command.retry, verdict)

    def _decide(self, command: machine.Decide) -> machine.Event:
        rules, name = self._of(command.target)
        answers = [(decider, self.script.decide(decider.link)) for decider in rules.asked(name)]
        depth = min((decider.depth for decider, answer in answers if answer is False), key=DEPTHS.index, default='')
        if any(answer is None for _, answer in answers):
            rules.end_decide(name, RAISE, f'{name}?')
            return machine.Decided(command.target, FAILED)
        rules.end_decide(name, depth)
        return machine.Decided(command.target, depth)

    # -- the end -------------------------------------------------------------------------------------

    def _check_end(self, final: str) -> None:
        found = {
            str(self.plan.atoms[node].name): STATE_NAMES[self.journal.codes.get(node, 0)]
            for node in self.plan.iter_atoms()}
        for leaf, rules in enumerate(self.rules):
            states = {name: found[name] for name in rules.state}
            if states != rules.state:
                raise Mismatch(f'leaf {leaf}: {states}, expected {rules.state}')
            blocked = not all(self._has_succeeded(other) for other in self.before[leaf])
            if (leaf in self.begun) == blocked:
                raise Mismatch(f'leaf {leaf} has {"begun" if blocked else "not begun"}')
            if leaf in self.begun and rules.commands():
                raise Mismatch(f'leaf {leaf} is not at its end: {rules.commands()} may begin')
        troubled = any(rules.failures or 'REVERTED' in rules.state.values() for rules in self.rules)
        if final != ('REVERTED' if troubled else 'SUCCESS'):
            raise Mismatch(f'the flow is {final}')


def _before(flow: FlowSpec, numbers: dict[int, int]) -> Iterator[tuple[int, set[int]]]:
    """Yield each leaf with the leaves that come anywhere before it."""
    if id(flow) in numbers:
        yield numbers[id(flow)], set()
        return
    parts = [dict(_before(child, numbers)) for child in flow.children if isinstance(child, FlowSpec)]
    reached: list[set[int]] = []
    for second, part in enumerate(parts):
        if flow.pattern == 'linear':
            sources = set(range(second))
        else:
            sources = {link.source for link in flow.links if link.target == second}
        earlier = set().union(*(reached[first] | set(parts[first]) for first in sources))
        reached.append(earlier)
        for leaf, before in part.items():
            yield leaf, before | earlier
