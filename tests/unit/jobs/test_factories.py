# SPDX-License-Identifier: Apache-2.0
"""Flow factories by name: entry points, and dotted paths where they are allowed."""

from __future__ import annotations

import sys
import types
from typing import Any
from unittest import mock

import testtools

from tfd import exceptions, plugins
from tfd.jobs.factories import BadFactory, FlowFactories
from tfd.patterns import linear_flow


def a_flow() -> linear_flow.Flow:
    return linear_flow.Flow('a flow')


def not_a_flow() -> str:
    return 'not a flow'


def raises() -> None:
    raise ValueError('no flow today')


def leaves() -> None:
    sys.exit(3)


class _Installed(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.installed: dict[str, Any] = {'good': a_flow}
        self.loads = 0

        def load(group: str, name: str) -> Any:
            self.loads += 1
            if name not in self.installed:
                raise exceptions.UnknownPlugin(group, name, self.installed)
            found = self.installed[name]
            if isinstance(found, Exception):
                raise found
            return found

        for name, fake in (('load', load), ('names', lambda group: sorted(self.installed))):
            patch = mock.patch.object(plugins, name, fake)
            patch.start()
            self.addCleanup(patch.stop)


class EntryPointTest(_Installed):

    def test_makes_a_new_flow_each_time(self) -> None:
        factories = FlowFactories()
        self.assertIsNot(factories.make('good'), factories.make('good'))

    def test_looks_an_entry_point_up_once(self) -> None:
        factories = FlowFactories()
        factories.make('good')
        factories.make('good')
        self.assertEqual(1, self.loads)

    def test_names_what_is_installed_where_a_name_is_unknown(self) -> None:
        err = self.assertRaises(exceptions.UnknownFlow, FlowFactories().make, 'bad')
        self.assertEqual(('bad', ['good']), (err.name, err.known))

    def test_an_unknown_name_is_looked_up_again(self) -> None:
        factories = FlowFactories()
        self.assertRaises(exceptions.UnknownFlow, factories.make, 'later')
        self.installed['later'] = a_flow
        self.assertEqual('a flow', factories.make('later').name)

    def test_an_import_error_is_a_bad_factory(self) -> None:
        self.installed['broken'] = ImportError('no module named nowhere')
        err = self.assertRaises(BadFactory, FlowFactories().make, 'broken')
        self.assertIsInstance(err.cause, ImportError)
        self.assertIn('nowhere', str(err))

    def test_what_raises_is_a_bad_factory(self) -> None:
        self.installed['raises'] = raises
        err = self.assertRaises(BadFactory, FlowFactories().make, 'raises')
        self.assertEqual("flow factory 'raises' raised ValueError: no flow today", str(err))

    def test_what_exits_is_a_bad_factory(self) -> None:
        self.installed['leaves'] = leaves
        self.assertRaises(BadFactory, FlowFactories().make, 'leaves')

    def test_what_returns_something_else_is_a_bad_factory(self) -> None:
        self.installed['string'] = not_a_flow
        err = self.assertRaises(BadFactory, FlowFactories().make, 'string')
        self.assertIn('returned a str', str(err))

    def test_what_cannot_be_called_is_a_bad_factory(self) -> None:
        self.installed['number'] = 5
        self.assertRaises(BadFactory, FlowFactories().make, 'number')


class ImportPathTest(_Installed):

    def test_is_refused_unless_allowed(self) -> None:
        self.assertRaises(exceptions.UnknownFlow, FlowFactories().make, f'{__name__}.a_flow')

    def test_is_imported_below_a_prefix(self) -> None:
        factories = FlowFactories(['tests.unit'])
        self.assertEqual('a flow', factories.make(f'{__name__}.a_flow').name)

    def test_may_have_a_colon(self) -> None:
        factories = FlowFactories(['tests.unit'])
        self.assertEqual('a flow', factories.make(f'{__name__}:a_flow').name)

    def test_a_prefix_is_of_whole_components(self) -> None:
        factories = FlowFactories(['tests.un'])
        self.assertRaises(exceptions.UnknownFlow, factories.make, f'{__name__}.a_flow')

    def test_an_empty_prefix_allows_nothing(self) -> None:
        factories = FlowFactories([''])
        self.assertRaises(exceptions.UnknownFlow, factories.make, 'os.getcwd')

    def test_what_a_module_imports_is_not_below_it(self) -> None:
        factories = FlowFactories(['tests.unit'])
        self.assertRaises(BadFactory, factories.make, f'{__name__}.sys.exit')

    def test_a_missing_attribute_is_a_bad_factory(self) -> None:
        factories = FlowFactories(['tests.unit'])
        self.assertRaises(BadFactory, factories.make, f'{__name__}.nothing')

    def test_a_missing_module_is_a_bad_factory(self) -> None:
        factories = FlowFactories(['nowhere'])
        self.assertRaises(BadFactory, factories.make, 'nowhere.at.all')

    def test_a_broken_import_inside_a_module_is_told(self) -> None:
        module = types.ModuleType('broken_flows')
        with mock.patch.dict(sys.modules, {'broken_flows': module}):
            factories = FlowFactories(['broken_flows'])
            err = self.assertRaises(BadFactory, factories.make, 'broken_flows.make')
        self.assertIsInstance(err.cause, AttributeError)

    def test_an_entry_point_of_that_name_comes_first(self) -> None:
        self.installed['tests.unit.x'] = a_flow
        self.assertEqual('a flow', FlowFactories(['tests.unit']).make('tests.unit.x').name)
