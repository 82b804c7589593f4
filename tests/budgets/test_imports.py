# SPDX-License-Identifier: Apache-2.0
"""What authors of tasks and flows import brings nothing else with it."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import testtools

import tfd

_SCRIPT = """
import sys
import {module}
names = {{name.partition('.')[0] for name in sys.modules}}
print(*sorted(names - set(sys.stdlib_module_names) - {{'tfd', '__main__'}}))
print(*sorted(name for name in sys.modules if name.startswith('tfd.')))
"""


class ImportsTest(testtools.TestCase):
    def _imported(self, module: str) -> tuple[set[str], set[str]]:
        """Return the packages of others and the modules of tfd that a module brings with it."""
        top = pathlib.Path(tfd.__file__).parent.parent
        done = subprocess.run(  # -S: what site-packages import by themselves does not count
            [sys.executable, '-S', '-c', _SCRIPT.format(module=module)], cwd=top, capture_output=True, text=True,
            check=True)
        others, own = done.stdout.split('\n')[:2]
        return set(others.split()), set(own.split())

    def test_definitions_need_nobody_else(self):
        modules = ('task', 'retry', 'atom', 'flow', 'deciders', 'states', 'exceptions', 'types.failure',
                   'types.notifier', 'patterns.linear_flow', 'patterns.unordered_flow', 'patterns.graph_flow')
        self.assertEqual(set(), self._imported(', tfd.'.join(('tfd', *modules)))[0])

    def test_the_plan_and_the_scheduler_need_nobody_else(self):
        others, own = self._imported('tfd.scheduler')
        self.assertEqual(set(), others)
        self.assertFalse({name for name in own if name.startswith(('tfd.storage', 'tfd.engines', 'tfd.persistence'))})

    def test_a_task_needs_no_engine(self):
        _others, own = self._imported('tfd.task')
        self.assertFalse({name for name in own if name.startswith(('tfd.plan', 'tfd.scheduler', 'tfd.engines'))})

    def test_a_task_needs_nothing_that_takes_long(self):
        script = 'import sys, tfd.task; print(*sorted({"dataclasses", "inspect", "logging"} & set(sys.modules)))'
        done = subprocess.run(
            [sys.executable, '-S', '-c', script], cwd=pathlib.Path(tfd.__file__).parent.parent, capture_output=True,
            text=True, check=True)
        self.assertEqual('', done.stdout.strip())
