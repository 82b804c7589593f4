# SPDX-License-Identifier: Apache-2.0
"""Chains: what is given out together, how far it came, and what that leads to.

That they change nothing else is tested on random flows in tests/property.
"""

from __future__ import annotations

import itertools
from typing import Any

import testtools

from tfd import retry, task
from tfd.patterns import graph_flow, linear_flow, unordered_flow
from tfd.plan import compile_flow
from tfd.scheduler import (
    Answered,
    ChainExecuted,
    ChainReverted,
    Code,
    Decide,
    Decided,
    Execute,
    ExecuteChain,
    Executed,
    Gated,
    GatedAll,
    Judged,
    Moved,
    MovedAll,
    Options,
    Progress,
    Resolved,
    Revert,
    RevertChain,
    Reverted,
    Scheduler,
    Suspended,
)
from tfd.scheduler.vocabulary import FAILED


class Plain(task.Task):
    def execute(self) -> None:
        """Do nothing."""


def _linear(count: int, name: str = 'f', controller: Any = None) -> Any:
    flow = linear_flow.Flow(name, retry=controller)
    return flow.add(*(Plain(f'{name}-{number}') for number in range(count)))


def _scheduler(flow: Any) -> Scheduler:
    return Scheduler(compile_flow(flow), Options(window=500, chains=True))


class GivenOutTest(testtools.TestCase):
    def _commands(self, flow: Any) -> list[Any]:
        return _scheduler(flow).start().commands

    def test_tasks_in_a_row_are_one_command(self):
        self.assertEqual([ExecuteChain((0, 2))], self._commands(_linear(3)))

    def test_nested_flows_in_a_row_are_one_command(self):
        flow = linear_flow.Flow('outer').add(_linear(2, 'a'), _linear(2, 'b'))
        self.assertEqual([ExecuteChain((0, 3))], self._commands(flow))

    def test_a_task_alone_is_no_chain(self):
        self.assertEqual([Execute((0,))], self._commands(_linear(1)))

    def test_a_wave_is_given_out_task_by_task(self):
        flow = unordered_flow.Flow('f').add(Plain('a'), Plain('b'))
        self.assertEqual([Execute((1,)), Execute((2,))], self._commands(flow))

    def test_a_chain_ends_before_a_retry(self):
        flow = linear_flow.Flow('outer').add(Plain('a'), Plain('b'), _linear(2, 'c', retry.AlwaysRevert('r')))
        self.assertEqual([ExecuteChain((0, 1))], self._commands(flow))

    def test_a_retry_is_in_no_chain(self):
        self.assertEqual([Execute((0,))], self._commands(_linear(2, 'f', retry.AlwaysRevert('r'))))

    def test_a_chain_ends_where_ways_part(self):
        flow = linear_flow.Flow('outer').add(_linear(2, 'a'), unordered_flow.Flow('b').add(Plain('c'), Plain('d')))
        scheduler = _scheduler(flow)
        self.assertEqual([ExecuteChain((0, 1))], scheduler.start().commands)
        self.assertEqual([Execute((3,)), Execute((4,))], scheduler.handle([ChainExecuted((0, 2, True))]).commands)

    def test_scopes_that_run_again_begin_one_after_the_other(self):
        """Making a scope as it was before must not meet what another scope has under way."""
        flow = unordered_flow.Flow('f').add(*(_linear(1, name, retry.Times(2, f'{name}-retry')) for name in 'ab'))
        scheduler = _scheduler(flow)
        first, second = (command.node for command in scheduler.start().commands)
        [one], [other] = (scheduler.plan.successors[node] for node in (first, second))
        scheduler.handle([Executed((first, True)), Executed((second, True))])
        scheduler.handle([Executed((one, False)), Executed((other, False))])
        scheduler.handle([Answered(first, 'RETRY')])
        scheduler.handle([Answered(second, 'RETRY')])
        step = scheduler.handle([Reverted((one, True)), Reverted((other, True))])
        self.assertEqual([Execute((first,))], step.commands)
        self.assertEqual([Execute((second,))], scheduler.handle([Executed((first, True))]).commands)


def _decided(count: int) -> Any:
    """Return a flow of tasks with a decider on each link."""
    tasks = [Plain(f't{number}') for number in range(count)]
    flow = graph_flow.Flow('f').add(*tasks)
    for before, after in itertools.pairwise(tasks):
        flow.link(before, after, decider=lambda history: True)
    return flow


class GatesTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.scheduler = _scheduler(_decided(4))
        self.first = self.scheduler.start()

    def test_a_chain_goes_through_deciders(self):
        self.assertEqual([ExecuteChain((0, 3))], self.first.commands)
        step = self.scheduler.handle([ChainExecuted((0, 4, True))])
        self.assertEqual(
            [GatedAll(((1, 2, 3),)), MovedAll((0, 3, Code.SUCCESS))], step.transitions)
        self.assertEqual('SUCCESS', step.final)

    def test_a_no_is_not_asked_for_again(self):
        step = self.scheduler.handle([ChainExecuted((0, 2, True)), Decided(2, 'ATOM')])
        self.assertEqual(
            [GatedAll(((1,),)), MovedAll((0, 1, Code.SUCCESS)), Gated(2, 'ATOM'), Moved((2, Code.IGNORE)),
             Moved((3, Code.RUNNING))], step.transitions)
        self.assertEqual([Execute((3,))], step.commands)

    def test_a_no_of_the_first_is_alone(self):
        step = self.scheduler.handle([ChainExecuted((0, 1, True)), Decided(1, 'ALL')])
        self.assertEqual(
            [MovedAll((0, 0, Code.SUCCESS)), Gated(1, 'ALL'), *(Moved((node, Code.IGNORE)) for node in (1, 2, 3))],
            step.transitions)
        self.assertEqual('SUCCESS', step.final)

    def test_a_decider_that_raised(self):
        step = self.scheduler.handle([ChainExecuted((0, 2, True)), Decided(2, FAILED)])
        self.assertEqual([Gated(2, FAILED), Resolved(2), Judged(0, 'REVERT')], step.transitions[2:5])
        self.assertEqual([RevertChain((0, 1))], step.commands)

    def test_deciders_that_were_not_asked_are(self):
        step = self.scheduler.handle([ChainExecuted((0, 2, True))])
        self.assertEqual([Decide(2)], step.commands)
        step = self.scheduler.handle([Decided(2, '')])
        self.assertEqual([ExecuteChain((2, 3))], step.commands)

    def test_a_yes_before_a_suspend_is_kept(self):
        step = self.scheduler.handle([ChainExecuted((0, 2, True)), Decided(2, ''), Suspended()])
        self.assertEqual(
            ([GatedAll(((1,),)), MovedAll((0, 1, Code.SUCCESS)), Gated(2, 'yes')], 'SUSPENDED'),
            (step.transitions, step.final))

    def test_a_suspend_before_deciders_are_asked(self):
        step = self.scheduler.handle([ChainExecuted((0, 2, True)), Suspended()])
        self.assertEqual(
            ([GatedAll(((1,),)), MovedAll((0, 1, Code.SUCCESS))], 'SUSPENDED'), (step.transitions, step.final))

    def test_the_deciders_of_what_failed_have_said_yes(self):
        step = self.scheduler.handle([ChainExecuted((0, 2, False))])
        self.assertEqual(
            [GatedAll(((1, 2),)), MovedAll((0, 1, Code.SUCCESS)), Moved((2, Code.FAILURE))],
            step.transitions[:3])

    def test_an_answer_that_belongs_to_no_end_is_refused(self):
        for target in (2, 3):
            self.assertRaises(ValueError, self.scheduler.handle, [Decided(target, '')])
        self.assertRaises(
            ValueError, self.scheduler.handle, [ChainExecuted((0, 2, True)), Decided(3, '')])

    def test_an_answer_that_was_recorded_is_not_asked_for(self):
        scheduler = Scheduler(
            compile_flow(_decided(4)), Options(window=500, chains=True),
            Progress({0: Code.SUCCESS}, answers={2: 'yes'}))
        self.assertEqual([Decide(1)], scheduler.start().commands)
        self.assertEqual([Execute((1,))], scheduler.handle([Decided(1, '')]).commands)
        self.assertEqual([ExecuteChain((2, 3))], scheduler.handle([Executed((1, True))]).commands)

    def test_the_decider_of_a_link_from_a_flow_ends_a_chain(self):
        inner, last = _linear(2, 'inner'), Plain('last')
        flow = graph_flow.Flow('f').add(inner, last).link(inner, last, decider=lambda history: True)
        self.assertEqual([ExecuteChain((0, 1))], _scheduler(flow).start().commands)

    def test_a_chain_goes_through_more_deciders_once_they_have_said_yes(self):
        """What is looked at in vain, where they say no, stays less than what has been run."""
        scheduler = _scheduler(_decided(100))
        [chain] = scheduler.start().commands
        lengths, reach = [chain.last + 1], chain
        while (step := scheduler.handle([ChainExecuted((reach.first, reach.last + 1, True))])).final is None:
            [reach] = scheduler.handle([Decided(step.commands[0].target, '')]).commands
            lengths.append(reach.last + 1 - reach.first)
        self.assertEqual([17, 33, 50], lengths)


class EndTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.scheduler = _scheduler(_linear(4))
        self.scheduler.start()

    def test_all_succeed(self):
        step = self.scheduler.handle([ChainExecuted((0, 4, True))])
        self.assertEqual(([MovedAll((0, 3, Code.SUCCESS))], 'SUCCESS'), (step.transitions, step.final))

    def test_a_failure_is_reverted_and_then_what_came_before_it(self):
        step = self.scheduler.handle([ChainExecuted((0, 2, False))])
        self.assertEqual(
            [MovedAll((0, 1, Code.SUCCESS)), Moved((2, Code.FAILURE)), Resolved(2), Judged(0, 'REVERT'),
             Moved((2, Code.REVERTING))], step.transitions)
        self.assertEqual([Revert((2,))], step.commands)
        step = self.scheduler.handle([Reverted((2, True))])
        self.assertEqual([RevertChain((0, 1))], step.commands)
        step = self.scheduler.handle([ChainReverted((1, -1, True))])
        self.assertEqual(([MovedAll((0, 1, Code.REVERTED))], 'REVERTED'), (step.transitions, step.final))

    def test_a_failed_revert_leaves_what_came_before_it(self):
        self.scheduler.handle([ChainExecuted((0, 3, False))])
        self.scheduler.handle([Reverted((3, True))])
        step = self.scheduler.handle([ChainReverted((2, 1, False))])
        self.assertEqual(
            ([MovedAll((2, 2, Code.REVERTED)), Moved((1, Code.REVERT_FAILURE))], 'FAILURE'),
            (step.transitions, step.final))
        self.assertEqual(Code.SUCCESS, self.scheduler.state[0])

    def test_the_first_revert_of_a_chain_fails(self):
        self.scheduler.handle([ChainExecuted((0, 3, False))])
        self.scheduler.handle([Reverted((3, True))])
        step = self.scheduler.handle([ChainReverted((2, 2, False))])
        self.assertEqual(([Moved((2, Code.REVERT_FAILURE))], 'FAILURE'), (step.transitions, step.final))
        self.assertEqual([Code.SUCCESS] * 2, list(self.scheduler.state[:2]))

    def test_a_suspend_keeps_the_rest_from_beginning(self):
        step = self.scheduler.handle([ChainExecuted((0, 2, True)), Suspended()])
        self.assertEqual(([MovedAll((0, 1, Code.SUCCESS))], 'SUSPENDED'), (step.transitions, step.final))
        self.assertEqual([Code.PENDING] * 2, list(self.scheduler.state[2:]))

    def test_a_suspend_before_the_first(self):
        step = self.scheduler.handle([ChainExecuted((0, 0, True)), Suspended()])
        self.assertEqual(([], 'SUSPENDED'), (step.transitions, step.final))

    def test_a_suspend_while_reverting(self):
        self.scheduler.handle([ChainExecuted((0, 3, False))])
        self.scheduler.handle([Reverted((3, True))])
        step = self.scheduler.handle([ChainReverted((2, 0, True)), Suspended()])
        self.assertEqual(([MovedAll((1, 2, Code.REVERTED))], 'SUSPENDED'), (step.transitions, step.final))
        self.assertEqual(Code.SUCCESS, self.scheduler.state[0])

    def test_a_chain_that_was_not_given_out_is_refused(self):
        before = bytes(self.scheduler.state)
        for event in (ChainExecuted((1, 4, True)), ChainReverted((3, -1, True))):
            self.assertRaises(ValueError, self.scheduler.handle, [event])
        self.assertEqual(before, bytes(self.scheduler.state))
        self.scheduler.handle([ChainExecuted((0, 4, True))])
        self.assertRaises(ValueError, self.scheduler.handle, [ChainExecuted((0, 4, True))])

    def test_without_the_option_there_are_none(self):
        scheduler = Scheduler(compile_flow(_linear(2)))
        self.assertEqual([Execute((0,))], scheduler.start().commands)
        self.assertRaises(ValueError, scheduler.handle, [ChainExecuted((0, 2, True))])
        self.assertEqual([Execute((1,))], scheduler.handle([Executed((0, True))]).commands)
