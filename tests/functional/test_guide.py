# SPDX-License-Identifier: Apache-2.0
"""What the page on jobs shows, with a conductor beside it that has its flow."""

from __future__ import annotations

import pathlib

import fixtures
import testtools

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
