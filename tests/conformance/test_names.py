# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import pathlib
import sys
import types

import fixtures
import testtools

from tests.conformance import names


class FinderTest(testtools.TestCase):
    """Two packages are made: ``answering``, which stands for tfd, and the wheel of ``taskflow``."""

    def setUp(self) -> None:
        super().setUp()
        self.place = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self._write('answering/__init__.py', '')
        self._write('answering/task.py', 'NAME = __name__')
        self._write('answering/types/__init__.py', '')
        self._write('answering/types/sets.py', 'NAME = __name__')
        self._write('taskflow/task.py', 'NAME = "the wheel"')
        self._write('taskflow/flow.py', 'NAME = "the wheel"')
        self._write('taskflow/utils/__init__.py', '')
        self._write('taskflow/utils/misc.py', 'from taskflow import task')
        self._write('taskflow/types/latch.py', 'NAME = __name__')
        known = set(sys.modules)
        self.addCleanup(lambda: [sys.modules.pop(name) for name in set(sys.modules) - known])
        self.patch(sys, 'meta_path', list(sys.meta_path))
        self.patch(sys, 'path', [str(self.place), *sys.path])
        self.finder = names.answer(names.Rules(
            self.place / 'taskflow', 'answering', ('taskflow.utils', 'taskflow.utils.*', 'taskflow.types.latch'),
            ('taskflow.jobs.*',)))

    def _write(self, name: str, text: str) -> None:
        path = self.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + '\n')

    def _import(self, name: str) -> types.ModuleType:
        return importlib.import_module(name)

    def test_what_tfd_has_is_the_very_module(self) -> None:
        answered = self._import('taskflow.task')
        self.assertIs(self._import('answering.task'), answered)
        self.assertEqual('answering.task', answered.NAME)

    def test_an_answering_module_keeps_its_spec(self) -> None:
        assert self._import('taskflow.task').__spec__ is not None
        self.assertEqual('answering.task', self._import('taskflow.task').__spec__.name)

    def test_helpers_are_the_wheels_and_import_tfd(self) -> None:
        self.assertIs(self._import('answering.task'), self._import('taskflow.utils.misc').task)
        self.assertEqual(['taskflow.utils', 'taskflow.utils.misc'], self.finder.answered['wheel'])

    def test_helpers_can_be_imported_from_a_package_of_tfds(self) -> None:
        place: dict[str, types.ModuleType] = {}
        exec('from taskflow.types import latch, sets', place)
        self.assertEqual('taskflow.types.latch', place['latch'].NAME)
        self.assertEqual('answering.types.sets', place['sets'].NAME)

    def test_what_nobody_answers_is_not_found(self) -> None:
        error = self.assertRaises(ModuleNotFoundError, self._import, 'taskflow.flow')
        self.assertIn("No module named 'answering.flow'", str(error))

    def test_stand_ins_have_any_name_and_can_be_subclassed(self) -> None:
        self._write('answering/jobs/__init__.py', '')
        importlib.invalidate_caches()
        boards = self._import('taskflow.jobs.backends.boards')
        made = types.new_class('Made', (boards.Board,))
        self.assertTrue(issubclass(made, names.StandIn))
        self.assertIs(boards.Board, boards.Board)
        self.assertIs(names.StandIn, boards.Board.VERSION)
        self.assertIn('taskflow.jobs.backends.boards', self.finder.answered['stand-in'])

    def test_stand_ins_have_stand_ins_inside(self) -> None:
        self._write('answering/jobs/__init__.py', '')
        importlib.invalidate_caches()
        place: dict[str, types.ModuleType] = {}
        exec('from taskflow.jobs.backends import boards', place)
        self.assertIs(self._import('taskflow.jobs.backends.boards'), place['boards'])

    def test_other_packages_are_none_of_its_business(self) -> None:
        self.assertIsNone(self.finder.find_spec('json'))
        self.assertIsNone(self.finder.find_spec('taskflowers'))
