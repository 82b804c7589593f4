# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pathlib

import fixtures
import testtools

from tests.conformance import exclusions
from tests.conformance.exclusions import Exclusion

_DATA = pathlib.Path(exclusions.__file__).with_name('exclusions.toml')


class ReadTest(testtools.TestCase):
    def _read(self, text: str) -> exclusions.Settings:
        place = pathlib.Path(self.useFixture(fixtures.TempDir()).path) / 'data.toml'
        place.write_text('helpers = []\nstand_ins = []\nkinds = {later = "later"}\n' + text)
        return exclusions.read(place)

    def test_the_data_file_can_be_read(self) -> None:
        self.assertNotEqual((), exclusions.read(_DATA).exclusions)

    def test_returns_exclusions_in_order(self) -> None:
        settings = self._read('exclude = [{kind = "later", reason = "r", tests = ["a.*", "b"]}]')
        self.assertEqual((Exclusion('later', 'r', ('a.*', 'b')),), settings.exclusions)

    def test_refuses_a_kind_that_is_not_explained(self) -> None:
        error = self.assertRaises(ValueError, self._read, 'exclude = [{kind = "no", reason = "r", tests = ["a"]}]')
        self.assertIn("the kind 'no' of ('a',) is none of ['later']", str(error))

    def test_refuses_an_exclusion_without_reason(self) -> None:
        self.assertRaises(ValueError, self._read, 'exclude = [{kind = "later", reason = "", tests = ["a"]}]')


class SortOutTest(testtools.TestCase):
    def test_parts_tests_by_pattern(self) -> None:
        one = Exclusion('later', 'r', ('a.*',))
        self.assertEqual((['b.x'], {'a.x': one}), exclusions.sort_out(['a.x', 'b.x'], [one]))

    def test_the_first_exclusion_counts(self) -> None:
        first, second = Exclusion('later', 'r', ('a.x',)), Exclusion('later', 's', ('a.*',))
        _, excluded = exclusions.sort_out(['a.x', 'a.y'], [first, second])
        self.assertEqual({'a.x': first, 'a.y': second}, excluded)

    def test_refuses_a_pattern_that_excludes_nothing(self) -> None:
        error = self.assertRaises(
            ValueError, exclusions.sort_out, ['a'], [Exclusion('later', 'gone', ('b',))])
        self.assertIn("the exclusion 'b' (gone) matches no test", str(error))
