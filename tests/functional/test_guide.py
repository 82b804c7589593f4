# SPDX-License-Identifier: Apache-2.0
"""What the pages on jobs and on boards show: with a conductor that has the flow, and on a ZooKeeper."""

from __future__ import annotations

import os
import pathlib
import sys
from unittest import mock

import fixtures
import testtools

from tests.functional import servers
from tests.functional.conductor.fleet import Fleet
from tests.pages import pages


class JobsTest(testtools.TestCase):

    def test_a_conductor_runs_what_the_page_posts(self) -> None:
        page = pages()['user/jobs.rst']
        home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (home / 'shop.py').write_text(page.examples('python')[0].text)
        self.useFixture(fixtures.EnvironmentVariable('PYTHONPATH', str(home)))
        self.useFixture(fixtures.EnvironmentVariable('HOME', str(home)))
        fleet = self.useFixture(Fleet(workers=1, allow_import_paths='shop'))
        (home / '.tfd').mkdir()
        (home / '.tfd' / 'tfd.conf').write_text(fleet.file.read_text())
        conductor = fleet.daemon()
        page.run(self, {'__name__': 'shop'})
        self.assertIn('a parcel goes to c1', conductor.log)


class BoardsTest(testtools.TestCase):

    def test_a_board_does_what_the_page_says(self) -> None:
        page = pages()['user/boards.rst']
        home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (home / 'shop.py').write_text(page.examples('python')[0].text)
        self.useFixture(fixtures.PythonPathEntry(str(home)))
        # Other pages have a module of that name.
        modules = mock.patch.dict(sys.modules)
        modules.start()
        self.addCleanup(modules.stop)
        sys.modules.pop('shop', None)
        self.useFixture(fixtures.EnvironmentVariable('ZOOKEEPER', self.useFixture(servers.Chroot()).hosts))
        self.addCleanup(os.chdir, pathlib.Path.cwd())
        os.chdir(home)
        page.run(self, {'__name__': 'shop'})
