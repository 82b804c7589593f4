# SPDX-License-Identifier: Apache-2.0
"""The examples of the user guide work as they stand there."""

from __future__ import annotations

import code
import contextlib
import io
import os
import pathlib
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import fixtures
import testtools

_GUIDE = pathlib.Path(__file__).parents[2] / 'doc' / 'source' / 'user'
_BLOCK = re.compile(r'^(\.\. code-block:: python|It prints::)\n\n((?:   .*\n|\n)+)', re.MULTILINE)


def _blocks(page: str) -> Iterator[tuple[str, str, int]]:
    """Yield ``(head, text, line)`` of each example, and of what each is said to print."""
    text = (_GUIDE / page).read_text()
    for found in _BLOCK.finditer(text):
        yield found[1], textwrap.dedent(found[2]).strip('\n') + '\n', text.count('\n', 0, found.start(2)) + 1


class ExamplesTest(testtools.TestCase):
    """Each page is one program, run in a folder of its own."""

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(fixtures.EnvironmentVariable('power'))
        self.addCleanup(os.chdir, pathlib.Path.cwd())
        os.chdir(self.useFixture(fixtures.TempDir()).path)

    def _run(self, page: str) -> None:
        names: dict[str, Any] = {'__name__': f'guide.{page}'}
        printed = io.StringIO()
        count = 0
        for head, text, line in _blocks(page):
            if head == 'It prints::':
                self.assertEqual(text, printed.getvalue(), f'{page}, line {line}')
                printed = io.StringIO()
                count += 1
            else:
                # With the lines of the page, for tracebacks.
                with contextlib.redirect_stdout(printed):
                    exec(compile('\n' * (line - 1) + text, page, 'exec'), names)
        self.assertEqual('', printed.getvalue())
        self.assertGreater(count, 0)

    def _paste(self, page: str) -> None:
        printed, complaints = io.StringIO(), io.StringIO()
        console = code.InteractiveConsole()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complaints):
            for head, text, _ in _blocks(page):
                for line in (*text.splitlines(), '') if head != 'It prints::' else ():
                    console.push(line)
        self.assertEqual('', complaints.getvalue(), page)

    def test_can_be_pasted_at_the_prompt(self) -> None:
        for page in ('first-flow.rst', 'atoms.rst', 'flows.rst', 'running.rst'):
            self._paste(page)

    def test_first_flow(self) -> None:
        self._run('first-flow.rst')

    def test_atoms(self) -> None:
        self._run('atoms.rst')

    def test_flows(self) -> None:
        self._run('flows.rst')

    def test_running(self) -> None:
        self._run('running.rst')
