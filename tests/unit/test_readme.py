# SPDX-License-Identifier: Apache-2.0
"""What the README shows works as it stands there."""

from __future__ import annotations

import code
import contextlib
import io
import os
import pathlib
import re
import textwrap

import testtools

_ROOT = pathlib.Path(__file__).parents[2]
_README = (_ROOT / 'README.rst').read_text()


def _block(marker: str) -> str:
    """Return the indented text that follows a line."""
    found = re.search(rf'^{re.escape(marker)}\n\n((?:   .*\n|\n)+)', _README, re.MULTILINE)
    assert found is not None, marker
    return textwrap.dedent(found[1]).strip() + '\n'


class FirstFlowTest(testtools.TestCase):
    """The first flow, and what is said to come of it."""

    flow = _block('.. code-block:: python')
    expected = _block('It prints::')

    def test_prints_what_is_said(self) -> None:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(self.flow, 'README.rst', 'exec'), {'__name__': '__main__'})
        self.assertEqual(self.expected, printed.getvalue())

    def test_can_be_pasted_at_the_prompt(self) -> None:
        printed, complaints = io.StringIO(), io.StringIO()
        console = code.InteractiveConsole()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complaints):
            for line in (*self.flow.splitlines(), ''):
                console.push(line)
        self.assertEqual('', complaints.getvalue())
        self.assertIn(self.expected, printed.getvalue())

    def test_has_about_twenty_lines(self) -> None:
        self.assertLessEqual(sum(1 for line in self.flow.splitlines() if line), 22)


class ReadmeTest(testtools.TestCase):
    def test_commands_can_be_run(self) -> None:
        named = set(re.findall(r'``(tools/\w+)', _README))
        self.assertEqual({'tools/demo', 'tools/test', 'tools/bench'}, named)
        self.assertEqual([], [name for name in named if not os.access(_ROOT / name, os.X_OK)])

    def test_links_lead_somewhere(self) -> None:
        paths = re.findall(r'<(doc/[^>]+)>`_', _README)
        self.assertNotEqual([], paths)
        self.assertEqual([], [path for path in paths if not (_ROOT / path).exists()])
