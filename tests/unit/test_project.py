# SPDX-License-Identifier: Apache-2.0
"""The project as a whole: what it declares exists, and its files keep the house rules."""

from __future__ import annotations

import configparser
import pathlib
import pkgutil
import subprocess
import sys

import testtools

_ROOT = pathlib.Path(__file__).parents[2]
_CODE = ('tfd', 'drivers')
_BAGS = {'common', 'helper', 'helpers', 'misc', 'util', 'utils'}
# What TaskFlow's users import under such a name.
_ALIASES = {'tfd/utils'}
# Scripts that alembic runs; installed as data of their package.
_SCRIPTS = _ROOT / 'drivers' / 'sql' / 'migrations'


def _sources(*folders: str) -> list[pathlib.Path]:
    return sorted(path for folder in folders for path in (_ROOT / folder).rglob('*.py'))


def _declared_entry_points() -> list[tuple[str, str]]:
    config = configparser.ConfigParser(delimiters=('=',), interpolation=None)
    config.optionxform = str  # type: ignore[assignment,method-assign]
    config.read(_ROOT / 'setup.cfg')
    groups = config['options.entry_points']
    lines = [(group, line) for group in groups for line in groups[group].split('\n') if line]
    return [(f'{group}:{line.split("=")[0].strip()}', line.split('=')[1].strip())
            for group, line in lines]


class ProjectTest(testtools.TestCase):
    """setup.cfg, and the files of the tree."""

    def test_every_entry_point_resolves(self) -> None:
        unresolved = {}
        for name, target in _declared_entry_points():
            try:
                pkgutil.resolve_name(target)
            except Exception as error:
                unresolved[name] = f'{target}: {error!r}'
        self.assertEqual({}, unresolved)

    def test_definition_needs_no_third_party_package(self) -> None:
        modules = 'tfd.task, tfd.retry, tfd.flow, tfd.patterns.graph_flow'
        script = f'import sys; sys.path.insert(0, {str(_ROOT)!r}); import {modules}'
        # -S: without site-packages.
        done = subprocess.run([sys.executable, '-I', '-S', '-c', script], capture_output=True)
        self.assertEqual(b'', done.stderr)

    def test_every_folder_of_code_is_a_package(self) -> None:
        folders = {path.parent for path in _sources(*_CODE, 'tests')}
        bare = {folder for folder in folders if not (folder / '__init__.py').exists()}
        scripts = {_SCRIPTS, _SCRIPTS / 'versions'}
        self.assertEqual(set(), bare - scripts)

    def test_every_source_names_its_licence(self) -> None:
        line = '# SPDX-License-Identifier: Apache-2.0'
        bare = [str(path) for path in _sources(*_CODE, 'tests', 'tools')
                if line not in path.read_text().split('\n')[:2]]
        self.assertEqual([], bare)

    def test_no_module_is_a_bag(self) -> None:
        named = {path.relative_to(_ROOT).with_suffix('') for path in _sources(*_CODE)}
        named |= {name.parent for name in named}
        bags = {str(name) for name in named if name.name in _BAGS}
        self.assertEqual(set(), bags - _ALIASES)
