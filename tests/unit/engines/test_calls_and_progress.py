# SPDX-License-Identifier: Apache-2.0
"""What is called on an atom, and what is told of its progress."""

from __future__ import annotations

from concurrent import futures
from typing import Any

import testtools

from tfd import engines, exceptions, retry, task
from tfd.patterns import linear_flow, unordered_flow
from tfd.persistence import memory, models


class Plain(task.Task):

    def execute(self) -> None:
        """Do nothing."""


class Failing(task.Task):

    def execute(self) -> None:
        """Fail."""
        raise ValueError('no')


class MethodsTest(testtools.TestCase):

    def test_a_revert_set_on_the_task_is_called(self) -> None:
        calls: list[str] = []
        plain = Plain('a')
        plain.revert = lambda **kwargs: calls.append('reverted')  # type: ignore[method-assign]
        flow = linear_flow.Flow('f').add(plain, Failing('b'))
        self.assertRaises(ValueError, engines.run, flow)
        self.assertEqual(['reverted'], calls)

    def test_a_pre_execute_set_on_the_task_is_called(self) -> None:
        calls: list[str] = []
        plain = Plain('a')
        plain.pre_execute = lambda: calls.append('before')  # type: ignore[method-assign]
        engines.run(linear_flow.Flow('f').add(plain))
        self.assertEqual(['before'], calls)

    def test_class_and_static_methods_keep_their_arguments(self) -> None:
        class OnClass(task.Task):
            default_provides = 'c'

            @classmethod
            def execute(cls, a: int) -> int:  # type: ignore[override]
                return a + 1

        class Static(task.Task):
            default_provides = 's'

            @staticmethod
            def execute(c: int) -> int:  # type: ignore[override]
                return c + 1

        found = engines.run(linear_flow.Flow('f').add(OnClass('x'), Static('y')), store={'a': 1})
        self.assertEqual({'a': 1, 'c': 2, 's': 3}, found)


class ProgressTest(testtools.TestCase):

    def test_begin_and_end_are_told_without_the_task(self) -> None:
        told: list[Any] = []
        plain = Plain('a')
        plain.notifier.register(
            task.EVENT_UPDATE_PROGRESS, lambda event, details: told.append(details['progress']))
        self.assertRaises(ValueError, engines.run, linear_flow.Flow('f').add(plain, Failing('b')))
        self.assertEqual([0.0, 1.0, 0.0, 1.0], told)

    def test_what_is_told_after_the_end_changes_nothing(self) -> None:
        kept: list[Any] = []

        class Late(task.Task):
            def execute(self) -> None:
                self.update_progress(0.5)
                kept.append(self)

        engine = engines.load(linear_flow.Flow('f').add(Late('a')))
        engine.atom_notifier.register('SUCCESS', lambda state, details: kept[0].update_progress(0.7))
        engine.run()
        self.assertEqual(1.0, engine.storage.get_task_progress('a'))


    def test_a_task_runs_a_flow_whose_tasks_have_listeners(self) -> None:
        told: list[Any] = []

        class Outer(task.Task):
            def execute(self) -> None:
                inner = Plain('inner')
                inner.notifier.register(
                    task.EVENT_UPDATE_PROGRESS, lambda event, details: told.append(details['progress']))
                engines.run(linear_flow.Flow('g').add(inner))

        engines.run(linear_flow.Flow('f').add(Outer('a')))
        self.assertEqual([0.0, 1.0], told)


class TakenUpTest(testtools.TestCase):

    def _suspended(self, backend: memory.MemoryBackend) -> models.FlowDetail:
        book = models.LogBook('b')
        detail = models.FlowDetail('f')
        detail.meta = {'owner': 'nova'}
        book.add(detail)
        backend.get_connection().save_logbook(book)
        engine = engines.load(self._flow(), flow_detail=detail, book=book, backend=backend, store={'x': 1})
        engine.atom_notifier.register('SUCCESS', lambda state, details: engine.suspend())
        engine.run()
        return detail

    def _flow(self) -> linear_flow.Flow:
        class Takes(task.Task):
            default_provides = 'y'

            def execute(self, x: int) -> int:
                return x

        return linear_flow.Flow('f').add(Plain('a'), Takes('b'))

    def test_metadata_stays_where_the_flow_is_taken_up_by_its_uuid(self) -> None:
        backend = memory.MemoryBackend()
        detail = self._suspended(backend)
        engines.load(self._flow(), flow_detail=models.FlowDetail('f', detail.uuid), backend=backend).run()
        self.assertEqual({'owner': 'nova'}, backend.get_connection().get_flow_details(detail.uuid).meta)

    def test_new_inputs_are_recorded(self) -> None:
        backend = memory.MemoryBackend()
        detail = self._suspended(backend)
        engines.load(
            self._flow(), flow_detail=models.FlowDetail('f', detail.uuid), backend=backend, store={'x': 2}).prepare()
        third = engines.load(self._flow(), flow_detail=models.FlowDetail('f', detail.uuid), backend=backend)
        third.run()
        self.assertEqual(2, third.storage.fetch('y'))


class ExecutorTest(testtools.TestCase):

    def test_a_closed_pool_is_named(self) -> None:
        pool = futures.ThreadPoolExecutor(1)
        pool.shutdown()
        engine = engines.load(linear_flow.Flow('f').add(Plain('a')), engine='parallel', executor=pool)
        self.assertRaisesRegex(exceptions.ExecutionFailure, "atom 'a' cannot be handed to", engine.run)

    def test_the_callers_pool_stays_open(self) -> None:
        with futures.ThreadPoolExecutor(1) as pool:
            engines.run(linear_flow.Flow('f').add(Plain('a')), engine='parallel', executor=pool)
            self.assertEqual(1, pool.submit(int, '1').result())


class PriorityTest(testtools.TestCase):

    def test_a_wave_begins_with_its_highest_priority(self) -> None:
        calls: list[str] = []

        class Named(task.Task):
            def execute(self) -> None:
                calls.append(self.name)
                if self.name == 'c':
                    raise ValueError('c')

            def revert(self, **kwargs: Any) -> None:
                calls.append(f'-{self.name}')

        tasks = [Named(name) for name in 'abcd']
        for one, priority in zip(tasks, (0, -1, 5, 7), strict=True):
            one.priority = priority
        self.assertRaises(ValueError, engines.run, unordered_flow.Flow('f').add(*tasks))
        self.assertEqual(['d', 'c', 'a', 'b', '-d', '-c', '-a', '-b'], calls)


class ShownProgressTest(testtools.TestCase):
    """The progress of tasks that tell none, live and as it is recorded."""

    def test_it_follows_from_the_state(self) -> None:
        controller = retry.AlwaysRevert('r')
        for options, expected in (
                ({}, {'r': {}, 'a': {'progress': 1.0}, 'b': {'progress': 1.0}, 'c': {}}),
                ({'never_resolve': True}, {'r': {}, 'a': {'progress': 1.0}, 'b': {'progress': 0.0}, 'c': {}})):
            backend = memory.MemoryBackend()
            flow = linear_flow.Flow('f', retry=controller).add(Plain('a'), Failing('b'), Plain('c'))
            book, detail = models.LogBook('b'), models.FlowDetail('f')
            book.add(detail)
            backend.get_connection().save_logbook(book)
            engine = engines.load(flow, book=book, flow_detail=detail, backend=backend, **options)
            self.assertRaises(ValueError, engine.run)
            self.assertEqual(expected, {atom.name: atom.meta for atom in detail})
            recorded = backend.get_connection().get_atoms_for_flow(detail.uuid)
            self.assertEqual(expected, {atom.name: atom.meta for atom in recorded})
