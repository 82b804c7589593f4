# SPDX-License-Identifier: Apache-2.0
"""What the README names is there."""

from __future__ import annotations

import os
import re

import testtools

from tests.pages import ROOT, pages

_README = pages()['README.rst']


class ReadmeTest(testtools.TestCase):
    """Its example is run with those of the documentation."""

    def test_first_flow_has_about_twenty_lines(self) -> None:
        example, = _README.examples('python')
        self.assertLessEqual(sum(1 for line in example.text.splitlines() if line), 22)

    def test_first_flow_prints_the_same_at_the_prompt(self) -> None:
        output, = _README.examples('output')
        self.assertEqual(output.text, _README.paste(self))

    def test_commands_can_be_run(self) -> None:
        named = set(re.findall(r'``(tools/\w+)', _README.text))
        self.assertEqual({'tools/demo', 'tools/test', 'tools/coverage', 'tools/bench'}, named)
        self.assertEqual([], [name for name in named if not os.access(ROOT / name, os.X_OK)])

    def test_links_lead_somewhere(self) -> None:
        paths = re.findall(r'<(doc/[^>]+)>`_', _README.text)
        self.assertNotEqual([], paths)
        self.assertEqual([], [path for path in paths if not (ROOT / path).exists()])
