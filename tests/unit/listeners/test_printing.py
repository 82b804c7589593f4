# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import io
from typing import Any

import testtools

from tests.unit.listeners import engines
from tfd.listeners import printing


class PrintingListenerTest(testtools.TestCase):
    def _printed(self, engine: Any, **options: Any) -> tuple[str, str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            with printing.PrintingListener(engine, **options):
                engines.run(engine)
        return out.getvalue(), err.getvalue()

    def test_prints_what_the_flow_and_its_tasks_do(self) -> None:
        out, err = self._printed(engines.succeeding())
        self.assertEqual((4, ''), (len(out.splitlines()), err))
        self.assertIn("task 'a'", out)
        self.assertIn("flow 'f'", out)

    def test_prints_to_standard_error(self) -> None:
        out, err = self._printed(engines.succeeding(), stderr=True)
        self.assertEqual(('', 4), (out, len(err.splitlines())))

    def test_prints_what_was_raised(self) -> None:
        out, _ = self._printed(engines.failing())
        self.assertIn('Traceback (most recent call last)', out)
        self.assertEqual(1, out.count('\nValueError: no\n'))
