# SPDX-License-Identifier: Apache-2.0
"""What is recorded before what: a start before its call, a change before those who listen hear of it."""

from __future__ import annotations

from typing import Any

import testtools

from tests.budgets import flows
from tfd import engines, task
from tfd.patterns import linear_flow, unordered_flow
from tfd.persistence import memory


class _Asks(task.Task):
    """Looks, inside its calls, what is recorded of it."""

    def __init__(self, name: str, found: dict[Any, Any]) -> None:
        super().__init__(name)
        self.look: Any = None
        self.found = found

    def execute(self) -> None:
        self.found[self.name, 'execute'] = self.look(self.name)

    def revert(self, **kwargs: Any) -> None:
        self.found[self.name, 'revert'] = self.look(self.name)


class OrderTest(testtools.TestCase):
    def _engine(self, kind: str, found: dict[Any, Any]) -> Any:
        tasks = [_Asks(f't{number}', found) for number in range(3)]
        flow = linear_flow.Flow('f').add(
            tasks[0], unordered_flow.Flow('g').add(*tasks[1:]), flows.Failing('last'))
        backend = memory.MemoryBackend()
        engine = engines.load(flow, backend=backend, engine=kind)
        for one in tasks:
            one.look = lambda name: self._recorded(engine, backend)[name]
        return engine, backend

    def _recorded(self, engine: Any, backend: Any) -> dict[str, str]:
        return {atom.name: atom.state for atom in backend.journal().load(engine.storage.flow_uuid).atoms}

    def test_a_start_is_recorded_before_the_call(self):
        for kind in ('serial', 'parallel'):
            found: dict[Any, Any] = {}
            engine, _backend = self._engine(kind, found)
            self.assertRaises(ValueError, engine.run)
            self.assertEqual(
                {(f't{n}', method): state for n in range(3)
                 for method, state in (('execute', 'RUNNING'), ('revert', 'REVERTING'))}, found)

    def test_listeners_hear_of_what_is_recorded(self):
        for kind in ('serial', 'parallel'):
            heard = []
            engine, backend = self._engine(kind, {})

            def listen(state: str, details: Any, engine: Any = engine, backend: Any = backend,
                       heard: list[Any] = heard) -> None:
                heard.append((details['task_name'], state, self._recorded(engine, backend)[details['task_name']]))

            engine.atom_notifier.register('*', listen)
            self.assertRaises(ValueError, engine.run)
            # With a failure goes the start of what it leads to.
            allowed = {('FAILURE', 'REVERTING')}
            self.assertEqual([], [item for item in heard if item[1] != item[2] and item[1:] not in allowed])
            self.assertEqual(16, len(heard))

    def test_listeners_hear_of_a_flow_that_is_recorded(self):
        for kind in ('serial', 'parallel'):
            heard = []
            engine, backend = self._engine(kind, {})

            def listen(state: str, details: Any, engine: Any = engine, backend: Any = backend,
                       heard: list[Any] = heard) -> None:
                heard.append((state, backend.journal().load(engine.storage.flow_uuid).flow.state))

            engine.notifier.register('*', listen)
            self.assertRaises(ValueError, engine.run)
            self.assertEqual([('RUNNING', 'RUNNING'), ('REVERTED', 'REVERTED')], heard)
