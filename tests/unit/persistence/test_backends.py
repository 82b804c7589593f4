# SPDX-License-Identifier: Apache-2.0
"""Backends by name."""

from __future__ import annotations

from typing import Any
from unittest import mock

import testtools

from tfd import exceptions
from tfd.persistence import backends


class FetchTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        patch = mock.patch('tfd.plugins.load')
        self.load = patch.start()
        self.addCleanup(patch.stop)
        self.driver = self.load.return_value

    def asked(self, conf: Any, **kwargs: Any) -> tuple[str, str]:
        self.load.reset_mock()
        self.assertIs(self.driver.return_value, backends.fetch(conf, **kwargs))
        group, name = self.load.call_args.args
        return group, name

    def test_the_scheme_names_the_driver(self) -> None:
        for connection, name in (
            ('memory', 'memory'), ('memory://', 'memory'), ('sqlite:////a/b', 'sqlite'), ('sqlite://', 'sqlite'),
            ('mysql+pymysql://u:p@h/d', 'mysql'), ('PostgreSQL://h/d', 'postgresql'),
        ):
            for conf in (connection, {'connection': connection, 'max_pool_size': 3}):
                self.assertEqual(('tfd.persistence', name), self.asked(conf))

    def test_the_driver_gets_the_configuration(self) -> None:
        backends.fetch({'connection': 'sqlite://', 'max_pool_size': 3}, extra=1)
        self.driver.assert_called_once_with({'connection': 'sqlite://', 'max_pool_size': 3}, extra=1)
        backends.fetch('sqlite://')
        self.driver.assert_called_with({'connection': 'sqlite://'})

    def test_another_namespace(self) -> None:
        self.assertEqual(('mine', 'memory'), self.asked('memory', namespace='mine'))

    def test_a_configuration_without_a_connection(self) -> None:
        for conf in ({}, {'connection': None}, {'connection': ''}, {'connection': 5}, ''):
            self.assertRaises(exceptions.BadConfiguration, backends.fetch, conf)

    def test_what_may_have_a_password_in_it_is_not_repeated(self) -> None:
        connection = b'mysql://me:geheim@host/tfd'
        for error, conf in ((TypeError, connection), (exceptions.BadConfiguration, {'connection': connection})):
            self.assertNotIn('geheim', str(self.assertRaises(error, backends.fetch, conf)))

    def test_a_backend_is_closed_at_the_end_of_its_block(self) -> None:
        with backends.backend('memory') as made:
            made.close.assert_not_called()
        made.close.assert_called_once_with()
