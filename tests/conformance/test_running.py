# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pathlib

import fixtures
import testtools

from tests.conformance import report, running

_TESTS = '''
import os, time, unittest
from taskflow import task

class Made(unittest.TestCase):
    def test_passes(self): self.assertEqual('tfd.task', task.__name__)
    def test_fails(self): self.fail('as it should')
    def test_skipped(self): self.skipTest('why not')
    def test_dies(self): os._exit(3)
    def test_takes_too_long(self): time.sleep(60)
    def test_goes_on(self): print('noise')
'''


class RunTest(testtools.TestCase):
    """A wheel with one module of tests."""

    def setUp(self) -> None:
        super().setUp()
        place = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        for folder in (place, place / 'tests', place / 'tests' / 'unit'):
            folder.mkdir(exist_ok=True)
            (folder / '__init__.py').write_text('')
        (place / 'tests' / 'unit' / 'test_made.py').write_text(_TESTS)
        self.suite = running.of_wheel(place, ('taskflow.tests', 'taskflow.tests.*'), (), 0.3)

    def _run(self, *names: str) -> dict[str, tuple[str, str]]:
        outcomes, _ = running.run(self.suite, {'test_made': [f'test_made.Made.{name}' for name in names]}, 1)
        return {name.rpartition('.')[2]: (outcome.kind, report.gist(outcome.text))
                for name, outcome in outcomes.items()}

    def test_tells_what_came_of_each(self) -> None:
        expected = {
            'test_passes': ('passed', ''), 'test_fails': ('failed', 'AssertionError: as it should'),
            'test_skipped': ('skipped', 'why not')}
        self.assertEqual(expected, self._run(*expected))

    def test_a_test_that_does_not_exist_has_failed(self) -> None:
        self.assertEqual({'test_gone': ('failed', 'does not exist')}, self._run('test_gone'))

    def test_a_test_that_takes_too_long_has_failed(self) -> None:
        outcomes = self._run('test_takes_too_long', 'test_goes_on')
        self.assertEqual('failed', outcomes['test_takes_too_long'][0])
        self.assertEqual(('passed', ''), outcomes['test_goes_on'])

    def test_goes_on_after_a_test_that_ends_the_process(self) -> None:
        self.assertEqual(
            {'test_dies': 'failed', 'test_goes_on': 'passed'},
            {name: kind for name, (kind, _) in self._run('test_dies', 'test_goes_on').items()})

    def test_no_test_of_a_module_that_cannot_be_imported_passes(self) -> None:
        (self.suite.root / 'test_made.py').write_text('import nothing_of_that_name')
        kind, text = self._run('test_passes')['test_passes']
        self.assertEqual('failed', kind)
        self.assertIn('nothing_of_that_name', text)
