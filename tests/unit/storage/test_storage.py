# SPDX-License-Identifier: Apache-2.0
"""What a storage gives back: values, states, failures, inputs; and what it does with what cannot be stored."""

from __future__ import annotations

import logging
import socket
from typing import Any

import fixtures
import testtools

from tests.functional.sql.databases import MigratedDatabase
from tfd import engines, exceptions, retry, task
from tfd.patterns import graph_flow, linear_flow, unordered_flow
from tfd.persistence import memory, models
from tfd.storage import Storage
from tfd.types.failure import Failure
from tfd_drivers.sql.backend import SqlBackend


def functor(name: str, call: Any, provides: Any = None, revert: Any = None) -> task.FunctorTask:
    return task.FunctorTask(call, name=name, provides=provides, revert=revert)


def failing() -> None:
    raise ValueError('no')


class _Tells(task.Task):
    """Tells something of its progress that has no stored form."""

    def execute(self) -> int:
        self.notifier.notify(task.EVENT_UPDATE_PROGRESS, {'progress': 0.5, 'handle': object()})
        return 1


def loaded(*items: Any, error: Any = None, flow: Any = None, **options: Any) -> Any:
    """Run a flow; return its engine."""
    engine = engines.load((flow or linear_flow.Flow('f')).add(*items), **options)
    if error is None:
        engine.run()
    else:
        try:
            engine.run()
        except error:
            pass
    return engine


class FetchTest(testtools.TestCase):
    def test_inputs_and_what_was_provided(self):
        engine = loaded(functor('a', lambda: 1, 'x'), functor('b', lambda: (2, 3), ('y', 'z')), store={'s': 0})
        self.assertEqual({'s': 0, 'x': 1, 'y': 2, 'z': 3}, engine.storage.fetch_all())
        self.assertEqual([0, 1, 3], [engine.storage.fetch(name) for name in 'sxz'])

    def test_before_the_run_there_are_only_inputs(self):
        engine = engines.load(linear_flow.Flow('f').add(functor('a', lambda: 1, 'x')), store={'s': 0})
        self.assertEqual({'s': 0}, engine.storage.fetch_all())
        engine.prepare()
        self.assertEqual({'s': 0}, engine.storage.fetch_all())
        self.assertRaises(exceptions.NotFound, engine.storage.fetch, 'x')

    def test_what_is_not_known(self):
        storage = loaded(functor('a', lambda: (1,), ('x', 'y'))).storage
        error = self.assertRaises(exceptions.NotFound, storage.fetch, 'nope')
        self.assertIn("Name 'nope' is not mapped as a produced output by any providers", str(error))
        self.assertIn("'a'", str(self.assertRaises(exceptions.NotFound, storage.fetch, 'y')))
        self.assertIn("Unknown atom name 'nope'", str(self.assertRaises(exceptions.NotFound, storage.get, 'nope')))

    def test_several_providers(self):
        # As TaskFlow 6.5 gives them.
        storage = loaded(functor('a', lambda: 1, 'x'), functor('b', lambda: 2, 'x')).storage
        self.assertEqual(1, storage.fetch('x'))
        self.assertEqual(2, storage.fetch('x', many_handler=lambda values: values[-1]))
        self.assertEqual({'x': [1, 2]}, storage.fetch_all())
        self.assertEqual({'x': 2}, storage.fetch_all(many_handler=max))

    def test_after_a_revert_only_inputs_and_failures_are_left(self):
        storage = loaded(
            functor('a', lambda: 1, 'x'), functor('b', failing, 'y'), error=ValueError, store={'s': 0}).storage
        found = storage.fetch_all()
        self.assertEqual({'s', 'y'}, set(found))
        self.assertIsInstance(found['y'], Failure)
        self.assertRaises(exceptions.NotFound, storage.fetch, 'x')

    def test_results(self):
        storage = loaded(
            functor('a', lambda: 1, revert=lambda **kwargs: 'undone'), functor('b', failing), error=ValueError).storage
        self.assertRaises(exceptions.NotFound, storage.get, 'a')
        self.assertEqual('undone', storage.get_revert_result('a'))
        self.assertIsInstance(storage.get('b'), Failure)
        self.assertEqual(['b'], list(storage.get_execute_failures()))
        self.assertEqual({}, storage.get_revert_failures())
        self.assertEqual(['b'], list(storage.get_failures()))
        self.assertTrue(storage.has_failures())

    def test_results_of_a_success(self):
        storage = loaded(functor('a', lambda: None)).storage
        self.assertIsNone(storage.get('a'))
        self.assertRaises(exceptions.NotFound, storage.get_revert_result, 'a')
        self.assertFalse(storage.has_failures())

    def test_states_and_intentions(self):
        graph = graph_flow.Flow('g')
        a, b = functor('a', lambda: 1), functor('b', lambda: 2)
        graph.add(a, b)
        graph.link(a, b, decider=lambda history: False)
        storage = loaded(graph).storage
        self.assertEqual(
            {'a': ('SUCCESS', 'EXECUTE'), 'b': ('IGNORE', 'IGNORE')}, storage.get_atoms_states(['a', 'b']))
        self.assertRaises(exceptions.NotFound, storage.get_atoms_states, ['a', 'nope'])

    def test_uuids_are_those_of_the_details(self):
        engine = loaded(functor('a', lambda: 1))
        [detail] = list(engine.storage._flow_detail)
        self.assertEqual(detail.uuid, engine.storage.get_atom_uuid('a'))

    def test_no_atom_is_known_of_a_new_flow_detail(self):
        self.assertRaises(exceptions.NotFound, Storage(models.FlowDetail('f')).get_atom_state, 'a')


class RetryTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        attempts = iter((True, False))

        def fail_once(n: int) -> None:
            if next(attempts):
                raise OSError('once')

        flow = linear_flow.Flow('f', retry=retry.Times(2, 'r', provides='n')).add(task.FunctorTask(fail_once, name='a'))
        self.engine = engines.load(flow)
        self.engine.run()

    def test_the_result_of_a_retry_is_its_history(self):
        [(first, failures), last] = self.engine.storage.get('r')
        self.assertEqual((1, ['a'], (2, {})), (first, list(failures), last))
        self.assertEqual(2, self.engine.storage.fetch('n'))

    def test_a_task_has_no_history(self):
        error = self.assertRaises(TypeError, self.engine.storage.get_retry_history, 'a')
        self.assertIn("'a'", str(error))


class ArgumentsTest(testtools.TestCase):
    def test_optional_arguments_are_given_where_there_is_a_value(self):
        seen: list[Any] = []

        def take(x: Any, y: Any = 'none') -> None:
            seen.append((x, y))

        loaded(functor('a', take), store={'x': 1})
        loaded(functor('a', take), store={'x': 1, 'y': 2})
        loaded(functor('p', lambda: 3, 'y'), functor('a', take), store={'x': 1})
        self.assertEqual([(1, 'none'), (1, 2), (1, 3)], seen)

    def test_keywords_are_given_only_what_is_required(self):
        seen: list[Any] = []
        made = task.FunctorTask(lambda **kwargs: seen.append(kwargs), name='a', requires=['x'])
        loaded(made, store={'x': 1, 'y': 2})
        self.assertEqual([{'x': 1}], seen)

    def test_the_nearest_provider_is_seen(self):
        inner = linear_flow.Flow('inner').add(functor('p2', lambda: 2, 'x'), functor('i', lambda x: x, 'in'))
        engine = loaded(functor('p1', lambda: 1, 'x'), inner, functor('o', lambda x: x, 'out'))
        self.assertEqual((2, 2), (engine.storage.fetch('in'), engine.storage.fetch('out')))

    def test_siblings_of_an_unordered_flow_are_not_seen(self):
        flow = unordered_flow.Flow('u').add(functor('p', lambda: 1, 'x'), functor('a', lambda x: x))
        self.assertRaises(exceptions.MissingDependencies, engines.run, flow)

    def test_an_atoms_own_inputs_go_first(self):
        engine = engines.load(linear_flow.Flow('f').add(functor('a', lambda x: x, 'out')), store={'x': 1})
        engine.prepare()
        engine.storage.inject_atom_args('a', {'x': 9})
        self.assertRaises(exceptions.NotFound, engine.storage.inject_atom_args, 'nope', {})
        engine.run()
        self.assertEqual(9, engine.storage.fetch('out'))

    def test_inputs_that_are_not_recorded(self):
        backend = memory.MemoryBackend()
        engine = engines.load(linear_flow.Flow('f').add(functor('a', lambda x: x, 'out')), backend=backend)
        engine.prepare()
        engine.storage.inject({'x': 5}, transient=True)
        engine.run()
        self.assertEqual(5, engine.storage.fetch('out'))
        snapshot = backend.journal().load(engine.storage.flow_uuid)
        self.assertEqual(['a'], [atom.name for atom in snapshot.atoms])

    def test_an_idempotency_key_stays_the_same(self):
        keys: list[str] = []

        def take(tfd_idempotency_key: str) -> None:
            keys.append(tfd_idempotency_key)
            if len(keys) < 3:
                raise ValueError

        flow = linear_flow.Flow('f', retry=retry.Times(3, 'r')).add(functor('a', take))
        engines.run(flow)
        self.assertEqual(3, len(keys))
        self.assertEqual(1, len(set(keys)))
        engines.run(linear_flow.Flow('f').add(functor('a', take)))
        self.assertEqual(2, len(set(keys)))

    def test_a_retrys_value_is_that_of_its_latest_attempt(self):
        seen: list[Any] = []

        def take(n: int) -> None:
            seen.append(n)
            if n < 3:
                raise ValueError

        flow = linear_flow.Flow('f', retry=retry.Times(3, 'r', provides='n'))
        self.assertEqual({'n': 3}, engines.run(flow.add(functor('a', take))))
        self.assertEqual([1, 2, 3], seen)


class SqlTest(testtools.TestCase):
    """What a codec does to values, and what has no stored form."""

    def setUp(self) -> None:
        super().setUp()
        self.backend = SqlBackend(self.useFixture(MigratedDatabase('sqlite')).url)
        self.addCleanup(self.backend.close)
        self.reverted: list[str] = []

    def _tasks(self, value: Any) -> list[Any]:
        def undo(name: str) -> Any:
            return lambda **kwargs: self.reverted.append(name)

        return [functor('a', lambda: 1, 'x', undo('a')), functor('b', lambda: value, 'y', undo('b'))]

    def test_a_result_that_cannot_be_stored_fails_its_task(self):
        for kind in ('serial', 'parallel'):
            self.reverted.clear()
            with socket.socket() as opened:
                engine = engines.load(
                    linear_flow.Flow('f').add(*self._tasks({'k': [opened]})), backend=self.backend, engine=kind)
                error = self.assertRaises(exceptions.NotStorable, engine.run)
            self.assertEqual("result of atom 'b'", error.what)
            self.assertEqual(['b', 'a'], self.reverted)
            self.assertEqual('REVERTED', engine.storage.get_flow_state())

    def test_a_result_of_a_retry_that_cannot_be_stored_fails_it(self):
        with socket.socket() as opened:
            flow = linear_flow.Flow('f', retry=retry.ForEach([opened], 'r'))
            self.assertRaises(exceptions.NotStorable, engines.run, flow, backend=self.backend)

    def test_a_revert_whose_result_cannot_be_stored_has_reverted(self):
        flow = linear_flow.Flow('f').add(
            functor('a', lambda: 1, revert=lambda **kwargs: object()), functor('b', failing))
        engine = engines.load(flow, backend=self.backend)
        self.assertRaises(ValueError, engine.run)
        self.assertEqual('REVERTED', engine.storage.get_atom_state('a'))
        self.assertIsNone(engine.storage.get_revert_result('a'))

    def test_what_cannot_be_stored_of_progress_keeps_no_step_from_being_recorded(self):
        log = self.useFixture(fixtures.FakeLogger())
        for kind in ('serial', 'parallel'):
            engine = loaded(_Tells('a', 'x'), backend=self.backend, engine=kind)
            self.assertEqual({'x': 1}, engine.storage.fetch_all())
            found = self.backend.get_connection().get_flow_details(engine.storage.flow_uuid)
            self.assertEqual({'progress': 1.0, 'progress_details': None}, found.find(
                engine.storage.get_atom_uuid('a')).meta)
            self.assertIn("progress of atom a of flow", log.output)

    def test_an_input_that_cannot_be_stored_is_refused(self):
        engine = engines.load(linear_flow.Flow('f').add(*self._tasks(2)), backend=self.backend, store={'s': object()})
        self.assertRaises(exceptions.NotStorable, engine.prepare)

    def test_a_failure_with_arguments_that_cannot_be_stored_is_stored_as_text(self):
        def fail() -> None:
            raise ValueError(object(), 'text')

        flow = linear_flow.Flow('f', retry=retry.Times(1, 'r')).add(functor('a', fail))
        engine = engines.load(flow, backend=self.backend)
        self.assertRaises(ValueError, engine.run)
        atoms = {atom.name: atom for atom in self.backend.get_connection().get_flow_details(
            engine.storage.flow_uuid)}
        self.assertIn('text', atoms['a'].failure.exception_str)
        self.assertEqual('text', atoms['a'].failure.exception_args[1])
        self.assertIn('object object', atoms['a'].failure.exception_args[0])

    def test_what_a_task_changes_later_is_not_what_was_recorded(self):
        kept: list[Any] = [1]
        flow = linear_flow.Flow('f').add(functor('a', lambda: kept, 'x'), functor('b', lambda: kept.append(2)))
        engine = engines.load(flow, backend=self.backend)
        engine.run()
        atoms = {atom.name: atom.results for atom in self.backend.get_connection().get_flow_details(
            engine.storage.flow_uuid)}
        self.assertEqual([1], atoms['a'])

    def test_a_name_that_is_too_long_is_refused(self):
        flow = linear_flow.Flow('f').add(functor('n' * 300, lambda: 1))
        error = self.assertRaises(exceptions.InvalidFormat, engines.run, flow, backend=self.backend)
        self.assertIn('255', str(error))

    def test_what_a_later_process_raises(self):
        flow = linear_flow.Flow('f').add(functor('a', failing))
        engine = engines.load(flow, backend=self.backend, never_resolve=True)
        self.assertRaises(ValueError, engine.run)
        detail = self.backend.get_connection().get_flow_details(engine.storage.flow_uuid)
        again = engines.load(linear_flow.Flow('f').add(functor('a', failing)), flow_detail=detail,
                             backend=self.backend, never_resolve=True)
        error = self.assertRaises(exceptions.WrappedFailure, again.run)
        self.assertIs(ValueError, error.check(ValueError))

    def test_a_changed_flow_is_taken_up_by_name_or_refused(self):
        engine = engines.load(linear_flow.Flow('f').add(*self._tasks(2)), backend=self.backend)
        engine.atom_notifier.register('SUCCESS', lambda state, details: engine.suspend())
        engine.run()
        detail = self.backend.get_connection().get_flow_details(engine.storage.flow_uuid)

        def changed() -> Any:
            return linear_flow.Flow('f').add(*self._tasks(2), functor('c', lambda x, y: x + y, 'z'))

        refusing = engines.load(changed(), flow_detail=detail, backend=self.backend, refuse_changed=True)
        self.assertRaises(exceptions.IncompatibleVersion, refusing.run)
        again = engines.load(changed(), flow_detail=detail, backend=self.backend)
        logger = self.useFixture(fixtures.FakeLogger('tfd.storage', level=logging.WARNING))
        again.run()
        self.assertIn('differs from the one it began under', logger.output)
        self.assertEqual({'x': 1, 'y': 2, 'z': 3}, again.storage.fetch_all())
