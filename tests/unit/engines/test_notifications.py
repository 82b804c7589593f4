# SPDX-License-Identifier: Apache-2.0
"""What listeners are told, and in which order."""

from __future__ import annotations

from typing import Any

from tests.unit.engines.tracing import EngineTestCase, Traced, raising
from tfd import engines, retry
from tfd.patterns import linear_flow
from tfd.persistence import memory


class NotificationTest(EngineTestCase):
    def _told(self, flow: Any, **options: Any) -> list[tuple[Any, ...]]:
        told: list[tuple[Any, ...]] = []
        engine = engines.load(flow, **options)

        def listen(state: str, details: dict[str, Any]) -> None:
            name = details.get('task_name') or details.get('retry_name') or 'F'
            told.append((name, state, details['old_state'], details.get('result', '-')))

        engine.notifier.register('*', listen)
        engine.atom_notifier.register('*', listen)
        try:
            engine.run()
        except ValueError:
            pass
        return told

    def test_success(self):
        self.assertEqual([
            ('F', 'RUNNING', 'PENDING', '-'),
            ('a', 'RUNNING', 'PENDING', '-'), ('a', 'SUCCESS', 'RUNNING', 'a'),
            ('b', 'RUNNING', 'PENDING', '-'), ('b', 'SUCCESS', 'RUNNING', 'b'),
            ('F', 'SUCCESS', 'RUNNING', '-'),
        ], self._told(self.linear('a', 'b')))

    def test_failure(self):
        flow = linear_flow.Flow('f').add(
            Traced('a', self.calls, None, lambda: 'undone'), Traced('b', self.calls, raising(ValueError('b'))))
        told = self._told(flow)
        self.assertEqual([
            ('F', 'RUNNING', 'PENDING'),
            ('a', 'RUNNING', 'PENDING'), ('a', 'SUCCESS', 'RUNNING'),
            ('b', 'RUNNING', 'PENDING'), ('b', 'FAILURE', 'RUNNING'),
            ('b', 'REVERTING', 'FAILURE'), ('b', 'REVERTED', 'REVERTING'),
            ('a', 'REVERTING', 'SUCCESS'), ('a', 'REVERTED', 'REVERTING'),
            ('F', 'REVERTED', 'RUNNING'),
        ], [item[:3] for item in told])
        results = {item[:2]: item[3] for item in told}
        self.assertEqual('b', results['b', 'FAILURE'].exception_str)
        self.assertIsNone(results['b', 'REVERTED'])
        self.assertEqual('undone', results['a', 'REVERTED'])

    def test_retry(self):
        errors = [ValueError('a')]

        def once() -> str:
            if errors:
                raise errors.pop()
            return 'done'

        for options in ({}, {'backend': memory.MemoryBackend()}):
            errors[:] = [ValueError('a')]
            flow = linear_flow.Flow('f', retry=retry.Times(2, 'r'))
            flow.add(Traced('a', self.calls, once, lambda: 'undone'))
            told = self._told(flow, **options)
            self.assertEqual([
                ('F', 'RUNNING', 'PENDING'), ('r', 'RUNNING', 'PENDING'), ('r', 'SUCCESS', 'RUNNING'),
                ('a', 'RUNNING', 'PENDING'), ('a', 'FAILURE', 'RUNNING'),
                ('a', 'REVERTING', 'FAILURE'), ('a', 'REVERTED', 'REVERTING'),
                ('r', 'RETRYING', 'SUCCESS'), ('a', 'PENDING', 'REVERTED'),
                ('r', 'RUNNING', 'RETRYING'), ('r', 'SUCCESS', 'RUNNING'),
                ('a', 'RUNNING', 'PENDING'), ('a', 'SUCCESS', 'RUNNING'), ('F', 'SUCCESS', 'RUNNING'),
            ], [item[:3] for item in told])
            self.assertEqual([1, 2], [item[3] for item in told if item[:2] == ('r', 'SUCCESS')])
            # The scope is reset in the same step: what the revert returned is told all the same.
            self.assertEqual(['undone'], [item[3] for item in told if item[:2] == ('a', 'REVERTED')])

    def test_details_name_atoms_and_flow(self):
        keys: dict[str, set[str]] = {}
        flow = linear_flow.Flow('f', retry=retry.Times(1, 'r')).add(Traced('a', self.calls))
        engine = engines.load(flow)
        engine.notifier.register('RUNNING', lambda state, details: keys.update(flow=set(details)))
        engine.atom_notifier.register('SUCCESS', lambda state, details: keys.update(
            {'retry' if 'retry_name' in details else 'task': set(details)}))
        engine.run()
        self.assertEqual({
            'flow': {'engine', 'flow_name', 'flow_uuid', 'old_state'},
            'task': {'task_name', 'task_uuid', 'old_state', 'result'},
            'retry': {'retry_name', 'retry_uuid', 'old_state', 'result'}}, keys)

    def test_what_a_listener_raises_changes_nothing(self):
        engine = engines.load(self.linear('a', 'b'))
        engine.notifier.register('*', lambda state, details: 1 // 0)
        engine.atom_notifier.register('*', lambda state, details: 1 // 0)
        engine.run()
        self.assertEqual(['a.x', 'b.x'], self.calls)
