# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
from typing import Any

import testtools

from tfd import engines, exceptions, retry, task
from tfd.patterns import unordered_flow

try:
    import eventlet
    from eventlet import event

    from tfd_drivers.eventlet.executor import GreenThreadExecutor
except ImportError:
    eventlet = None


class Meet(task.Task):
    """Waits until as many of its kind have begun as there are to be."""

    def __init__(self, name: str, begun: list[str], count: int, all_are_here: Any) -> None:
        super().__init__(name, provides=name)
        self.begun = begun
        self.count = count
        self.all_are_here = all_are_here

    def execute(self) -> str:
        self.begun.append(self.name)
        if len(self.begun) == self.count:
            self.all_are_here.send()
        self.all_are_here.wait()
        return str(self.name)


class Refuse(task.Task):
    tries = 0

    def execute(self) -> None:
        eventlet.sleep(0)
        self.tries += 1
        if self.tries < 2:
            raise ValueError('no')


class Exits(task.Task):
    def execute(self) -> None:
        raise SystemExit


class Late(task.Task):
    def execute(self) -> None:
        with eventlet.Timeout(0):
            eventlet.sleep(60)


def meeting(count: int) -> unordered_flow.Flow:
    begun: list[str] = []
    all_are_here = event.Event()
    return unordered_flow.Flow('f').add(*(Meet(f't{at}', begun, count, all_are_here) for at in range(count)))


@testtools.skipIf(eventlet is None, 'eventlet is not installed')
class GreenThreadExecutorTest(testtools.TestCase):
    def test_keeps_to_its_number_of_workers(self) -> None:
        at_once: list[int] = []
        running: set[int] = set()

        def call(number: int) -> None:
            running.add(number)
            eventlet.sleep(0)
            at_once.append(len(running))
            running.discard(number)

        executor = GreenThreadExecutor(2)
        for number in range(7):
            executor.submit(call, number)
        executor.shutdown()
        self.assertEqual((7, 2), (len(at_once), max(at_once)))

    def test_there_is_a_worker_at_least(self) -> None:
        self.assertRaises(ValueError, GreenThreadExecutor, 0)

    def test_is_for_one_thread_at_a_time(self) -> None:
        executor = GreenThreadExecutor()
        go = event.Event()
        executor.submit(go.wait)
        errors: list[Exception] = []

        def elsewhere() -> None:
            try:
                executor.submit(len, ())
            except RuntimeError as err:
                errors.append(err)

        other = threading.Thread(target=elsewhere)
        other.start()
        other.join()
        go.send()
        executor.shutdown()
        self.assertIn('another thread', str(errors[0]))


@testtools.skipIf(eventlet is None, 'eventlet is not installed')
class EngineTest(testtools.TestCase):
    def test_runs_tasks_side_by_side_by_every_name(self) -> None:
        for name in ('greenthread', 'greenthreads', 'greenthreaded'):
            self.assertEqual(40, len(engines.run(meeting(40), engine='parallel', executor=name)))

    def test_runs_as_many_at_once_as_there_are_workers(self) -> None:
        # More than an executor that does not say how many it has is handed at once.
        self.assertEqual(
            1200, len(engines.run(meeting(1200), engine='parallel', executor='greenthreads', max_workers=1200)))

    def test_runs_on_an_executor_of_the_callers(self) -> None:
        executor = GreenThreadExecutor(3)
        flow = unordered_flow.Flow('f', retry=retry.Times(3, 'r')).add(Refuse('a'), *meeting(2))
        self.assertEqual('t1', engines.run(flow, engine='parallel', executor=executor)['t1'])
        executor.submit(len, ())
        executor.shutdown()

    def test_a_closed_executor_is_named(self) -> None:
        executor = GreenThreadExecutor()
        executor.shutdown()
        engine = engines.load(meeting(1), engine='parallel', executor=executor)
        self.assertRaisesRegex(exceptions.ExecutionFailure, "atom 't0' cannot be handed to", engine.run)

    def test_a_time_out_of_a_task_is_its_failure(self) -> None:
        engine = engines.load(unordered_flow.Flow('f').add(Late('a')), engine='parallel', executor='greenthreads')
        error = self.assertRaises(exceptions.AtomInterrupted, engine.run)
        self.assertEqual('eventlet.timeout.Timeout', error.kind)
        self.assertEqual('REVERTED', engine.storage.get_flow_state())

    def test_a_time_out_around_a_run_suspends_it(self) -> None:
        engine = engines.load(meeting(1), engine='parallel', executor='greenthreads')
        engine.compile()
        never = event.Event()
        engine.plan.atoms[0].execute = never.wait
        self.assertRaises(eventlet.Timeout, eventlet.with_timeout, 0, engine.run)
        self.assertEqual('SUSPENDED', engine.storage.get_flow_state())

    def test_what_ends_the_process_goes_through(self) -> None:
        for executor in ('greenthreads', GreenThreadExecutor(1)):
            engine = engines.load(unordered_flow.Flow('f').add(Exits('a')), engine='parallel', executor=executor)
            self.assertRaises(SystemExit, engine.run)
            self.assertEqual('SUSPENDED', engine.storage.get_flow_state())
