# SPDX-License-Identifier: Apache-2.0
"""Flows that are made by factories, and made again from what is noted of them."""

from __future__ import annotations

from unittest import mock

import testtools
from oslo_utils import importutils

from tfd import engines, task
from tfd.patterns import linear_flow
from tfd.persistence import models


class _Tell(task.Task):
    def execute(self, told: str) -> str:
        return told


def make(name: str = 'made') -> linear_flow.Flow:
    return linear_flow.Flow(name).add(_Tell('tell', provides='answer'))


class Factories:
    @staticmethod
    def make(name: str = 'made inside') -> linear_flow.Flow:
        return make(name)


class FactoriesTest(testtools.TestCase):
    def _noted(self, factory: object, *args: object) -> models.FlowDetail:
        detail = models.FlowDetail('f')
        engines.save_factory_details(detail, factory, args, None)
        return detail

    def test_a_function_is_noted_by_its_name(self) -> None:
        self.assertEqual(
            {'name': f'{__name__}.make', 'args': ['again'], 'kwargs': {}}, self._noted(make, 'again').meta['factory'])

    def test_a_flow_is_made_again(self) -> None:
        self.assertEqual('again', engines.flow_from_detail(self._noted(make, 'again')).name)

    def test_a_factory_may_be_inside_of_a_class(self) -> None:
        self.assertEqual('again', engines.flow_from_detail(self._noted(Factories.make, 'again')).name)

    def test_a_function_inside_of_a_function_is_refused(self) -> None:
        def inner() -> linear_flow.Flow:
            return make()

        error = self.assertRaises(ValueError, self._noted, inner)
        self.assertIn('is not reimportable by name', str(error))

    def test_a_detail_without_a_factory_is_refused(self) -> None:
        error = self.assertRaises(ValueError, engines.flow_from_detail, models.FlowDetail('f'))
        self.assertIn('no factory information saved', str(error))

    def test_what_is_not_there_is_told(self) -> None:
        for name, why in (
            ('nowhere.make', 'no such module'),
            (f'{__name__}.nothing', "has no attribute 'nothing'"),
            (f'{__name__}.Factories.nothing', "has no attribute 'nothing'"),
        ):
            error = self.assertRaises(ImportError, engines.flow_from_detail, self._noted(name))
            self.assertIn(f'Could not import factory {name!r}', str(error))
            self.assertIn(why, str(error))

    def test_factories_are_imported_where_tests_of_services_replace_it(self) -> None:
        with mock.patch.object(importutils, 'import_class', return_value=lambda: 'a flow') as replaced:
            self.assertEqual('a flow', engines.flow_from_detail(self._noted('some.factory')))
        replaced.assert_called_once_with('some.factory')

    def test_an_engine_is_loaded_from_a_factory_and_from_its_detail(self) -> None:
        engine = engines.load_from_factory(make, store={'told': 'yes'})
        engine.run()
        self.assertEqual('yes', engine.storage.fetch('answer'))
        again = engines.load_from_detail(self._noted(make), store={'told': 'no'})
        again.run()
        self.assertEqual('no', again.storage.fetch('answer'))
