# SPDX-License-Identifier: Apache-2.0
"""Plays a spec on the interpreter alone, in a random but allowed order, and writes it down.

The `Step`s say what a scheduler must answer: fed with the same events, it must start the same
calls, and see every atom and the flow in the same state.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.reference.interpreter import Command, Interpreter
from tests.reference.spec import DEPTHS, RAISE, Script, Spec

__all__ = ['Ended', 'Step', 'simulate']

MOST_STEPS = 10_000


@dataclass(frozen=True, slots=True)
class Ended:
    """A call ended; the outcome is its failure, unless it succeeded.

    Otherwise it is an execute's result, '' of a revert, the verdict of a retry, or, of deciders,
    the widest depth among those that said no: '' if none did.
    """

    command: Command
    succeeded: bool
    outcome: str


@dataclass(frozen=True, slots=True)
class Step:
    """What happened at one moment, and what follows from it.

    First a suspend or a resume took place, if `change` says so, and then the calls in `ended` did
    end, in that order. Then the calls in `begun` are begun, in any order. `states` and
    `flow_state` are those after that.
    """

    change: str
    ended: tuple[Ended, ...]
    begun: frozenset[Command]
    states: dict[str, str]
    flow_state: str


def simulate(spec: Spec, rng: random.Random, most_at_once: int | None = 3) -> Iterator[Step]:
    """Yield the steps of one run of the spec, up to its end.

    Up to `most_at_once` calls end in one step; with None all that run, as in a serial engine that
    looks at results only when the whole wave has run. A suspend comes with the steps that
    `spec.suspends` numbers; a flow that is SUSPENDED is resumed in the next step.
    """
    script = Script(spec)
    interpreter = Interpreter(spec)
    running: list[Command] = []
    for number in range(MOST_STEPS):
        change = _change(interpreter, number in spec.suspends)
        ended = []
        count = len(running) if most_at_once is None else rng.randint(1, most_at_once)
        for _ in range(min(count, len(running))):
            command = running.pop(rng.randrange(len(running)))
            ended.append(_outcome(script, interpreter, command))
            _end(interpreter, ended[-1])
        begun = interpreter.commands()
        for command in begun:
            interpreter.begin(command)
        running.extend(begun)
        state = interpreter.flow_state()
        yield Step(change, tuple(ended), frozenset(begun), dict(interpreter.state), state)
        if not running and state != 'SUSPENDED':
            return
    raise AssertionError(f'no end after {MOST_STEPS} steps: {spec}')


def _change(interpreter: Interpreter, suspend: bool) -> str:
    if interpreter.flow_state() == 'SUSPENDED':
        interpreter.resume()
        return 'resume'
    if suspend:
        interpreter.suspend()
        return 'suspend'
    return ''


def _outcome(script: Script, interpreter: Interpreter, command: Command) -> Ended:
    if command.kind == 'execute':
        return Ended(command, *script.execute(command.name))
    if command.kind == 'revert':
        return Ended(command, *script.revert(command.name))
    if command.kind == 'ask':
        verdict = script.ask(command.name)
        if verdict != RAISE:
            return Ended(command, True, verdict)
        return Ended(command, False, f'{command.name}?{script.calls["ask", command.name]}')
    noes = []
    for decider in interpreter.asked(command.name):
        answer = script.decide(decider.link)
        if answer is None:
            number = script.calls['decide', decider.link]
            return Ended(command, False, f'{decider.link}?{number}')
        if not answer:
            noes.append(decider.depth)
    return Ended(command, True, min(noes, key=DEPTHS.index, default=''))


def _end(interpreter: Interpreter, ended: Ended) -> None:
    command, outcome = ended.command, ended.outcome
    if command.kind == 'execute':
        interpreter.end_execute(command.name, ended.succeeded, outcome)
    elif command.kind == 'revert':
        interpreter.end_revert(command.name, ended.succeeded, outcome)
    elif command.kind == 'ask':
        interpreter.end_ask(command, outcome if ended.succeeded else RAISE, outcome)
    else:
        interpreter.end_decide(command.name, outcome if ended.succeeded else RAISE, outcome)
