# SPDX-License-Identifier: Apache-2.0
"""The examples in the documentation: each page is one program, and says what it prints."""

from __future__ import annotations

import code
import contextlib
import dataclasses
import io
import pathlib
import re
import textwrap
from typing import Any

import testtools

__all__ = ['ROOT', 'Example', 'Page', 'pages']

ROOT = pathlib.Path(__file__).parents[1]
_DOCUMENTATION = ROOT / 'doc' / 'source'

_HEAD = re.compile(r'^( *)(\.\. code-block:: (\w+)|It prints::)\n(?: *\n)+', re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Example:
    """A block of a page: ``kind`` is a language, or ``output`` for what the code before it prints."""

    kind: str
    text: str
    line: int


class Page:
    """One page of the documentation, by its name there; the README is one too."""

    def __init__(self, path: pathlib.Path) -> None:
        self.name = str(path.relative_to(_DOCUMENTATION if _DOCUMENTATION in path.parents else ROOT))
        self.text = path.read_text()

    def examples(self, *kinds: str) -> list[Example]:
        """Return its blocks of these kinds, in order."""
        found = []
        for head in _HEAD.finditer(self.text):
            body = re.compile(rf'(?:{head[1]} +.*\n|\n)+').match(self.text, head.end())
            text = textwrap.dedent(body[0]).strip('\n') + '\n' if body is not None else ''
            found.append(Example(head[3] or 'output', text, self.text.count('\n', 0, head.end()) + 1))
        return [one for one in found if one.kind in kinds]

    def run(self, case: testtools.TestCase, names: dict[str, Any]) -> None:
        """Run its Python with these global names, and compare what it prints with what the page says."""
        printed = io.StringIO()
        compared = 0
        for example in self.examples('python', 'output'):
            if example.kind == 'output':
                case.assertEqual(example.text, printed.getvalue(), f'{self.name}, line {example.line}')
                printed = io.StringIO()
                compared += 1
            else:
                # With the lines of the page, for tracebacks.
                with contextlib.redirect_stdout(printed):
                    exec(compile('\n' * (example.line - 1) + example.text, self.name, 'exec'), names)
        case.assertEqual('', printed.getvalue(), f'{self.name} does not say that it prints this')
        case.assertGreater(compared, 0, f'{self.name} does not say what it prints')

    def paste(self, case: testtools.TestCase) -> str:
        """Give its Python to an interactive interpreter, line by line; nothing may be complained of.

        :returns: what is printed, the values that an interpreter shows included.
        """
        printed, complaints = io.StringIO(), io.StringIO()
        console = code.InteractiveConsole()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complaints):
            for example in self.examples('python'):
                for line in (*example.text.splitlines(), ''):
                    console.push(line)
        case.assertEqual('', complaints.getvalue(), self.name)
        return printed.getvalue()


def pages() -> dict[str, Page]:
    """Return every page, by name."""
    found = [Page(path) for path in (ROOT / 'README.rst', *sorted(_DOCUMENTATION.rglob('*.rst')))]
    return {page.name: page for page in found}
