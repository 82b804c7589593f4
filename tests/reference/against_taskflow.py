# SPDX-License-Identifier: Apache-2.0
"""Compare the interpreter with TaskFlow itself, on random specs.

Run it from the top of the repository, in an environment that has TaskFlow 6.5:

    python -m tests.reference.against_taskflow --count 3000

Each spec runs on TaskFlow's serial engine, one step at a time. TaskFlow's choices among equals are
random (it walks sets); so the interpreter replays what was observed, wave by wave: every question
must have been allowed at its moment, with the very history; every wave must be exactly the calls
that the interpreter would start; and in the end all states and the error must be the same.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.reference.build import Call, ScriptedFailure, build, modules_of
from tests.reference.generator import ALWAYS, PROFILES, random_spec
from tests.reference.interpreter import Command, Interpreter, Quirks
from tests.reference.shape import Shape
from tests.reference.spec import DEPTHS, FlowSpec, Script, Spec

__all__ = ['Difference', 'Repeating', 'compare', 'main', 'short']


class Difference(Exception):
    """TaskFlow did what the interpreter does not allow."""

    trace: list[Any]


@dataclass(slots=True)
class Repeating(Script):
    """A script for TaskFlow, which asks again what was answered before a suspend."""

    resuming: bool = False
    last: dict[str, Any] = field(default_factory=dict)

    def ask(self, name: str) -> str:
        if not self.resuming:
            self.last[name] = Script.ask(self, name)
        return str(self.last[name])

    def decide(self, link: str) -> bool | None:
        if not self.resuming:
            self.last[link] = Script.decide(self, link)
        answer: bool | None = self.last[link]
        return answer


class Observed:
    """What TaskFlow did with a spec: waves of calls, states, the error."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.modules = modules_of('taskflow')
        self.trace: list[Any] = []
        self.script = Repeating(spec)
        flow = build(spec, self.modules, self.trace, self.script)
        self.engine = self.modules.engines.load(
            flow, engine='serial', never_resolve=spec.never_resolve,
            defer_reverts=spec.defer_reverts)
        self.error: BaseException | None = None
        self.waves = 0

    def run(self) -> None:
        """Run to the end, resuming after each suspend; the trace gains names of steps."""
        while True:
            try:
                self._run_once()
            except Exception as error:
                self.error = error
            if self.error is not None or self.flow_state() != 'SUSPENDED':
                return
            self.script.resuming = True

    def _run_once(self) -> None:
        steps = self.engine.run_iter()
        step = next(steps, None)
        while step is not None:
            self.trace.append(step)
            if step == 'SCHEDULING':
                self.script.resuming = False
                self.waves += 1
            suspend = step == 'WAITING' and self.waves in self.spec.suspends
            if suspend:
                self.trace.append('SUSPEND')
            try:
                step = steps.send(True) if suspend else next(steps)
            except StopIteration:
                step = None

    def flow_state(self) -> str:
        return str(self.engine.storage.get_flow_state())

    def defect(self) -> str:
        """Return the known defect of TaskFlow that this run met, if any.

        - stalled: it came to a halt before the end, and failed to call that a suspend. Seen where a
          retry and an atom of its scope that never ran are reverted in one wave, and where all atoms
          of a flow became IGNORE, but what follows that flow did not.
        - unasked: an atom failed whose retry had become IGNORE, which broke the engine.
        - delayed: a decider ignored the first atoms of a flow before anything was executed; what
          follows them starts in the second wave instead of the first.
        """
        if isinstance(self.error, self.modules.exceptions.InvalidState):
            return 'stalled'
        error: Any = self.error
        exceptions = self.modules.exceptions
        wrapped = isinstance(error, exceptions.WrappedFailure)
        if isinstance(error, exceptions.StorageFailure) or (wrapped and error.check(exceptions.StorageFailure)):
            return 'unasked'
        start = self.trace[1]
        return 'delayed' if isinstance(start, Call) and start.kind == 'decide' else ''

    def state(self, atom: str) -> str:
        return str(self.engine.storage.get_atom_state(atom))

    def failures(self) -> set[str]:
        """Return the messages of what was raised."""
        if self.error is None:
            return set()
        if isinstance(self.error, self.modules.exceptions.WrappedFailure):
            return {failure.exception_str for failure in self.error}
        if isinstance(self.error, ScriptedFailure):
            return {str(self.error)}
        raise Difference(f'unexpected error {self.error!r}')


class Replay:
    """Leads an interpreter through what was observed."""

    def __init__(self, observed: Observed, quirks: Quirks) -> None:
        self.observed = observed
        self.interpreter = Interpreter(observed.spec, quirks)
        self.phantoms: set[str] = set()
        self.all_failures: set[str] = set()
        self.late_noes = False
        self.resumed = False

    def run(self) -> None:
        wave: list[Call] = []
        decides: list[Call] = []
        step = ''
        for entry in self.observed.trace:
            if isinstance(entry, str):
                step = entry
                self._step(step, wave, decides)
            elif step == 'RESUMING' and self.resumed:
                pass
            elif entry.kind == 'ask':
                self._ask(entry)
            elif entry.kind == 'decide':
                decides.append(entry)
            elif entry.phantom:
                self.phantoms.add(entry.name)
            else:
                wave.append(entry)
        self.interpreter.resume()
        self._decide(decides)

    def _step(self, step: str, wave: list[Call], decides: list[Call]) -> None:
        if step == 'SUSPEND':
            self.interpreter.suspend()
        elif step == 'WAITING':
            self._decide(decides)
            self._start(wave)
            wave.clear()
        elif step == 'SUSPENDED':
            self.interpreter.resume()
            self._decide(decides)
            self.resumed = True

    def _ask(self, call: Call) -> None:
        interpreter = self.interpreter
        for _ in range(max(1, len(interpreter.questions))):
            for command in interpreter.commands():
                if ((command.kind, command.name) == ('ask', call.name)
                        and interpreter.asked_history(command) == call.given):
                    interpreter.begin(command)
                    interpreter.end_ask(command, call.outcome)
                    return
            if interpreter.escalated is None and interpreter.questions:
                interpreter.questions.append(interpreter.questions.pop(0))
        raise Difference(f'{call} is not allowed: {interpreter.commands()}')

    def _decide(self, calls: list[Call]) -> None:
        while True:
            commands = [c for c in self.interpreter.commands() if c.kind == 'decide']
            if not commands:
                break
            for command in commands:
                self.interpreter.begin(command)
                self.interpreter.end_decide(command.name, self._answers(command.name, calls))
        if calls and not self.interpreter.failures:
            raise Difference(f'{calls} should not have been asked')
        self.late_noes |= any(not call.outcome for call in calls)
        calls.clear()

    def _answers(self, target: str, calls: list[Call]) -> str:
        """Take the calls of a target's deciders out of those observed; return the depth."""
        given = self.interpreter.decider_history(target)
        noes = []
        for decider in self.interpreter.asked(target):
            call = next((c for c in calls if (c.name, c.given) == (decider.link, given)), None)
            if call is None:
                raise Difference(f'{decider} of {target} {given} was not asked: {calls}')
            calls.remove(call)
            if not call.outcome:
                noes.append(decider.depth)
        return min(noes, key=DEPTHS.index, default='')

    def _start(self, wave: list[Call]) -> None:
        allowed = self.interpreter.commands()
        started = [Command(call.kind, call.name) for call in wave]
        if Counter(allowed) != Counter(started):
            raise Difference(f'started {started}, not {allowed}')
        for call in wave:
            self._check_given(call)
        for command in started:
            self.interpreter.begin(command)
        for call in wave:
            self.phantoms.discard(call.name)
            if call.kind == 'execute':
                self.interpreter.end_execute(call.name, call.succeeded, call.outcome)
            else:
                self.interpreter.end_revert(call.name, call.succeeded, call.outcome)
            if not call.succeeded:
                self.all_failures.add(call.outcome)

    def _check_given(self, call: Call) -> None:
        interpreter = self.interpreter
        if call.name in interpreter.histories:
            expected: Any = interpreter.history(call.name)
            if call.given != expected:
                raise Difference(f'{call}, not {expected}')
        elif call.kind == 'revert':
            result, failures = call.given
            atom = call.name
            expected = interpreter.failures.get(atom) or interpreter.results[atom]
            if result != expected:
                raise Difference(f'{call}, not {expected}')

    def check_end(self) -> None:
        interpreter, observed = self.interpreter, self.observed
        flow_state, expected = observed.flow_state(), interpreter.flow_state()
        if flow_state != expected:
            raise Difference(f'flow is {flow_state}, not {expected}')
        for atom, expected in interpreter.state.items():
            state = observed.state(atom)
            if state != expected and not self._explained(atom, state):
                raise Difference(f'{atom} is {state}, not {expected}')
        raised = observed.failures()
        if not interpreter.raised() <= raised <= self.all_failures:
            raise Difference(f'raised {raised}, not {interpreter.raised()}')

    def _explained(self, atom: str, state: str) -> bool:
        """Whether a state is one that TaskFlow gives to atoms that were ready as another failed."""
        if state == 'REVERTED':
            return atom in self.phantoms
        return state == 'IGNORE' and self.late_noes and bool(self.interpreter.failures)


def compare(spec: Spec) -> str:
    """Run a spec on TaskFlow, replay it, and return how it ended.

    :raises Difference: where the two differ.
    """
    observed = Observed(spec)
    observed.run()
    if defect := observed.defect():
        return defect
    replay = Replay(observed, Quirks(reset_after=True))
    try:
        replay.run()
        replay.check_end()
    except Difference as difference:
        if _raced(observed.trace, replay.interpreter) or _hollow(replay.interpreter):
            return 'stalled'
        difference.trace = observed.trace
        raise
    return observed.flow_state()


def _raced(trace: list[Any], interpreter: Interpreter) -> bool:
    """Whether a retry was reverted in one wave with an atom of its scope that never ran.

    What is before the retry then waits until a suspend and a resume free it, or for ever.
    """
    wave: list[Call] = []
    for entry in trace:
        if isinstance(entry, Call):
            wave.append(entry)
        elif entry == 'WAITING':
            for phantom in (call.name for call in wave if call.phantom):
                scopes = interpreter.shape.scopes[phantom]
                if any(call.kind == 'revert' and call.name in scopes for call in wave):
                    return True
            wave = []
    return False


def _hollow(interpreter: Interpreter) -> bool:
    """Whether all atoms of some flow are IGNORE; what follows it may then have to wait for ever."""
    flows = [interpreter.spec.flow]
    while flows:
        flow = flows.pop()
        inside = Shape(flow).atoms
        if inside and all(interpreter.state[atom] == 'IGNORE' for atom in inside):
            return True
        flows.extend(child for child in flow.children if isinstance(child, FlowSpec))
    return False


def short(spec: Spec) -> str:
    """Return a spec as text, with `ALWAYS` for its long sets of numbers."""
    text = repr(spec).replace(repr(ALWAYS), 'ALWAYS')
    for default in (
            'execute_fails=frozenset()', 'revert_fails=frozenset()', "provides=''", 'requires=()', "controller=''",
            'values=()', 'revert_all=False', 'children=()', 'retry=None', 'links=()', 'answers=()', 'depth=None',
            'target=None', 'defer_reverts=False', 'never_resolve=False', 'suspends=frozenset()',
            'suspends_in=frozenset()', 'reloads=False', 'store=()'):
        text = text.replace(f', {default}', '')
    return text


def main(arguments: list[str]) -> int:
    """Compare many specs; print the seeds of those that differ."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--count', type=int, default=300, help='how many specs (default 300)')
    parser.add_argument('--seed', type=int, default=0, help='the first seed (default 0)')
    parser.add_argument('--size', type=int, default=8, help='tasks in a spec (default 8)')
    parser.add_argument('--profile', choices=PROFILES, default='mixed', help='which odds (default mixed)')
    parser.add_argument('--show', action='store_true', help='print the trace of what differs')
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    differing = 0
    ends: Counter[str] = Counter()
    for seed in range(options.seed, options.seed + options.count):
        spec = random_spec(random.Random(seed), options.size, odds=PROFILES[options.profile])
        try:
            ends[compare(spec)] += 1
        except Difference as difference:
            differing += 1
            print(f'seed {seed}: {difference}')
            if options.show:
                print(short(spec), *difference.trace, sep='\n    ')
    print(f'{options.count} specs, {differing} differ; {dict(ends)}')
    return 1 if differing else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
