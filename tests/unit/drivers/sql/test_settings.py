# SPDX-License-Identifier: Apache-2.0
"""What can be configured of a database."""

from __future__ import annotations

import fixtures
import testtools

from tfd import exceptions
from tfd_drivers.sql.settings import Settings


class SettingsTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())

    def test_urls_name_the_driver_that_is_used(self) -> None:
        for url, driver in (
            ('mysql://u@h/d', 'mysql+pymysql'), ('mariadb://u@h/d', 'mysql+pymysql'), ('sqlite:////a/b', 'sqlite'),
            ('mysql+pymysql://u@h/d', 'mysql+pymysql'), ('postgresql://u@h/d', 'postgresql+psycopg'),
            ('postgresql+psycopg://u@h/d', 'postgresql+psycopg'),
        ):
            for conf in (url, {'connection': url}):
                self.assertEqual(driver, Settings.from_conf(conf).url.drivername)

    def test_a_url_that_cannot_be_used_is_refused_without_its_password(self) -> None:
        for connection in (None, '', 'sqlite', 'oracle://u:secret@h/d', 'mysql+mysqldb://u:secret@h/d', 5, '://u:secret@h'):
            error = self.assertRaises(exceptions.BadConfiguration, Settings.from_conf, {'connection': connection})
            self.assertNotIn('secret', str(error))

    def test_the_place_has_no_password(self) -> None:
        self.assertEqual('mysql+pymysql://u:***@h/d', Settings.from_conf('mysql://u:secret@h/d').place)

    def test_options_are_numbers(self) -> None:
        found = Settings.from_conf(
            {'connection': 'sqlite://', 'max_pool_size': '3', 'session_timeout': '6', 'max_overflow': 0})
        self.assertEqual((3, 6.0, 2.0, 0), (
            found.max_pool_size, found.session_timeout, found.idle_timeout, found.max_overflow))
        for key, value in (
            ('max_pool_size', 0), ('pool_timeout', 'soon'), ('lock_timeout', -1), ('connect_timeout', None),
        ):
            self.assertRaises(
                exceptions.BadConfiguration, Settings.from_conf, {'connection': 'sqlite://', key: value})

    def test_an_unknown_option_is_logged(self) -> None:
        Settings.from_conf({'connection': 'sqlite://', 'max_retries': 4})
        self.assertIn('max_retries', self.log.output)
