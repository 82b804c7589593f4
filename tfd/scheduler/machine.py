# SPDX-License-Identifier: Apache-2.0
"""The scheduler: takes events, returns what to record and what to do.

No I/O, clock, lock, thread, log or user code. The machine owns the states of the nodes; three parts of it have modules
of their own, each with the state that it alone changes: failures and verdicts (:mod:`tfd.scheduler.judgement`), what is
to be undone (:mod:`tfd.scheduler.rollback`), tasks that are given out together (:mod:`tfd.scheduler.chains`), and a run
that goes on (:mod:`tfd.scheduler.resumption`).

The cost of an event is proportional to the edges of the nodes whose state it changes.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable

from tfd import deciders, states
from tfd.plan import model
from tfd.scheduler import chains, judgement, rollback
from tfd.scheduler import vocabulary as v
from tfd.scheduler.vocabulary import Code

__all__ = ['Scheduler']

# Plain integers: comparing a byte with an enum member costs three times as much.
_PENDING, _RUNNING, _SUCCESS, _FAILURE = int(Code.PENDING), int(Code.RUNNING), int(Code.SUCCESS), int(Code.FAILURE)
_REVERTING, _REVERTED, _REVERT_FAILURE = int(Code.REVERTING), int(Code.REVERTED), int(Code.REVERT_FAILURE)
_IGNORE, _RETRYING = int(Code.IGNORE), int(Code.RETRYING)
_JOIN = int(model.Kind.JOIN)


class Scheduler:
    """One run of a plan.

    :param plan: what to run; not changed.
    :param options: how.
    :param progress: how far an earlier run came.
    """

    def __init__(
        self, plan: model.Plan, options: v.Options | None = None, progress: v.Progress | None = None
    ) -> None:
        self.plan = plan
        self.options = options or v.Options()
        #: State of each node, as a :class:`Code`. A join is SUCCESS once everything before it is done.
        self.state = bytearray(len(plan))
        #: How many nodes directly before each are not done.
        self.waiting = [len(before) for before in plan.predecessors]
        self.step = v.Step([], [])
        self.judge = judgement.Judge(self)
        self.rollback = rollback.Rollback(self)
        self._chains = chains.Chains(self) if self.options.chains else None
        #: Nodes whose RUNNING or REVERTING was recorded by an earlier run.
        self.stale: set[int] = set()
        self._progress = progress or v.Progress()
        self._started = False
        self._barrier, self._window = self.options.barrier, self.options.window
        # Entries are a node to execute, or the complement of a node to revert.
        self._wave: collections.deque[int] = collections.deque()
        self._next: list[int] = []
        #: Whether a node is in the wave: it will run, whatever is decided meanwhile.
        self.queued = bytearray(len(plan))
        self._prior: dict[int, int] = {}
        self._under_way = 0
        # Ended, and waiting for the failures that came with them to be judged; and those failures.
        self._done: list[int] = []
        self._failed: list[int] = []
        self._gates: collections.deque[int] = collections.deque()
        self._gate_open: int | None = None
        #: Nodes that each "no" ignored, by its target.
        self.ignored: dict[int, list[int]] = {}
        #: Targets whose deciders have answered.
        self.answered: set[int] = set()
        self._suspended = self._left_over = False

    # -- the two calls -----------------------------------------------------------------------------

    def start(self) -> v.Step:
        """Return the first step. To be called once, before any :meth:`handle`."""
        if self._started:
            raise RuntimeError('this run has been started')
        self._started = True
        step = self.step = v.Step([], [])
        if self._progress.begun:
            from tfd.scheduler import resumption
            resumption.resume(self, self._progress)
        else:
            self._make_ready(0)
        self._advance()
        return step

    def handle(self, events: Iterable[v.Event]) -> v.Step:
        """Take what has happened since the last step, and return what follows from it.

        Illegal events (for a node that is not under way, an answer to a question that was not asked) raise ValueError
        and change nothing of the node that they name.
        """
        step = self.step = v.Step([], [])
        for event in events:
            if type(event) is v.Executed:
                node, ok = event
                self._end(node, _RUNNING, _SUCCESS if ok else _FAILURE)
            elif type(event) is v.Reverted:
                node, ok = event
                self._end(node, _REVERTING, _REVERTED if ok else _REVERT_FAILURE)
            elif type(event) is v.ChainExecuted or type(event) is v.ChainReverted:
                self._end_chain(event)
            else:
                self._take_answer(event)
        if self._prior:
            # Only what the last step gave out can be withdrawn.
            self._prior.clear()
        self._advance()
        return step

    # -- taking events -----------------------------------------------------------------------------

    def _take_answer(self, event: v.Event) -> None:
        if isinstance(event, v.Answered):
            self.judge.answer(event)
        elif isinstance(event, v.Decided):
            self._decide(event)
        elif isinstance(event, v.Suspended):
            self._suspend(event)
        else:
            raise ValueError(f'{event!r} is no event')

    def _end_chain(self, event: v.ChainExecuted | v.ChainReverted) -> None:
        if self._chains is None:
            raise ValueError(f'{event!r}: no chain was given out')
        ends = self._chains.executed(event) if isinstance(event, v.ChainExecuted) else self._chains.reverted(event)
        self._under_way -= 1
        self._done += ends
        self._failed += [node for node in ends if self.state[node] == _FAILURE]
        # What it stopped at, if it stopped, goes on only in another run.
        self._left_over = self._left_over or (event.ok and not ends)

    def _end(self, node: int, expected: int, code: int) -> None:
        if self.state[node] != expected:
            raise ValueError(
                f'node {node} is {v.STATE_NAMES[self.state[node]]}, not {v.STATE_NAMES[expected]}:'
                ' its end cannot be reported')
        self.state[node] = code
        self.step.transitions.append(v.Moved((node, code)))
        self._under_way -= 1
        self._done.append(node)
        if code == _FAILURE:
            self._failed.append(node)

    def move(self, node: int, code: int) -> None:
        """Change a node's state, and write it down unless the node is a join."""
        self.state[node] = code
        if self.plan.kinds[node] != _JOIN:
            self.step.transitions.append(v.Moved((node, code)))

    def _suspend(self, event: v.Suspended) -> None:
        self._suspended = True
        for node in reversed(event.withdrawn):
            reverting = self.state[node] == _REVERTING
            if not reverting and self.state[node] != _RUNNING:
                raise ValueError(f'node {node} is {v.STATE_NAMES[self.state[node]]}: there is nothing to withdraw')
            self._under_way -= 1
            prior = self._prior.pop(node, _PENDING)
            if prior != self.state[node]:
                self.move(node, prior)
            self._left_over = True

    def _decide(self, event: v.Decided) -> None:
        target = event.target
        if target != self._gate_open:
            if self._chains is not None and self._chains.decided(event):
                return
            raise ValueError(f'nobody asked the deciders of node {target}')
        self._gate_open = None
        self.answered.add(target)
        self.step.transitions.append(v.Gated(target, event.answer or 'yes'))
        if event.answer == v.FAILED:
            self.judge.take_unbegun(target)
        elif event.answer:
            self._ignore(target, deciders.Depth(event.answer))
        else:
            self._make_ready(target)

    def _ignore(self, target: int, depth: deciders.Depth) -> None:
        """Ignore what the answer reaches and has not begun; each counts as done once all before it is."""
        state = self.state
        self.ignored[target] = self.plan.reach(target, depth)
        for node in self.ignored[target]:
            if state[node] == _PENDING and not self.queued[node]:
                self.move(node, _IGNORE)
        self._pass_on(target)

    # -- going on ----------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Draw the consequences of what is done, as far as they are known, and give out the next commands."""
        if self._barrier and (self._under_way or self._wave):
            self._fill()
            if self._under_way:
                return
        if self._failed:
            self.judge.take(node for node in self._failed if self.state[node] == _FAILURE)
            self._failed.clear()
        if self.judge.unsettled:
            question = self.judge.question()
            if question is not None:
                self.step.commands.append(question)
                return
            self.judge.carry_out()
        self._follow_up()
        if self._gates and self._ask_gate():
            return
        if self._next:
            self._join_wave()
        self._fill()
        if not self._under_way:
            self._finish()

    def _ask_gate(self) -> bool:
        while self._gates:
            target = self._gates.popleft()
            if self.judge.down[self.plan.scope_of[target]] or self.state[target] != _PENDING:
                continue
            told = self._chains.told(target) if self._chains is not None else None
            if told is None and (self._suspended or self.judge.halted):
                self._left_over = True
            elif all(source >= 0 and self.state[source] == _IGNORE for source in self.plan.gates[target].sources):
                self._make_ready(target)
            else:
                self._gate_open = target
                if told is None:
                    self.step.commands.append(v.Decide(target))
                else:
                    self._decide(told)
                    self._advance()
                return True
        return False

    def _follow_up(self) -> None:
        """Do what follows from the ends of nodes, once every failure that came with them has been judged."""
        state, down, scope_of = self.state, self.judge.down, self.plan.scope_of
        for node in self._done:
            code = state[node]
            if code == _REVERTED:
                self.rollback.clear(node)
            elif code == _REVERT_FAILURE:
                self.judge.revert_failed = True
            elif down[scope_of[node]]:
                self.rollback.ended(node)
            elif code == _SUCCESS:
                self._pass_on(node)
        self._done.clear()

    def _pass_on(self, node: int) -> None:
        """Count a node as done for those after it."""
        waiting, state, kinds, gates = self.waiting, self.state, self.plan.kinds, self.plan.gates
        successors = self.plan.successors
        stack = [node]
        while stack:
            for after in successors[stack.pop()]:
                waiting[after] -= 1
                if waiting[after]:
                    continue
                if state[after]:
                    if state[after] == _IGNORE:
                        stack.append(after)
                elif kinds[after] == _JOIN:
                    state[after] = _SUCCESS
                    stack.append(after)
                elif gates and after in gates and after not in self.answered:
                    self._gates.append(after)
                else:
                    self._next.append(after)

    def _make_ready(self, node: int) -> None:
        if self.plan.kinds[node] == _JOIN:
            self.state[node] = _SUCCESS
            self._pass_on(node)
        else:
            self._next.append(node)

    def plan_next(self, entry: int) -> None:
        """Let a node (or its complement, to revert it) run in the next wave."""
        self._next.append(entry)

    def wait_for_gate(self, target: int) -> None:
        """Ask a target's deciders before anything else runs."""
        self._gates.append(target)

    def recall_answer(self, target: int, answer: str) -> None:
        """Take over an answer that an earlier run was given."""
        self.answered.add(target)
        if answer not in ('yes', v.FAILED):
            self.ignored[target] = self.plan.reach(target, deciders.Depth(answer))

    def forget_answers(self, nodes: Iterable[int]) -> list[int]:
        """Forget what deciders answered for these targets: they are asked again.

        :returns: what a forgotten answer ignored and no other one does; it is PENDING again.
        """
        freed: list[int] = []
        for target in nodes:
            if target in self.answered:
                self.answered.discard(target)
                self.step.transitions.append(v.Gated(target, ''))
                freed += self.ignored.pop(target, ())
        held = {node for reached in self.ignored.values() for node in reached} if freed else ()
        freed = [node for node in freed if self.state[node] == _IGNORE and node not in held]
        for node in freed:
            self.move(node, _PENDING)
        return freed

    def recount(self, nodes: Iterable[int]) -> None:
        """Count anew how many nodes before each of these are not done; to be given in ascending order."""
        state, waiting, predecessors = self.state, self.waiting, self.plan.predecessors
        for node in nodes:
            count = 0
            for before in predecessors[node]:
                # What comes after an ignored node waits for what comes before it.
                if state[before] != _SUCCESS and (state[before] != _IGNORE or waiting[before]):
                    count += 1
            waiting[node] = count

    def is_done(self, node: int) -> bool:
        """Tell whether what comes after a node need not wait for it."""
        code = self.state[node]
        return code == _SUCCESS or (code == _IGNORE and not self.waiting[node])

    # -- giving out commands -----------------------------------------------------------------------

    def _fill(self) -> None:
        """Begin as much of the wave as the window allows."""
        wave, state = self._wave, self.state
        if wave and (self._suspended or self.judge.halted):
            self._leave_over()
        window = self._window
        while wave and self._under_way < window:
            entry = wave.popleft()
            if entry >= 0 and state[entry] == _SUCCESS:
                if self._chains is not None and self._under_way:
                    # Its scope is made as it was before once those that are earlier in the wave have ended.
                    wave.appendleft(entry)
                    return
                self.queued[entry] = 0
                if not self.rollback.reset(entry):
                    self.rollback.ended(entry)
                    continue
            self._start(entry)

    def _leave_over(self) -> None:
        """Leave the rest of the wave to another run."""
        self._left_over = True
        for entry in self._wave:
            self.queued[entry if entry >= 0 else ~entry] = 0
        self._wave.clear()

    def _start(self, entry: int) -> None:
        """Give out the command for an entry of the wave."""
        node, code = (entry, _RUNNING) if entry >= 0 else (~entry, _REVERTING)
        state, step = self.state, self.step
        self.queued[node] = 0
        self._under_way += 1
        if self._chains is not None and self._under_way == 1 and not self._wave and self._chains.give_out(entry):
            return
        prior = state[node]
        if prior:
            self._prior[node] = prior
            self.stale.discard(node)
        if prior != code:
            state[node] = code
            step.transitions.append(v.Moved((node, code)))
        step.commands.append(v.Execute((node,)) if entry >= 0 else v.Revert((node,)))

    def _join_wave(self) -> None:
        """Let the next wave begin; what was ready and lies in a scope that is being reverted by now stays as it is."""
        down, scope_of, queued = self.judge.down, self.plan.scope_of, self.queued
        ready, priorities = self._next, self.plan.priorities
        if priorities and len(ready) > 1:
            ready.sort(key=lambda entry: -priorities.get(entry if entry >= 0 else ~entry, 0))
        for entry in ready:
            if entry >= 0:
                if down[scope_of[entry]]:
                    continue
                queued[entry] = 1
            self._wave.append(entry)
        ready.clear()

    def _finish(self) -> None:
        if self.judge.halted:
            self.step.final = states.FAILURE
        elif self._suspended and self._left_over:
            self.step.final = states.SUSPENDED
        elif self.judge.verdicts:
            self.step.final = states.REVERTED
        else:
            done = self.state.count(_SUCCESS) + self.state.count(_IGNORE)
            if done != len(self.state):
                raise RuntimeError(f'{len(self.state) - done} nodes can never become ready')
            self.step.final = states.SUCCESS
