# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pathlib

import testtools

from tests.conformance import services
from tests.conformance.running import Outcome

_DATA = pathlib.Path(services.__file__).with_name('services.toml')
_PASSED, _FAILED, _SKIPPED = Outcome('passed', ''), Outcome('failed', 'KeyError: k'), Outcome('skipped', 'no server')


class ReadTest(testtools.TestCase):
    def test_the_data_file_can_be_read(self) -> None:
        found = services.read(_DATA)
        self.assertEqual({'cinder', 'glance', 'masakari', 'octavia'}, set(found))
        for name, service in found.items():
            self.assertIn(name, service.install)
            self.assertNotEqual((), service.modules)


class CompareTest(testtools.TestCase):
    """Three tests of one module: one passes on both, one on TaskFlow alone, one on neither."""

    before = {'m.T.both': _PASSED, 'm.T.lost': _PASSED, 'm.T.never': _FAILED}
    after = {'m.T.both': _PASSED, 'm.T.lost': _FAILED, 'm.T.never': _FAILED}

    def test_only_what_passed_before_can_be_lost(self) -> None:
        self.assertEqual(['m.T.lost'], services.worse(self.before, self.after))

    def test_what_is_skipped_or_did_not_run_is_lost_too(self) -> None:
        self.assertEqual(
            ['m.T.both', 'm.T.lost'], services.worse(self.before, {'m.T.both': _SKIPPED, 'm.T.never': _PASSED}))

    def test_the_table_counts_both_and_names_what_is_lost(self) -> None:
        text = services.as_text({'m': list(self.before)}, self.before, self.after, {'stand-in': ['taskflow.jobs']}, 1)
        lines = text.splitlines()
        self.assertEqual(['failed: m.T.lost', '    KeyError: k'], lines[:2])
        self.assertEqual(['m', '3', '2', '1'], lines[3].split())
        self.assertEqual('2 pass on TaskFlow, 1 of them not on tfd', lines[-1])
        self.assertIn('answered by the stand-in: taskflow.jobs', lines)
