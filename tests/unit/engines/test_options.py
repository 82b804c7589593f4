# SPDX-License-Identifier: Apache-2.0
"""What engines are made of: each mistake is told when it is made, by name and value, and has changed nothing."""

from __future__ import annotations

import math
from concurrent import futures
from typing import Any

from tests.unit.engines import test_loading
from tests.unit.engines.tracing import KINDS, EngineTestCase, raising
from tfd import engines, exceptions
from tfd.engines import options
from tfd.persistence import memory, models


class OptionsTest(EngineTestCase):
    def _refused(self, error: type[Exception], text: str, **given: Any) -> None:
        for kind in KINDS:
            for backend in (None, memory.MemoryBackend()):
                book = models.LogBook('b')
                found = self.assertRaises(
                    error, engines.load, self.linear('a'),
                    **{'engine': kind, 'backend': backend, 'book': book, **given})
                self.assertIn(text, str(found))
                self.assertEqual(0, len(book))
                if backend is not None:
                    self.assertEqual([], list(backend.get_connection().get_logbooks()))

    def test_an_unknown_one(self):
        self._refused(ValueError, "no engine knows the options ['max_worker']", max_worker=1)

    def test_a_number_of_workers_that_is_none(self):
        for workers in (-1, 0):
            self._refused(ValueError, f'max_workers must be at least 1, not {workers}', max_workers=workers)
        self._refused(ValueError, "max_workers must be a number, not 'x'", max_workers='x')
        self._refused(TypeError, 'max_workers must be a number, not 2.5 (float)', max_workers=2.5)
        self._refused(ValueError, "max_workers must be a number, not 'x'", max_workers='x', executor='processes')

    def test_a_number_of_workers_as_text(self):
        for kind in KINDS:
            for given in ({'max_workers': '2'}, {'engine': f'{kind}://?max_workers=2'}):
                engine = engines.load(self.linear('a'), **{'engine': kind, **given})
                self.assertEqual(2, engine.options['max_workers'])
                engine.run()

    def test_an_executor_that_is_none(self):
        self._refused(TypeError, 'executor must be an executor of concurrent.futures or the name of a kind', executor=5)
        self._refused(ValueError, "no kind of executor is named 'x'", executor='x')

    def test_names_of_executors_in_any_case(self):
        engines.load(self.linear('a'), engine='parallel', executor='Threaded').run()

    def test_a_patience_that_is_none(self):
        self._refused(ValueError, "patience must be a number, not 'x'", patience='x')
        self._refused(TypeError, 'patience must be a number of seconds, not [] (list)', patience=[])
        self._refused(TypeError, 'patience must be a number of seconds, not True (bool)', patience=True)
        for seconds in (-1, math.nan):
            self._refused(ValueError, f'0 at least, not {seconds}', patience=seconds)

    def test_a_patience(self):
        for given, seconds in ((0, 0), (1.5, 1.5), ('2.5', 2.5), (math.inf, math.inf)):
            self.assertEqual(seconds, options.read({'patience': given})['patience'])

    def test_a_sleep_that_is_none(self):
        self._refused(TypeError, 'sleep must be callable, 5 (int) is not', sleep=5)

    def test_a_switch_that_is_neither(self):
        for name in ('defer_reverts', 'never_resolve', 'refuse_changed'):
            self._refused(ValueError, f"{name} must be true or false: Unrecognized value 'x'", **{name: 'x'})

    def test_what_was_given_stays_as_it_is(self):
        given = {'max_workers': '2', 'never_resolve': 'no'}
        self.assertEqual({'max_workers': 2, 'never_resolve': False}, options.read(given))
        self.assertEqual({'max_workers': '2', 'never_resolve': 'no'}, given)


class LoadTest(EngineTestCase):
    _refused = OptionsTest._refused

    def test_inputs_that_are_none(self):
        for store, kind in (('abc', 'str'), (5, 'int'), ([1], 'list')):
            self._refused(
                TypeError, f'store must be a mapping, or pairs of names and values, not this {kind}', store=store)

    def test_inputs_as_pairs(self):
        self.assertEqual(1, engines.run(self.linear('a'), store=[('x', 1)])['x'])

    def test_a_backend_that_is_none(self):
        for backend in (5, [1]):
            book = models.LogBook('b')
            error = self.assertRaises(TypeError, engines.load, self.linear('a'), backend=backend, book=book)
            self.assertIn(f'backend must be a backend, or the configuration of one, not {backend!r}', str(error))
            self.assertEqual(0, len(book))

    def test_a_book_that_is_none(self):
        error = self.assertRaises(TypeError, engines.load, self.linear('a'), book='x')
        self.assertEqual("book must be a logbook, not 'x' (str)", str(error))

    def test_a_flow_detail_that_is_none(self):
        for call in (
                lambda: engines.load(self.linear('a'), flow_detail=5), lambda: engines.load_from_detail(5),
                lambda: engines.flow_from_detail(5),
                lambda: engines.save_factory_details(5, test_loading.make, (), {})):
            error = self.assertRaises(TypeError, call)
            self.assertEqual('flow_detail must be a flow detail, not 5 (int)', str(error))

    def test_an_engine_that_is_none(self):
        self._refused(TypeError, 'engine must be a name, not 5 (int)', engine=5)
        self._refused(
            exceptions.NotFound, "Could not find engine 'x' in 'tfd.engines': ['default', 'parallel', 'serial'] are",
            engine='x')

    def test_a_namespace_without_engines(self):
        self._refused(
            exceptions.NotFound, "Could not find engine 'serial' in 'x': none are installed", engine='serial',
            namespace='x')

    def test_no_engine_is_the_default(self):
        engines.load(self.linear('a'), engine=None).run()

    def test_a_book_that_cannot_be_stored_has_not_changed(self):
        backend, book = memory.MemoryBackend(), models.LogBook('b')
        backend.get_connection = raising(exceptions.StorageUnavailable('away'))  # type: ignore[method-assign]
        self.assertRaises(exceptions.StorageUnavailable, engines.load, self.linear('a'), backend=backend, book=book)
        self.assertEqual(0, len(book))

    def test_a_factory_that_is_none(self):
        error = self.assertRaises(ValueError, engines.load_from_factory, 5)
        self.assertEqual('Flow factory 5 (int) is neither callable nor a name', str(error))

    def test_from_a_factory_nothing_is_recorded_either(self):
        backend, book = memory.MemoryBackend(), models.LogBook('b')
        self.assertRaises(
            ValueError, engines.load_from_factory, test_loading.make, backend=backend, book=book, max_worker=1)
        self.assertEqual(([], 0), (list(backend.get_connection().get_logbooks()), len(book)))


class InjectTest(EngineTestCase):
    def test_inputs_that_are_none_are_refused_and_not_told(self):
        for pairs in (5, 'hunter2', None, ['hunter2']):
            engine = engines.load(self.linear('a'))
            error = self.assertRaises(TypeError, engine.storage.inject, pairs)
            self.assertEqual(
                f'inputs must be a mapping, or pairs of names and values, not this {type(pairs).__name__}', str(error))
            self.assertEqual({}, engine.storage.fetch_all())


class PoolTest(EngineTestCase):
    def test_a_serial_engine_leaves_a_pool_alone(self):
        with futures.ThreadPoolExecutor(1) as pool:
            engines.run(self.linear('a'), executor=pool, max_workers=3)
