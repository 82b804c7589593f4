# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import testtools

from tfd_drivers.zookeeper import paths


class PathsTest(testtools.TestCase):
    def test_names_come_back(self) -> None:
        for name in ('host/1/beef', '..', '.', 'a b', '%2F', 'ü/é', '...'):
            node = paths.escape(name)
            self.assertNotIn('/', node)
            self.assertNotIn(node, ('.', '..'))
            self.assertEqual(name, paths.unescape(node))

    def test_empty_name_would_be_the_parent(self) -> None:
        self.assertRaises(ValueError, paths.Paths('/tfd').lock, '')

    def test_incarnations_have_three_parts(self) -> None:
        self.assertTrue(paths.is_incarnation('host/1/beef'))
        for name in ('host', 'host/1', 'host/1/x', 'a/host/1/beef', ''):
            self.assertFalse(paths.is_incarnation(name))
