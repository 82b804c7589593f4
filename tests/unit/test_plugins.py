# SPDX-License-Identifier: Apache-2.0
"""Drivers by name."""

from __future__ import annotations

import importlib.metadata
from unittest import mock

import testtools

from tfd import exceptions, plugins

_GROUP = 'oslo.config.opts'


class PluginsTest(testtools.TestCase):
    """On a group that oslo.log brings."""

    def test_names_are_listed_without_importing(self) -> None:
        entries = [importlib.metadata.EntryPoint(name, 'no.such:thing', 'g') for name in ('b', 'a', 'b')]
        with mock.patch('importlib.metadata.entry_points', return_value=entries):
            self.assertEqual(['a', 'b'], plugins.names('g'))
        self.assertEqual([], plugins.names('tfd.no.such.group'))

    def test_a_plugin_is_loaded_by_name(self) -> None:
        import oslo_log._options

        self.assertIs(oslo_log._options.list_opts, plugins.load(_GROUP, 'oslo.log'))

    def test_an_unknown_name_is_told_with_those_that_are_known(self) -> None:
        error = self.assertRaises(exceptions.UnknownPlugin, plugins.load, _GROUP, 'nothing')
        self.assertEqual((_GROUP, 'nothing'), (error.group, error.name))
        self.assertIn('oslo.log', error.known)

    def test_an_unknown_group(self) -> None:
        error = self.assertRaises(exceptions.UnknownPlugin, plugins.load, 'tfd.no.such.group', 'x')
        self.assertEqual([], error.known)

    def test_a_plugin_that_cannot_be_imported_is_told(self) -> None:
        entry = importlib.metadata.EntryPoint('broken', 'tfd.no_such_module:thing', 'tfd.broken')
        with mock.patch('stevedore.extension.ExtensionManager.list_entry_points', return_value=[entry]):
            self.assertRaises(ImportError, plugins.load, 'tfd.broken', 'broken')
