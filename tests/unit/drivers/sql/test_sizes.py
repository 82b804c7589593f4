# SPDX-License-Identifier: Apache-2.0
"""How large a value may be."""

from __future__ import annotations

import contextlib
import sqlite3

import testtools

from tfd import exceptions
from tfd_drivers.sql import dialects
from tfd_drivers.sql.settings import Settings
from tfd_drivers.sql.sizes import Sizes

_MB = 2 ** 20


class SizesTest(testtools.TestCase):

    def test_the_configured_limit_holds_before_a_server_is_known(self) -> None:
        sizes = Sizes(1000)
        self.assertIsNone(sizes.excess('x' * 1000))
        self.assertEqual((1001, 1000), sizes.excess('x' * 1001))
        sizes.check_row('row', ['x' * 10_000])

    def test_a_server_that_takes_more_changes_nothing(self) -> None:
        sizes = Sizes(1000, escaped=('"',))
        sizes.learn(16 * _MB)
        self.assertIsNone(sizes.excess('"' * 1000))
        self.assertEqual((1001, 1000), sizes.excess('x' * 1001))

    def test_a_server_that_takes_less_counts(self) -> None:
        sizes = Sizes(64 * _MB)
        sizes.learn(16 * _MB)
        limit = 8 * _MB - 65536
        self.assertIsNone(sizes.excess('x' * limit))
        self.assertEqual((limit + 1, limit), sizes.excess('x' * (limit + 1)))

    def test_what_is_doubled_on_its_way_counts_twice(self) -> None:
        sizes = Sizes(64 * _MB, escaped=('"', '\\'))
        sizes.learn(2 * _MB)
        limit = _MB - 65536
        self.assertIsNone(sizes.excess('"\\' * (limit // 4)))
        size, found = sizes.excess('"\\' * (limit // 4 + 1)) or (0, 0)
        self.assertEqual((limit, True), (found, limit < size <= limit + 4))

    def test_two_values_of_the_largest_size_fit_into_a_row(self) -> None:
        sizes = Sizes(64 * _MB)
        sizes.learn(16 * _MB)
        largest = 'x' * (8 * _MB - 65536)
        sizes.check_row('row', [largest, 7, None, largest, 'SUCCESS'])
        error = self.assertRaises(exceptions.TooLarge, sizes.check_row, 'row', [largest, largest, 'x' * 65537])
        self.assertEqual(('row', 16 * _MB - 65536 + 1, 16 * _MB - 65536), (error.what, error.size, error.limit))

    def test_a_server_may_take_very_little(self) -> None:
        sizes = Sizes(64 * _MB)
        sizes.learn(1024)
        self.assertEqual((385, 384), sizes.excess('x' * 385))

    def test_the_last_server_counts(self) -> None:
        sizes = Sizes(64 * _MB)
        sizes.learn(1 * _MB)
        sizes.learn(16 * _MB)
        self.assertIsNone(sizes.excess('x' * _MB))


class RequestLimitTest(testtools.TestCase):

    def test_that_of_sqlite_is_its_connections(self) -> None:
        with contextlib.closing(sqlite3.connect(':memory:')) as connection:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 5000)
            dialect = dialects.dialect_of(Settings.from_conf('sqlite://'))
            self.assertEqual(5000, dialect.request_limit(connection))

    def test_that_of_postgresql_never_changes(self) -> None:
        dialect = dialects.dialect_of(Settings.from_conf('postgresql://h/d'))
        self.assertEqual(2 ** 30 - 1, dialect.request_limit(None))
