# SPDX-License-Identifier: Apache-2.0
"""The examples in the documentation work as they stand there."""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Callable

import fixtures
import testtools

from tests.pages import Page, pages

_PAGES = pages()
#: Pages whose examples need servers: tests.functional.test_guide runs them.
_ELSEWHERE = frozenset(('user/boards.rst', 'user/jobs.rst'))
_PROGRAMS = sorted(
    name for name, page in _PAGES.items() if page.examples('python') and name not in _ELSEWHERE)
#: Whatever may hold Python that a reader would copy.
_ANY_PYTHON = re.compile(r'^ *(?:\.\. (?:code|code-block|sourcecode|highlight)::\s*py|\.\. literalinclude|>>> )', re.M)


class ExamplesTest(testtools.TestCase):
    """Each page is one program, run in a folder of its own. There is a pair of tests for each page."""

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(os.chdir, pathlib.Path.cwd())
        os.chdir(self.useFixture(fixtures.TempDir()).path)

    def test_there_are_some(self) -> None:
        self.assertIn('user/first-flow.rst', _PROGRAMS)
        self.assertIn('README.rst', _PROGRAMS)

    def test_none_is_written_in_a_form_that_is_not_run(self) -> None:
        for name, page in _PAGES.items():
            self.assertEqual(len(_ANY_PYTHON.findall(page.text)), len(page.examples('python')), name)

    def test_what_runs_elsewhere_exists(self) -> None:
        self.assertEqual([], sorted(_ELSEWHERE - _PAGES.keys()))


def _prints_what_is_said(page: Page) -> Callable[[ExamplesTest], None]:
    def test(self: ExamplesTest) -> None:
        page.run(self, {'__name__': 'guide'})
    return test


def _can_be_pasted(page: Page) -> Callable[[ExamplesTest], None]:
    def test(self: ExamplesTest) -> None:
        page.paste(self)
    return test


for _name in _PROGRAMS:
    _title = re.sub(r'\W', '_', _name.removesuffix('.rst')).lower()
    setattr(ExamplesTest, f'test_{_title}_prints_what_is_said', _prints_what_is_said(_PAGES[_name]))
    setattr(ExamplesTest, f'test_{_title}_can_be_pasted_at_the_prompt', _can_be_pasted(_PAGES[_name]))
