# SPDX-License-Identifier: Apache-2.0
"""What TaskFlow itself suspended comes to the same with tfd as with TaskFlow, wherever it was suspended."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
from typing import Any

import fixtures
import testtools

from tests.functional.sql import taskflow_shapes
from tfd import engines
from tfd.persistence.memory import MemoryBackend
from tfd.storage.imported import take_over
from tfd_drivers.sql.taskflow import TaskFlowSource

_ROOT = pathlib.Path(__file__).resolve().parents[3]
#: A Python that has TaskFlow 6.5: that of tools/conformance, if it was run here.
_PYTHON = os.environ.get('TFD_TEST_TASKFLOW', str(_ROOT / 'build' / 'conformance' / 'venv' / 'bin' / 'python'))


@testtools.skipUnless(os.access(_PYTHON, os.X_OK), 'there is no Python with TaskFlow: tools/conformance makes one')
class ResumedTest(testtools.TestCase):

    def test_as_with_taskflow(self) -> None:
        folder = self.useFixture(fixtures.TempDir()).path
        ended = subprocess.run(
            [_PYTHON, taskflow_shapes.__file__, folder], capture_output=True, check=True, text=True, timeout=600)
        expected = json.loads(ended.stdout)
        self.assertGreater(len(expected), 12)
        for name, outcome in expected.items():
            self.assertEqual((name, outcome), (name, self._resumed(folder, name, outcome['tried so far'])))

    def _resumed(self, folder: str, name: str, so_far: dict[str, int]) -> dict[str, Any]:
        backend = MemoryBackend()
        source = TaskFlowSource(f'sqlite:///{folder}/{name}.sqlite')
        list(take_over(source.read(None), backend))
        source.close()
        connection = backend.get_connection()
        tried = dict(so_far)
        make = taskflow_shapes.shapes('tfd', tried)[name.rpartition('-')[0]]
        detail = connection.get_flow_details(taskflow_shapes.FLOW)
        outcome = taskflow_shapes.outcome(
            engines.load(make(), flow_detail=detail, backend=backend), connection)
        return {**outcome, 'tried so far': so_far, 'tried': tried}
