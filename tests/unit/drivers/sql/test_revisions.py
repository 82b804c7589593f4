# SPDX-License-Identifier: Apache-2.0
"""Which states of a database a release can work with, by the names of revisions alone."""

from __future__ import annotations

import pathlib
import re

import testtools

from tfd_drivers.sql.revisions import HISTORY, History, Level

#: A release that needs what 0005 adds, can do without what c0005 takes away, and came after one that stopped at c0003.
_RELEASE = History(pathlib.Path('versions'), '0005', 'c0005', 'c0003')


class LevelTest(testtools.TestCase):

    def test_is_the_last_of_each_line(self) -> None:
        self.assertEqual(Level('0004', 'c0003'), Level.of(['0001', 'c0003', '0004']))

    def test_of_a_database_without_a_schema(self) -> None:
        self.assertEqual(Level(None, None), Level.of([]))
        self.assertEqual('', str(Level()))

    def test_is_written_as_its_revisions(self) -> None:
        self.assertEqual('0004 c0003', str(Level('0004', 'c0003')))


class HistoryTest(testtools.TestCase):

    def test_needs_what_it_adds(self) -> None:
        self.assertTrue(_RELEASE.is_behind(Level()))
        self.assertTrue(_RELEASE.is_behind(Level('0004')))
        self.assertFalse(_RELEASE.is_behind(Level('0005')))

    def test_works_beside_what_a_later_release_adds(self) -> None:
        self.assertFalse(_RELEASE.is_behind(Level('0099', 'c0005')))
        self.assertFalse(_RELEASE.is_ahead(Level('0099', 'c0005')))

    def test_does_not_work_without_what_a_later_release_takes_away(self) -> None:
        self.assertTrue(_RELEASE.is_ahead(Level('0099', 'c0006')))

    def test_expands_up_to_its_own(self) -> None:
        self.assertEqual('0005', _RELEASE.expansion(Level('0004')))
        self.assertIsNone(_RELEASE.expansion(Level('0006')))

    def test_contracts_up_to_its_own_when_told_to(self) -> None:
        self.assertEqual('c0005', _RELEASE.contraction(Level('0005', 'c0003')))
        self.assertIsNone(_RELEASE.contraction(Level('0005', 'c0005')))

    def test_contracts_by_itself_up_to_what_the_release_before_did_without(self) -> None:
        self.assertEqual('c0003', _RELEASE.safe_contraction(Level('0005')))
        self.assertIsNone(_RELEASE.safe_contraction(Level('0005', 'c0003')))

    def test_contracts_a_new_database_at_once(self) -> None:
        self.assertEqual('c0005', _RELEASE.safe_contraction(Level()))


class ShippedTest(testtools.TestCase):

    def test_every_script_is_in_one_of_the_lines(self) -> None:
        found = [path.name.partition('_')[0] for path in sorted(HISTORY.versions.glob('*.py'))]
        expanding = [name for name in found if not name.startswith('c')]
        self.assertEqual([], [name for name in found if not re.fullmatch(r'c?\d{4}', name)])
        self.assertEqual(HISTORY.expand, expanding[-1])
        contracting = [name for name in found if name.startswith('c')]
        self.assertEqual(HISTORY.contract, contracting[-1] if contracting else None)
