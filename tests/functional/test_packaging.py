# SPDX-License-Identifier: Apache-2.0
"""The distribution holds what the tree holds."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys
import zipfile

import fixtures
import testtools

_ROOT = pathlib.Path(__file__).parents[2]
_KINDS = ('*.py', 'py.typed', '*.mako')


class WheelTest(testtools.TestCase):
    """A wheel that is built from a copy of the tree."""

    def setUp(self) -> None:
        super().setUp()
        copy = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        for name in ('setup.py', 'setup.cfg', 'pyproject.toml', 'LICENSE', 'README.rst'):
            if (_ROOT / name).exists():
                shutil.copy(_ROOT / name, copy)
        for folder in ('tfd', 'drivers', 'tests'):
            shutil.copytree(_ROOT / folder, copy / folder)
        subprocess.run(
            [sys.executable, '-m', 'pip', '-q', 'wheel', '--no-deps', '--no-build-isolation',
             '--wheel-dir', 'dist', '.'],
            cwd=copy, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.wheel, = (copy / 'dist').glob('tfd-*.whl')

    def test_holds_every_module_and_nothing_else(self) -> None:
        expected = {
            str(pathlib.Path(name, path.relative_to(_ROOT / folder)))
            for folder, name in (('tfd', 'tfd'), ('drivers', 'tfd_drivers'))
            for kind in _KINDS for path in (_ROOT / folder).rglob(kind)
        }
        found = {name for name in zipfile.ZipFile(self.wheel).namelist()
                 if '.dist-info/' not in name}
        self.assertEqual(expected, found)
