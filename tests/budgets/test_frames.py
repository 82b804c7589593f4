# SPDX-License-Identifier: Apache-2.0
"""A task is called with few frames of tfd below it: a traceback, and a profile, show the task."""

from __future__ import annotations

import pathlib
import sys
from typing import Any

import testtools

import tfd
from tfd import engines, retry, task
from tfd.patterns import linear_flow

_ROOT = str(pathlib.Path(tfd.__file__).parent)

#: From engine.run, which counts, to execute, which does not.
_MOST = 6


def _frames() -> int:
    """Return how many frames of tfd are below the one that calls."""
    count = 0
    frame: Any = sys._getframe(2)
    while frame is not None:
        count += frame.f_code.co_filename.startswith(_ROOT)
        frame = frame.f_back
    return count


class Deep(task.Task):
    def execute(self) -> int:
        return _frames()


class Surrounded(Deep):
    def pre_execute(self) -> None:
        """Have something before the call."""

    def post_execute(self) -> None:
        """Have something after it."""


class DeepRetry(retry.AlwaysRevert):
    def execute(self, *args: Any, **kwargs: Any) -> int:
        return _frames()


class FramesTest(testtools.TestCase):
    def _run(self, flow: Any) -> int:
        engine = engines.load(flow)
        engine.run()
        found: int = engine.storage.fetch('depth')
        return found

    def test_task(self):
        self.assertLessEqual(self._run(linear_flow.Flow('f').add(Deep('t', provides='depth'))), _MOST)

    def test_task_in_a_nested_flow(self):
        inner = linear_flow.Flow('inner').add(Deep('t', provides='depth'))
        self.assertLessEqual(self._run(linear_flow.Flow('f').add(linear_flow.Flow('middle').add(inner))), _MOST)

    def test_task_with_methods_before_and_after(self):
        self.assertLessEqual(self._run(linear_flow.Flow('f').add(Surrounded('t', provides='depth'))), _MOST)

    def test_functor(self):
        functor = task.FunctorTask(_frames, name='t', provides='depth')
        # The functor's own execute is the call that does not count.
        self.assertLessEqual(self._run(linear_flow.Flow('f').add(functor)), _MOST)

    def test_retry(self):
        controller = DeepRetry('r', provides='depth')
        self.assertLessEqual(self._run(linear_flow.Flow('f', retry=controller)), _MOST)
