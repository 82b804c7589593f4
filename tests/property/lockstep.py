# SPDX-License-Identifier: Apache-2.0
"""Drives the scheduler through one spec, without an engine, and watches it."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from typing import Any

from tests.property.watch import UNBOUNDED, Mismatch, Watch
from tests.reference import build
from tests.reference.spec import DEPTHS, RAISE, Script, Spec
from tfd import plan as planning
from tfd import scheduler as machine
from tfd.scheduler.vocabulary import FAILED

__all__ = ['Lockstep', 'Mode', 'compile_spec']

_MOST_STEPS = 3000


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
    window: int = UNBOUNDED
    crashes: float = 0.0
    withdraws: float = 0.5


def compile_spec(spec: Spec) -> planning.Plan:
    """Return the plan of a spec's flow."""
    return planning.compile_flow(build.build(spec, build.modules_of('tfd'), [], Script(spec)))


class Lockstep:
    """One run of a spec; :meth:`play` it to its end."""

    def __init__(self, spec: Spec, rng: random.Random, mode: Mode) -> None:
        self.spec, self.rng, self.mode = spec, rng, mode
        self.plan = compile_spec(spec)
        self.options = machine.Options(
            barrier=mode.barrier, window=mode.window, defer_reverts=spec.defer_reverts,
            never_resolve=spec.never_resolve)
        self.script = Script(spec)
        self.watch = Watch(spec, self.plan, mode.barrier, mode.window)
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
            self.watch.gave(step)
            if step.final == 'SUSPENDED':
                self.watch.resume()
                scheduler, step = self._successor()
            elif step.final is not None:
                return step.final
            elif self.crashes():
                self._crash(step)
                scheduler, step = self._successor()
            else:
                step = scheduler.handle(list(self._events(step)))
        raise Mismatch(f'no end after {_MOST_STEPS} steps')

    def crashes(self) -> bool:
        """Tell whether the process dies now."""
        return self.rng.random() < self.mode.crashes

    def _successor(self) -> tuple[machine.Scheduler, machine.Step]:
        scheduler = machine.Scheduler(self.plan, self.options, self.watch.journal.progress())
        return scheduler, scheduler.start()

    # -- what happens ------------------------------------------------------------------------------

    def _events(self, step: machine.Step) -> Iterator[machine.Event]:
        for event, outcome in self._outcomes(step):
            self.watch.took(event, outcome)
            yield event

    def _outcomes(self, step: machine.Step) -> Iterator[tuple[machine.Event, str]]:
        for command in step.commands:
            if isinstance(command, machine.Ask):
                verdict = self._retry_says(command)
                yield machine.Answered(command.retry, '' if verdict == RAISE else verdict), 'raised'
                return
            if isinstance(command, machine.Decide):
                depth = self._deciders_say(command)
                yield machine.Decided(command.target, FAILED if depth == RAISE else depth), 'raised'
                return
        if self.number in self.spec.suspends:
            yield machine.Suspended(tuple(self._withdrawn())), ''
        running = self.watch.running
        count = len(running) if self.mode.barrier else self.rng.randint(1, 3)
        for _ in range(min(count, len(running))):
            yield self._end(running[self.rng.randrange(len(running))])

    def _withdrawn(self) -> Iterator[int]:
        """Yield the nodes of commands that are not performed: the last ones of those that were given last."""
        fresh = self.watch.fresh
        if fresh and self.rng.random() < self.mode.withdraws:
            for call, _before in fresh[self.rng.randrange(len(fresh)):]:
                yield call.node

    def _end(self, command: Any) -> tuple[machine.Event, str]:
        name = self.watch.name(command.node)
        if isinstance(command, machine.Execute):
            self.calls.append(f'x:{name}')
            ok, outcome = self.script.execute(name)
            return machine.Executed((command.node, ok)), outcome
        self.calls.append(f'r:{name}')
        ok, outcome = self.script.revert(name)
        return machine.Reverted((command.node, ok)), outcome

    def _retry_says(self, command: machine.Ask) -> str:
        name = self.watch.name(command.retry)
        self.calls.append(f'a:{name}')
        return self.script.ask(name)

    def _deciders_say(self, command: machine.Decide) -> str:
        name = self.watch.name(command.target)
        self.calls.append(f'd:{name}')
        noes = []
        for decider in self.watch.rules.asked(name):
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
                self._retry_says(command)
            elif isinstance(command, machine.Decide) and self.rng.random() < 0.5:
                self._deciders_say(command)
        for call in self.watch.running:
            if self.rng.random() < 0.5:
                self._end(call)
        self.watch.crash()
