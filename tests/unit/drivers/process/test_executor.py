# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
import os
import pathlib
import signal
import threading
from concurrent import futures
from typing import Any

import fixtures
import testtools

from tests.unit.drivers.process import flows
from tfd import engines, exceptions, retry, states, task
from tfd.executors import calls
from tfd.patterns import linear_flow, unordered_flow
from tfd.persistence import memory, models
from tfd.types import clock
from tfd_drivers.process import attendant, transfer, worker
from tfd_drivers.process.executor import ProcessExecutor


class _EngineCases:
    """What holds on processes of ours and on a pool of the caller's."""

    executor: Any

    def setUp(self) -> None:
        super().setUp()
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def _load(self, flow: Any, **store: Any) -> Any:
        return engines.load(flow, store=store, engine='parallel', executor=self.executor)

    def _fails(self, error: type[Exception], *tasks: Any, **store: Any) -> Any:
        engine = self._load(linear_flow.Flow('f').add(*tasks), **store)
        return self.assertRaises(error, engine.run)

    def test_tasks_run_elsewhere(self) -> None:
        engine = self._load(linear_flow.Flow('f').add(flows.Where('a', provides='a'), flows.Takes('b', rebind=['a'])))
        engine.run()
        self.assertNotIn(engine.storage.get('a'), (os.getpid(), None))
        self.assertEqual(engine.storage.get('a'), engine.storage.get('b'))

    def test_a_task_can_take_its_idempotency_key(self) -> None:
        engine = self._load(linear_flow.Flow('f').add(flows.Key('a')))
        engine.run()
        self.assertEqual(engine.storage.get_atom_uuid('a'), engine.storage.fetch('key'))

    def test_a_task_that_cannot_travel_fails(self) -> None:
        self.assertEqual("task 'a'", self._fails(exceptions.NotTransferable, flows.Locked('a')).what)

    def test_a_task_whose_argument_cannot_travel_fails(self) -> None:
        error = self._fails(exceptions.NotTransferable, flows.Takes('a'), value=threading.Lock())
        self.assertEqual("argument 'value' of task 'a'", error.what)

    def test_what_could_not_be_called_is_not_reverted(self) -> None:
        for value in (threading.Lock(), flows.Unreadable()):
            path = self.folder / 'undone'
            engine = self._load(
                linear_flow.Flow('f').add(flows.Undone('before', str(path)), flows.TakesBack('a')), value=value)
            self.assertRaises(exceptions.NotTransferable, engine.run)
            self.assertEqual(states.REVERTED, engine.storage.get_flow_state())
            self.assertTrue(path.exists())
            path.unlink()

    def test_what_could_not_be_called_is_not_reverted_by_another_engine_either(self) -> None:
        backend, book = memory.MemoryBackend(), models.LogBook('b')
        engine = engines.load(
            linear_flow.Flow('f').add(flows.TakesBack('a')), engine='parallel', executor=self.executor, book=book,
            backend=backend, never_resolve=True)
        engine.storage.inject({'value': threading.Lock()}, transient=True)
        self.assertRaises(exceptions.NotTransferable, engine.run)
        detail, = backend.get_connection().get_flows_for_book(book.uuid)
        engine = engines.load(
            linear_flow.Flow('f').add(flows.TakesBack('a')), flow_detail=detail, backend=backend, engine='parallel',
            executor=self.executor, store={'value': 3})
        self.assertRaises(exceptions.NotTransferable, engine.run)
        self.assertEqual(states.REVERTED, engine.storage.get_flow_state())
        engine.run()
        self.assertEqual(3, engine.storage.get('a'))

    def test_what_was_called_is_reverted_where_its_result_cannot_travel(self) -> None:
        path = self.folder / 'undone'
        returns = flows.Undone('a', str(path))
        returns.value = threading.Lock
        engine = self._load(linear_flow.Flow('f').add(returns))
        self.assertRaises(exceptions.NotTransferable, engine.run)
        self.assertTrue(path.exists())

    def test_a_task_whose_result_cannot_travel_fails(self) -> None:
        self.assertEqual(
            "the result of task 'a'", self._fails(exceptions.NotTransferable, flows.ReturnsLock('a')).what)

    def test_what_a_task_raises_is_raised(self) -> None:
        error = self._fails(ValueError, flows.Raises('a', ValueError, 'no', 1))
        self.assertEqual(('no', 1), error.args)
        self.assertIn('Traceback in worker process', error.__notes__[0])

    def test_a_task_that_wants_its_process_to_end_fails(self) -> None:
        for error in (SystemExit, KeyboardInterrupt):
            failed = self._fails(exceptions.AtomInterrupted, flows.Raises('a', error, 3))
            self.assertEqual(("task 'a'", error.__name__), (failed.what, failed.kind))

    def test_what_cannot_be_raised_here_is_told(self) -> None:
        error = self._fails(exceptions.WrappedFailure, flows.Raises('a', flows.LockedError))
        self.assertIs(flows.LockedError, error.check(flows.LockedError))

    def test_events_of_a_task_reach_its_listeners_and_its_record(self) -> None:
        told: list[Any] = []
        tells = flows.Tells('a')
        tells.notifier.register(task.TaskNotifier.ANY, lambda event, details: told.append((event, details)))
        engine = self._load(linear_flow.Flow('f').add(tells))
        kept: list[Any] = []
        engine.atom_notifier.register(
            states.SUCCESS, lambda state, details: kept.append(engine.storage.get_task_progress_details('a')))
        engine.run()
        self.assertEqual([
            ('update_progress', {'progress': 0.0}), ('update_progress', {'progress': 0.25}), ('step', {'number': 1}),
            ('update_progress', {'progress': 0.5, 'of': 'it'}), ('update_progress', {'progress': 1.0})], told)
        self.assertEqual([{'at_progress': 0.5, 'details': {'of': 'it'}}], kept)

    def test_tasks_are_reverted_elsewhere(self) -> None:
        path = self.folder / 'undone'
        self._fails(ValueError, flows.Undone('a', str(path)), flows.Raises('b', ValueError, 'no'))
        pid, result, *failures = path.read_text().split()
        self.assertNotEqual(str(os.getpid()), pid)
        self.assertEqual(['made', 'b', 'no'], [result, *failures])

    def test_retries_run_here(self) -> None:
        engine = self._load(
            linear_flow.Flow('f', retry=flows.HereRetry(name='r', provides='pid')).add(flows.Where('a')))
        engine.run()
        self.assertEqual(os.getpid(), engine.storage.fetch('pid'))


class ProcessExecutorTest(_EngineCases, testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.executor = ProcessExecutor(2)
        self.addCleanup(self.executor.shutdown)

    def test_every_name(self) -> None:
        for name in ('process', 'processes'):
            flow = linear_flow.Flow('f').add(flows.Where('a', provides='a'))
            found = engines.run(flow, engine='parallel', executor=name, max_workers=1)
            self.assertNotEqual(os.getpid(), found['a'])

    def test_a_task_that_ends_its_process_fails_alone(self) -> None:
        for by_signal, code in ((False, 3), (True, -9)):
            engine = self._load(unordered_flow.Flow('f').add(
                flows.Dies('a', by_signal=by_signal), *(flows.Where(f't{at}') for at in range(6))))
            error = self.assertRaises(exceptions.WorkerDied, engine.run)
            self.assertEqual(("task 'a'", code), (error.what, error.exitcode))
            self.assertEqual(
                [states.REVERTED] * 6, [engine.storage.get_atom_state(f't{at}') for at in range(6)])

    def test_a_task_that_ended_its_process_can_be_retried(self) -> None:
        flow = linear_flow.Flow('f', retry=retry.Times(2, 'r')).add(flows.Dies('a', str(self.folder / 'been here')))
        engine = self._load(flow)
        engine.run()
        self.assertEqual('alive', engine.storage.fetch('a'))

    def test_a_call_that_ends_its_process_fails(self) -> None:
        self.assertRaises(exceptions.WorkerDied, self.executor.submit(os._exit, 0).result, 60)

    def test_a_process_that_ended_while_it_had_nothing_to_do_is_replaced(self) -> None:
        executor = ProcessExecutor(1)
        self.addCleanup(executor.shutdown)
        first = executor.submit(os.getpid).result(60)
        [process] = executor._processes
        os.kill(first, signal.SIGKILL)
        process.wait()
        self.assertNotEqual(first, executor.submit(os.getpid).result(60))

    def test_processes_that_cannot_be_started_are_no_failure_of_a_task(self) -> None:
        def start() -> None:
            raise OSError('no more processes')

        self.patch(attendant, 'Process', start)
        engine = self._load(linear_flow.Flow('f').add(flows.Where('a')))
        error = self.assertRaises(exceptions.ExecutionFailure, engine.run)
        self.assertIn('no more processes', str(error))
        self.assertEqual(states.RUNNING, engine.storage.get_atom_state('a'))
        self.assertRaises(exceptions.ExecutionFailure, self.executor.submit(abs, 1).result, 60)

    def test_an_argument_that_cannot_travel(self) -> None:
        self.assertRaises(exceptions.NotTransferable, self.executor.submit(abs, self.executor).result, 60)

    def test_there_is_a_worker_at_least(self) -> None:
        self.assertRaises(ValueError, ProcessExecutor, 0)


class WorkerTest(testtools.TestCase):
    def _answers(self, checked: float) -> list[Any]:
        answers: list[Any] = []
        message = transfer.pack(calls.execute, flows.Where('a'), {}, worker.CALL.pack(checked))
        worker._answer(memoryview(message), 7, lambda *answer: answers.append(answer))
        return answers

    def test_a_call_that_was_allowed_just_now_is_made(self) -> None:
        self.assertEqual([(worker.DONE, os.getpid(), 7)], self._answers(clock.BootClock().now()))
        self.assertEqual([(worker.DONE, os.getpid(), 7)], self._answers(0.0))

    def test_a_call_that_was_allowed_long_ago_is_not_made(self) -> None:
        long_ago = clock.BootClock().now() - 2 * worker.STALE_AFTER
        self.assertEqual([(worker.LATE, None, 7)], self._answers(long_ago))


class _Late(attendant.Process):
    """A process that first says that the call came late."""

    def __init__(self) -> None:
        self.sent = 0

    def is_alive(self) -> bool:
        return True

    def send(self, call: attendant.Call) -> bool:
        self.sent += 1
        return True

    def answer(self, call: attendant.Call) -> tuple[bytes, Any]:
        return (worker.LATE, b'') if self.sent < 3 else (worker.DONE, transfer.dump('made'))


class AttendTest(testtools.TestCase):
    def test_a_call_that_came_late_is_sent_again(self) -> None:
        process, call = _Late(), attendant.Call('c', memoryview(b''))
        self.assertIsNone(attendant.attend(process, call, lambda wait: None))
        self.assertEqual((3, 'made'), (process.sent, call.future.result(0)))


class BorrowedPoolTest(_EngineCases, testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.executor = futures.ProcessPoolExecutor(1, mp_context=attendant._CONTEXT)
        self.addCleanup(self.executor.shutdown)

    def test_a_broken_pool_reverts_nothing(self) -> None:
        path = self.folder / 'undone'
        engine = self._load(linear_flow.Flow('f').add(flows.Undone('a', str(path)), flows.Dies('b')))
        error = self.assertRaises(exceptions.ExecutionFailure, engine.run)
        self.assertIn("atoms ['b']", str(error))
        self.assertEqual(
            (states.SUCCESS, states.RUNNING, False),
            (engine.storage.get_atom_state('a'), engine.storage.get_atom_state('b'), path.exists()))
        self.assertEqual(states.SUSPENDED, engine.storage.get_flow_state())

    def test_the_pool_stays_open(self) -> None:
        self._load(linear_flow.Flow('f').add(flows.Where('a'))).run()
        self.assertEqual(1, self.executor.submit(abs, -1).result(60))
