# SPDX-License-Identifier: Apache-2.0
"""What a recorder writes while tasks tell of their progress."""

from __future__ import annotations

from typing import Any

import testtools

from tfd import plan, task
from tfd.patterns import unordered_flow
from tfd.persistence import memory
from tfd.persistence.record import FlowRecord
from tfd.scheduler import Step
from tfd.storage.columns import Columns
from tfd.storage.recorder import Recorder
from tfd.types.secret import Veil

_FLOW = '0b' * 16


class ProgressTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        compiled = plan.compile_flow(unordered_flow.Flow('f').add(*(
            task.FunctorTask(lambda: None, name=name) for name in ('a', 'b'))))
        self.columns = Columns(compiled, _FLOW)
        self.nodes = [compiled.by_name[name] for name in ('a', 'b')]
        self.journal = memory.MemoryBackend().journal()
        self.recorder = Recorder(self.journal, self.columns, None, Veil(), frozenset())
        self.recorder.create(FlowRecord(_FLOW, None, 'f'), [
            self.columns.record_of(node, _FLOW) for node in self.nodes])

    def recorded(self) -> list[Any]:
        return [atom.meta for atom in self.journal.load(_FLOW).atoms]

    def test_what_is_told_while_a_step_is_recorded_goes_with_the_next(self) -> None:
        first, other = self.nodes
        self.columns.metas = {first: {'progress': 0.1}, other: {'progress': 0.2}}
        self.recorder.meta_changed(first)
        # As of a thread that had come that far when the other one began to record.
        tell = self.recorder._unsaved_meta.add
        told = self.recorder._told

        def told_meanwhile(meta: dict[str, Any]) -> dict[str, Any]:
            if meta['progress'] == 0.1:
                tell(other)
            return told(meta)

        self.recorder._told = told_meanwhile  # type: ignore[method-assign]
        self.recorder.record_meta()
        self.recorder.record(Step([], []))
        self.assertEqual([{'progress': 0.1}, {'progress': 0.2}], self.recorded())

    def test_what_could_not_be_recorded_goes_with_the_next(self) -> None:
        first, _ = self.nodes
        self.columns.metas = {first: {'progress': 0.1}}
        self.recorder.meta_changed(first)
        append, self.journal.append = self.journal.append, self._away  # type: ignore[method-assign]
        self.assertRaises(OSError, self.recorder.record_meta)
        self.journal.append = append  # type: ignore[method-assign]
        self.recorder.record_meta()
        self.assertEqual([{'progress': 0.1}, None], self.recorded())

    def _away(self, entry: object) -> None:
        raise OSError
