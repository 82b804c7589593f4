# SPDX-License-Identifier: Apache-2.0
"""The scheduler's two calls: what it answers to plain flows, and that it refuses what cannot have happened.

That it follows the rules is tested on random flows in tests/property.
"""

from __future__ import annotations

import copy
from typing import Any

import testtools

from tfd import retry, task
from tfd.patterns import graph_flow, linear_flow, unordered_flow
from tfd.plan import compile_flow
from tfd.scheduler import (
    Answered,
    Ask,
    Asked,
    Code,
    Decide,
    Decided,
    Execute,
    Executed,
    Gated,
    Judged,
    Moved,
    Options,
    Progress,
    Resolved,
    Revert,
    Reverted,
    Scheduler,
    Suspended,
)
from tfd.scheduler.vocabulary import FAILED


class Plain(task.Task):
    def execute(self) -> None:
        """Do nothing."""


def linear(count: int, controller: Any = None) -> Any:
    flow = linear_flow.Flow('f', retry=controller)
    return compile_flow(flow.add(*(Plain(f't{number}') for number in range(count))))


def unordered(count: int) -> Any:
    return compile_flow(unordered_flow.Flow('f').add(*(Plain(f't{number}') for number in range(count))))


class StepTest(testtools.TestCase):
    def test_the_end_of_one_and_the_start_of_the_next_are_one_step(self):
        scheduler = Scheduler(linear(2))
        step = scheduler.start()
        self.assertEqual(
            ([Moved((0, Code.RUNNING))], [Execute((0,))], None), (step.transitions, step.commands, step.final))
        step = scheduler.handle([Executed((0, True))])
        self.assertEqual([Moved((0, Code.SUCCESS)), Moved((1, Code.RUNNING))], step.transitions)
        self.assertEqual([Execute((1,))], step.commands)
        step = scheduler.handle([Executed((1, True))])
        self.assertEqual(('SUCCESS', []), (step.final, step.commands))

    def test_of_what_is_ready_that_of_the_highest_priority_begins(self):
        tasks = [Plain(name) for name in 'abcd']
        tasks[1].priority, tasks[3].priority = 5, 9
        plan = compile_flow(unordered_flow.Flow('f').add(*tasks))
        scheduler = Scheduler(plan, Options(window=4))
        begun = [plan.atoms[command.node].name for command in scheduler.start().commands]
        self.assertEqual(['d', 'b', 'a', 'c'], begun)

    def test_an_empty_flow_is_done_at_once(self):
        step = Scheduler(compile_flow(linear_flow.Flow('f'))).start()
        self.assertEqual(([], [], 'SUCCESS'), (step.transitions, step.commands, step.final))

    def test_a_failure_is_decided_about_in_the_step_that_reverts(self):
        scheduler = Scheduler(linear(1))
        scheduler.start()
        step = scheduler.handle([Executed((0, False))])
        self.assertEqual(
            [Moved((0, Code.FAILURE)), Resolved(0), Judged(0, 'REVERT'), Moved((0, Code.REVERTING))], step.transitions)
        self.assertEqual([Revert((0,))], step.commands)
        self.assertEqual('REVERTED', scheduler.handle([Reverted((0, True))]).final)

    def test_a_question_and_its_answer_are_steps(self):
        scheduler = Scheduler(linear(1, retry.Times(1, 'r')))
        scheduler.start()
        scheduler.handle([Executed((0, True))])
        step = scheduler.handle([Executed((1, False))])
        self.assertEqual(([Moved((1, Code.FAILURE))], [Ask(0, 1, 1)]), (step.transitions, step.commands))
        step = scheduler.handle([Answered(0, 'RETRY')])
        self.assertEqual([Resolved(1), Judged(1, 'RETRY'), Moved((1, Code.REVERTING))], step.transitions)
        step = scheduler.handle([Reverted((1, True))])
        self.assertEqual(
            [Moved((1, Code.REVERTED)), Judged(1, ''), Moved((0, Code.RETRYING)), Moved((1, Code.PENDING)),
             Moved((0, Code.RUNNING))], step.transitions)

    def test_an_answer_that_is_passed_on_is_recorded_with_the_next_question(self):
        inner = linear_flow.Flow('inner', retry=retry.AlwaysRevert('i')).add(Plain('t'))
        scheduler = Scheduler(compile_flow(linear_flow.Flow('outer', retry=retry.AlwaysRevert('o')).add(inner)))
        scheduler.start()
        scheduler.handle([Executed((0, True))])
        scheduler.handle([Executed((1, True))])
        scheduler.handle([Executed((2, False))])
        step = scheduler.handle([Answered(1, 'REVERT')])
        self.assertEqual(([Asked(2, 1)], [Ask(0, 2, 1)]), (step.transitions, step.commands))
        step = scheduler.handle([Answered(0, 'REVERT')])
        # Nobody overrules it: the innermost scope, which is the second, is reverted.
        self.assertEqual([Asked(2, 2), Resolved(2), Asked(2, 0), Judged(2, 'REVERT')], step.transitions[:4])

    def test_two_failures_are_two_questions_and_their_verdicts_are_recorded_one_by_one(self):
        flow = unordered_flow.Flow('f', retry=retry.AlwaysRevert('r')).add(Plain('a'), Plain('b'))
        scheduler = Scheduler(compile_flow(flow), Options(window=2))
        scheduler.start()
        scheduler.handle([Executed((0, True))])
        step = scheduler.handle([Executed((1, False)), Executed((2, False))])
        self.assertEqual([Ask(0, 1, 1)], step.commands)
        step = scheduler.handle([Answered(0, 'RETRY')])
        self.assertEqual(([Resolved(1), Judged(1, 'RETRY')], [Ask(0, 2, 2)]), (step.transitions, step.commands))
        step = scheduler.handle([Answered(0, 'REVERT_ALL')])
        self.assertEqual([Resolved(2), Judged(0, 'REVERT'), Judged(1, '')], step.transitions[:3])
        self.assertEqual([Revert((1,)), Revert((2,))], step.commands)

    def test_what_another_answer_ignores_stays_ignored(self):
        """Two answers reach the last atom; the scope of one of them runs again."""
        s, target, failing, outer, other, last = [
            Plain(name) for name in ('s', 'target', 'failing', 'outer', 'other', 'last')]
        inner = graph_flow.Flow('inner', retry=retry.Times(1, 'r')).add(s, target, failing)
        inner.link(s, target, decider=bool).link(s, failing)
        flow = graph_flow.Flow('f').add(inner, outer, other, last)
        flow.link(outer, other, decider=bool).link(other, last).link(inner, last)
        plan = compile_flow(flow)
        scheduler = Scheduler(plan, Options(barrier=False, window=9))
        names: dict[int, str] = {node: name for name, node in plan.by_name.items()}
        commands, moves, asked = list(scheduler.start().commands), [], set()
        while commands:
            command = commands.pop(0)
            if isinstance(command, Decide):
                asked.add(names[command.target])
                event: Any = Decided(command.target, 'ALL')
            elif isinstance(command, Ask):
                event = Answered(command.retry, 'RETRY')
            elif isinstance(command, Revert):
                event = Reverted((command.node, True))
            else:
                event = Executed((command.node, names[command.node] != 'failing' or 'failing' in asked))
                asked.update({'failing'} & {names[command.node]})
            step = scheduler.handle([event])
            moves += [move for move in step.transitions if isinstance(move, Moved)]
            # Questions first, then what began first.
            commands = sorted([*commands, *step.commands], key=lambda one: not isinstance(one, Ask | Decide))
        self.assertIn(Moved((plan.by_name['target'], Code.PENDING)), moves)
        self.assertEqual(
            [Moved((plan.by_name['last'], Code.IGNORE))],
            [move for move in moves if move.node == plan.by_name['last']])

    def test_the_window_bounds_what_is_under_way(self):
        scheduler = Scheduler(unordered(5), Options(barrier=False, window=2))
        step = scheduler.start()
        running = [command.node for command in step.commands]
        self.assertEqual(2, len(running))
        for _ in range(5):
            step = scheduler.handle([Executed((running.pop(0), True))])
            running += [command.node for command in step.commands]
            self.assertLessEqual(len(running), 2)
        self.assertEqual('SUCCESS', step.final)

    def test_nothing_happens_is_a_step_with_nothing_in_it(self):
        scheduler = Scheduler(linear(1))
        scheduler.start()
        step = scheduler.handle([])
        self.assertEqual(([], [], None), (step.transitions, step.commands, step.final))

    def test_a_suspend_withdraws_what_was_given_out(self):
        scheduler = Scheduler(linear(2))
        scheduler.start()
        scheduler.handle([Executed((0, True))])
        step = scheduler.handle([Suspended((1,))])
        self.assertEqual(([Moved((1, Code.PENDING))], 'SUSPENDED'), (step.transitions, step.final))

    def test_a_suspend_withdraws_a_revert_to_what_was_before(self):
        for ok, before in ((True, Code.SUCCESS), (False, Code.FAILURE)):
            scheduler = Scheduler(linear(2))
            scheduler.start()
            scheduler.handle([Executed((0, True))])
            step = scheduler.handle([Executed((1, False))])
            if ok:
                step = scheduler.handle([Reverted((1, True))])
            [command] = step.commands
            step = scheduler.handle([Suspended((command.node,))])
            self.assertEqual([Moved((command.node, before))], step.transitions)

    def test_a_decider_that_raised_is_recorded(self):
        graph = graph_flow.Flow('g')
        a, b = Plain('a'), Plain('b')
        graph.add(a, b)
        graph.link(a, b, decider=print)
        scheduler = Scheduler(compile_flow(graph))
        scheduler.start()
        self.assertEqual([Decide(1)], scheduler.handle([Executed((0, True))]).commands)
        step = scheduler.handle([Decided(1, FAILED)])
        self.assertEqual([Gated(1, FAILED), Resolved(1), Judged(0, 'REVERT')], step.transitions[:3])
        self.assertEqual([Revert((0,))], step.commands)


class RefusedTest(testtools.TestCase):
    """Illegal events raise, and leave the nodes that they name as they were."""

    def _refused(self, scheduler: Scheduler, event: Any) -> None:
        before = (bytes(scheduler.state), list(scheduler.waiting), copy.copy(scheduler.judge.verdicts))
        self.assertRaises(ValueError, scheduler.handle, [event])
        self.assertEqual(
            before, (bytes(scheduler.state), list(scheduler.waiting), copy.copy(scheduler.judge.verdicts)))

    def test_starting_twice(self):
        scheduler = Scheduler(linear(1))
        scheduler.start()
        self.assertRaises(RuntimeError, scheduler.start)

    def test_the_end_of_what_does_not_run(self):
        scheduler = Scheduler(linear(2))
        scheduler.start()
        for event in (Executed((1, True)), Reverted((0, True)), Reverted((1, False))):
            self._refused(scheduler, event)
        scheduler.handle([Executed((0, True))])
        self._refused(scheduler, Executed((0, True)))
        self.assertEqual('SUCCESS', scheduler.handle([Executed((1, True))]).final)

    def test_an_answer_to_no_question(self):
        scheduler = Scheduler(linear(1, retry.Times(1, 'r')))
        scheduler.start()
        self._refused(scheduler, Answered(0, 'RETRY'))
        scheduler.handle([Executed((0, True))])
        scheduler.handle([Executed((1, False))])
        self._refused(scheduler, Answered(1, 'RETRY'))
        scheduler.handle([Answered(0, 'REVERT')])
        self._refused(scheduler, Answered(0, 'REVERT'))

    def test_a_decision_that_was_not_asked_for(self):
        self._refused(self._started(linear(1)), Decided(0, ''))

    def test_a_suspend_of_what_does_not_run(self):
        self._refused(self._started(linear(2)), Suspended((1,)))

    def test_what_is_no_event(self):
        self._refused(self._started(linear(1)), 'Executed')

    def _started(self, plan: Any) -> Scheduler:
        scheduler = Scheduler(plan)
        scheduler.start()
        return scheduler

    def test_a_record_that_cannot_be(self):
        # A task after one that never ran: nothing is ready, and the flow is not at its end.
        scheduler = Scheduler(linear(3), Options(never_resolve=False), Progress({0: Code.REVERTED, 2: Code.SUCCESS}))
        self.assertRaises(RuntimeError, scheduler.start)


class ResumeTest(testtools.TestCase):
    def _start(self, plan: Any, **progress: Any) -> Any:
        return Scheduler(plan, Options(), Progress(**progress)).start()

    def test_what_ran_runs_again_and_is_not_recorded_again(self):
        step = self._start(linear(2), codes={0: Code.SUCCESS, 1: Code.RUNNING})
        self.assertEqual(([], [Execute((1,))]), (step.transitions, step.commands))

    def test_what_was_reverting_reverts_again(self):
        step = self._start(
            linear(2), codes={0: Code.SUCCESS, 1: Code.REVERTING}, verdicts={0: 'REVERT'}, resolved=frozenset((1,)))
        self.assertEqual(([], [Revert((1,))]), (step.transitions, step.commands))

    def test_what_ran_and_is_to_be_reverted_is_reverted(self):
        step = self._start(
            unordered(2), codes={1: Code.RUNNING, 2: Code.FAILURE}, verdicts={0: 'REVERT'}, resolved=frozenset((2,)))
        self.assertEqual([Revert((1,))], step.commands)
        self.assertEqual([Moved((1, Code.REVERTING))], step.transitions)

    def test_a_verdict_inside_of_one_that_is_wider_is_void(self):
        inner = linear_flow.Flow('inner', retry=retry.AlwaysRevert('i')).add(Plain('t'))
        plan = compile_flow(linear_flow.Flow('outer', retry=retry.AlwaysRevert('o')).add(inner))
        step = self._start(
            plan, codes={0: Code.SUCCESS, 1: Code.SUCCESS, 2: Code.FAILURE}, resolved=frozenset((2,)),
            verdicts={1: 'RETRY', 2: 'RETRY'})
        self.assertEqual([Judged(2, ''), Moved((2, Code.REVERTING))], step.transitions)

    def test_what_comes_after_an_ignored_atom_waits_for_what_comes_before_it(self):
        s, target, near, slow, far = atoms = [Plain(name) for name in ('s', 'target', 'near', 'slow', 'far')]
        flow = graph_flow.Flow('f').add(*atoms)
        flow.link(s, target, decider=bool, decider_depth='NEIGHBORS').link(target, near)
        flow.link(slow, near).link(near, far)
        plan = compile_flow(flow)
        nodes = plan.by_name
        codes = {nodes['s']: Code.SUCCESS, nodes['target']: Code.IGNORE, nodes['near']: Code.IGNORE,
                 nodes['slow']: Code.RUNNING}
        progress = Progress(codes=codes, answers={nodes['target']: 'NEIGHBORS'})
        step = Scheduler(plan, Options(window=9), progress).start()
        self.assertEqual([Execute((nodes['slow'],))], step.commands)

    def test_an_open_question_is_asked(self):
        step = self._start(linear(1, retry.Times(1, 'r')), codes={0: Code.SUCCESS, 1: Code.FAILURE})
        self.assertEqual([Ask(0, 1, 1)], step.commands)

    def test_a_question_that_was_passed_on_goes_to_the_next(self):
        inner = linear_flow.Flow('inner', retry=retry.AlwaysRevert('i')).add(Plain('t'))
        plan = compile_flow(linear_flow.Flow('outer', retry=retry.AlwaysRevert('o')).add(inner))
        step = self._start(plan, codes={0: Code.SUCCESS, 1: Code.SUCCESS, 2: Code.FAILURE}, levels={2: 1})
        self.assertEqual([Ask(0, 2, 1)], step.commands)

    def test_an_atom_that_a_changed_flow_has_gained_runs(self):
        scheduler = Scheduler(linear(3), Options(), Progress({0: Code.SUCCESS, 2: Code.SUCCESS}))
        self.assertEqual([Execute((1,))], scheduler.start().commands)
        step = scheduler.handle([Executed((1, True))])
        self.assertEqual(([], 'SUCCESS'), (step.commands, step.final))

    def test_a_reset_that_was_recorded_in_part_is_finished(self):
        step = self._start(
            linear(3, retry.Times(2, 'r')), codes={0: Code.RETRYING, 1: Code.PENDING, 2: Code.REVERTED})
        self.assertEqual(
            ([Moved((2, Code.PENDING)), Moved((0, Code.RUNNING))], [Execute((0,))]), (step.transitions, step.commands))

    def test_a_retry_of_a_changed_flow_does_not_wait_for_what_stays_done(self):
        """What came behind an atom that the flow has gained is not undone: nothing says that it followed from it."""
        known, gained, kept, failed = (Plain(name) for name in ('known', 'gained', 'kept', 'failed'))
        flow = graph_flow.Flow('f', retry=retry.Times(2, 'r')).add(known, gained, kept, failed)
        flow.link(known, failed).link(gained, kept).link(kept, failed)
        plan = compile_flow(flow)
        at = plan.by_name
        scheduler = Scheduler(plan, Options(window=4), Progress({
            at['r']: Code.SUCCESS, at['known']: Code.SUCCESS, at['kept']: Code.SUCCESS, at['failed']: Code.FAILURE}))
        self.assertEqual([Ask(at['r'], at['failed'], at['failed'])], scheduler.start().commands)
        scheduler.handle([Answered(at['r'], 'RETRY')])
        scheduler.handle([Reverted((at['failed'], True))])
        scheduler.handle([Reverted((at['known'], True))])
        scheduler.handle([Executed((at['r'], True))])
        step = scheduler.handle([Executed((at['known'], True)), Executed((at['gained'], True))])
        self.assertEqual([Execute((at['failed'],))], step.commands)

    def test_an_end_that_was_recorded_stays(self):
        self.assertEqual('SUCCESS', self._start(linear(1), codes={0: Code.SUCCESS}).final)
        self.assertEqual('REVERTED', self._start(
            linear(1), codes={0: Code.REVERTED}, verdicts={0: 'REVERT'}, resolved=frozenset((0,))).final)
        self.assertEqual('FAILURE', self._start(
            linear(1), codes={0: Code.REVERT_FAILURE}, verdicts={0: 'REVERT'}, resolved=frozenset((0,))).final)


class RecalledAnswerTest(testtools.TestCase):
    """What deciders answered in an earlier run, and a scope that runs again in this one.

    ``a`` comes before ``b`` and ``c``, which have deciders; ``after`` comes after both; ``fails`` beside all of them.
    """

    def setUp(self) -> None:
        super().setUp()
        tasks = {name: Plain(name) for name in ('a', 'b', 'c', 'after', 'fails')}
        flow = graph_flow.Flow('g', retry=retry.Times(2, 'r')).add(*tasks.values())
        for name in 'bc':
            flow.link(tasks['a'], tasks[name], decider=len)
            flow.link(tasks[name], tasks['after'])
        self.plan = compile_flow(flow)
        self.node = {atom.name: node for node, atom in enumerate(self.plan.atoms) if atom is not None}

    def _resumed(self, answers: dict[str, str], ignored: str) -> tuple[Scheduler, Any]:
        codes = {self.node[name]: Code.SUCCESS for name in ('r', 'a')}
        codes[self.node['fails']] = Code.RUNNING
        codes.update((self.node[name], Code.IGNORE) for name in ignored.split())
        scheduler = Scheduler(self.plan, Options(window=5), Progress(
            codes=codes, answers={self.node[name]: answer for name, answer in answers.items()}))
        return scheduler, scheduler.start()

    def _run_again(self, scheduler: Scheduler) -> list[Any]:
        """Let the scope fail and be retried until it begins anew; return all that is to be recorded meanwhile."""
        recorded = []
        step = scheduler.handle([Executed((self.node['fails'], False))])
        for _ in range(3):
            recorded += step.transitions
            events: list[Any] = []
            for command in step.commands:
                if isinstance(command, Ask):
                    events.append(Answered(command.retry, 'RETRY'))
                else:
                    self.assertIsInstance(command, Revert)
                    events.append(Reverted((command.node, True)))
            step = scheduler.handle(events)
            if step.commands == [Execute((self.node['r'],))]:
                return recorded + list(step.transitions)
        self.fail(f'the scope did not begin anew: {step}')

    def test_nobody_is_asked_again_before(self):
        scheduler, step = self._resumed({'b': 'ALL', 'c': 'ALL'}, 'b c after')
        self.assertEqual([Execute((self.node['fails'],))], step.commands)
        self.assertEqual({self.node['b'], self.node['c']}, scheduler.answered)
        self.assertEqual('SUCCESS', scheduler.handle([Executed((self.node['fails'], True))]).final)

    def test_it_is_forgotten_with_what_it_ignored(self):
        scheduler, _step = self._resumed({'b': 'ALL', 'c': 'ATOM'}, 'b c after')
        recorded = self._run_again(scheduler)
        for name in ('b', 'c'):
            self.assertIn(Gated(self.node[name], ''), recorded)
        for name in ('b', 'c', 'after'):
            self.assertIn(Moved((self.node[name], Code.PENDING)), recorded)
        self.assertEqual((set(), {}), (scheduler.answered, scheduler.ignored))

    def test_and_its_deciders_are_asked_again(self):
        scheduler, _step = self._resumed({'b': 'ALL', 'c': 'ATOM'}, 'b c after')
        self._run_again(scheduler)
        step = scheduler.handle([Executed((self.node['r'], True))])
        self.assertEqual(
            {Execute((self.node['a'],)), Execute((self.node['fails'],))}, set(step.commands))
        step = scheduler.handle([Executed((self.node[name], True)) for name in ('a', 'fails')])
        self.assertEqual([Decide(self.node['b'])], step.commands)
        step = scheduler.handle([Decided(self.node['b'], '')])
        self.assertIn(Decide(self.node['c']), step.commands)
