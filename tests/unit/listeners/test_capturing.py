# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import testtools

from tests.unit.listeners import engines
from tfd.listeners import capturing


class CaptureListenerTest(testtools.TestCase):
    def _heard(self, **options: Any) -> list[tuple[str, str]]:
        engine = engines.failing()
        with capturing.CaptureListener(engine, **options) as listener:
            engines.run(engine)
        return [(kind, state) for kind, state, _ in listener.values]

    def test_keeps_everything_in_order(self) -> None:
        heard = self._heard()
        self.assertEqual(
            [('flow', 'RUNNING'), ('retry', 'RUNNING'), ('retry', 'SUCCESS'), ('task', 'RUNNING')], heard[:4])
        self.assertEqual(('flow', 'REVERTED'), heard[-1])

    def test_keeps_details(self) -> None:
        engine = engines.succeeding()
        with capturing.CaptureListener(engine, capture_flow=False) as listener:
            engine.run()
        [_, (kind, state, details)] = listener.values
        self.assertEqual(('task', 'SUCCESS', 'a', 1), (kind, state, details['task_name'], details['result']))

    def test_leaves_kinds_out(self) -> None:
        self.assertEqual({'task'}, {kind for kind, _ in self._heard(capture_flow=False, capture_retry=False)})
        self.assertNotIn('task', {kind for kind, _ in self._heard(capture_task=False)})

    def test_leaves_names_out(self) -> None:
        self.assertEqual([], self._heard(skip_tasks=['a', 'b'], skip_retries=['r'], skip_flows=['f']))

    def test_appends_to_a_list_that_is_given(self) -> None:
        values: list[Any] = ['before']
        self.assertIs(values, capturing.CaptureListener(engines.succeeding(), values=values).values)

    def test_a_subclass_decides_what_is_kept(self) -> None:
        class Names(capturing.CaptureListener):
            @staticmethod
            def _format_capture(kind: str, state: str, details: dict[str, Any]) -> Any:
                return state

        engine = engines.succeeding()
        with Names(engine) as listener:
            engine.run()
        self.assertEqual(['RUNNING', 'RUNNING', 'SUCCESS', 'SUCCESS'], listener.values)
