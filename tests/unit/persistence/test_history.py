# SPDX-License-Identifier: Apache-2.0
"""What is told of steps, and what can be told from that."""

from __future__ import annotations

import json

import testtools

from tfd.persistence import history
from tfd.persistence.history import Event
from tfd.persistence.record import Change, DecisionRecord, Entry, Fence, Settlement, StepRecord

_FENCE = Fence('job', 1)


def describe(**values: object) -> list[object]:
    return json.loads(history.described(Entry('flow', _FENCE, **values), str))  # type: ignore[arg-type]


class DescribedTest(testtools.TestCase):

    def test_what_ends_and_what_begins(self) -> None:
        self.assertEqual([[0, 'SUCCESS'], [1, 'RUNNING']], describe(changes=[
            Change(0, ('state', 'result'), ('SUCCESS', '1')), Change(1, ('state',), ('RUNNING',))]))

    def test_what_is_no_change_of_a_state_is_not_told(self) -> None:
        self.assertEqual([], describe(changes=[Change(0, ('meta',), ('1',))], columns=('meta',), values=('2',)))

    def test_failures_decisions_the_flow_and_the_job(self) -> None:
        self.assertEqual(
            [[3, 'FAILURE', 'went wrong'], ['verdict', 'REVERT'], ['flow', 'FAILURE'], ['job', 'PARKED', 'why']],
            describe(
                changes=[Change(3, ('state', 'failure'), ('FAILURE', 'went wrong'))],
                decisions=[DecisionRecord('flow', 'verdict', 1, 'REVERT')], columns=('state',), values=('FAILURE',),
                settlement=Settlement('claim', 'PARKED', reason='why')))

    def test_its_length_is_bounded(self) -> None:
        changes = [Change(number, ('state', 'failure'), ('FAILURE', 'x' * 10_000)) for number in range(10_000)]
        text = history.described(Entry('flow', _FENCE, changes), str)
        self.assertLess(len(text), 20_000)
        self.assertEqual(['…', '9900 more'], json.loads(text)[-1])


class EventsTest(testtools.TestCase):

    def events(self, *steps: tuple[float, int, list[object]]) -> list[Event]:
        return history.events(
            [StepRecord('flow', seq, 'job', epoch, f'owner-{epoch}', at, json.dumps(what))
             for seq, (at, epoch, what) in enumerate(steps)], {0: 'a', 1: 'b'})

    def test_a_call_has_the_time_between_its_beginning_and_its_end(self) -> None:
        first, second, third = self.events((10.0, 1, [[0, 'RUNNING']]), (12.5, 1, [[0, 'SUCCESS'], [1, 'RUNNING']]))
        self.assertEqual(Event(10.0, 'owner-1', 1, 0, 'a', 'RUNNING', 1), first)
        self.assertEqual(Event(12.5, 'owner-1', 1, 1, 'a', 'SUCCESS', 1, 2.5), second)
        self.assertEqual(Event(12.5, 'owner-1', 1, 1, 'b', 'RUNNING', 1), third)

    def test_attempts_are_counted_over_claims(self) -> None:
        found = self.events(
            (1.0, 1, [[0, 'RUNNING']]), (5.0, 2, [[0, 'RUNNING']]), (6.0, 2, [[0, 'FAILURE', 'no']]),
            (7.0, 2, [[0, 'REVERTING']]), (9.0, 2, [[0, 'REVERTED']]))
        self.assertEqual([1, 2, 2, 1, 1], [event.attempt for event in found])
        self.assertEqual([None, None, 1.0, None, 2.0], [event.seconds for event in found])
        self.assertEqual('no', found[2].text)

    def test_a_call_that_another_claim_began_has_no_time(self) -> None:
        found = self.events((1.0, 1, [[0, 'RUNNING']]), (5.0, 2, [[0, 'PENDING']]))
        self.assertIsNone(found[1].seconds)

    def test_what_is_no_atom_is_named_as_it_is(self) -> None:
        found = self.events((1.0, 1, [[7, 'RUNNING'], ['flow', 'RUNNING'], ['job', 'PARKED', 'why'], ['…', '3 more']]))
        self.assertEqual(['7', 'flow', 'job', '…'], [event.subject for event in found])
