# SPDX-License-Identifier: Apache-2.0
"""What an engine keeps per task and link: few bytes, and few objects for the garbage collector to walk over."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import testtools

from tests.budgets import flows
from tfd import engines
from tfd import plan as planning

_TASKS = 2000


def _tracked(make: Any) -> tuple[int, Any]:
    """Return how many objects the garbage collector has more to look at, and what was made."""
    gc.collect()
    before = len(gc.get_objects())
    made = make()
    gc.collect()  # tuples of integers are left alone from the first pass on
    return len(gc.get_objects()) - before, made


class MemoryTest(testtools.TestCase):
    def test_bytes_per_task(self):
        for name in ('linear', 'unordered', 'graph', 'reverted'):
            flow = flows.SHAPES[name](_TASKS)
            engine = engines.load(flow)
            tracemalloc.start()
            try:
                engine.run()
            except ValueError:
                pass
            _now, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            self.assertLess(most / _TASKS, 2048, name)

    def test_objects_per_task_of_a_plan(self):
        for name in ('linear', 'unordered', 'reverted'):
            flow = flows.SHAPES[name](_TASKS)
            found, _plan = _tracked(lambda flow=flow: planning.compile_flow(flow))
            self.assertLess(found / _TASKS, 1.2, name)

    def test_names_of_its_own_are_no_more_objects_of_a_task(self):
        flows.named_apart(1)
        found, flow = _tracked(lambda: flows.named_apart(_TASKS))
        self.assertLess(found / _TASKS, 1.1)
        found, _plan = _tracked(lambda: planning.compile_flow(flow))
        self.assertLess(found / _TASKS, 0.1)

    def test_no_object_per_link_of_a_graph(self):
        flows.wide_graph(10)
        found, flow = _tracked(lambda: flows.wide_graph(_TASKS))
        self.assertLess(found / _TASKS, 3.1)  # the task, and a list of ten neighbours each way
        self.assertEqual(10 * (_TASKS - 10), sum(1 for _ in flow.iter_links()))

    def test_no_object_per_link_of_a_plan(self):
        flow = flows.wide_graph(_TASKS)
        found, plan = _tracked(lambda: planning.compile_flow(flow))
        self.assertLess(found / sum(map(len, plan.successors)), 0.2)

    def test_no_object_per_task_of_a_run(self):
        engine = engines.load(flows.linear(_TASKS))
        engine.validate()
        found, _nothing = _tracked(engine.run)
        self.assertLess(found / _TASKS, 0.1)
