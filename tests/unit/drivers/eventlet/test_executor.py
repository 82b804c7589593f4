# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time
from typing import Any

import testtools

from tfd import engines, retry, task
from tfd.patterns import unordered_flow

try:
    import eventlet

    from tfd_drivers.eventlet.executor import GreenThreadExecutor
except ImportError:
    eventlet = None


class Wait(task.Task):
    """Waits as a green thread does."""

    def execute(self) -> str:
        eventlet.sleep(0.05)
        return str(self.name)


class Refuse(task.Task):
    tries = 0

    def execute(self) -> None:
        eventlet.sleep(0)
        self.tries += 1
        if self.tries < 2:
            raise ValueError('no')


@testtools.skipIf(eventlet is None, 'eventlet is not installed')
class GreenThreadExecutorTest(testtools.TestCase):
    def _called(self, executor: Any, *calls: Any) -> list[Any]:
        done = executor.completions()
        made = [executor.submit(call) for call in calls]
        for future in made:
            future.add_done_callback(done.put)
        for _ in made:
            done.get(timeout=5)
        return made

    def test_runs_calls_side_by_side(self) -> None:
        began = time.monotonic()
        made = self._called(GreenThreadExecutor(), *[lambda: eventlet.sleep(0.05)] * 50)
        self.assertTrue(all(future.done() for future in made))
        self.assertLess(time.monotonic() - began, 1)

    def test_keeps_to_its_number_of_workers(self) -> None:
        at_once: list[int] = []
        running: set[int] = set()

        def call(number: int) -> None:
            running.add(number)
            eventlet.sleep(0)
            at_once.append(len(running))
            running.discard(number)

        self._called(GreenThreadExecutor(2), *[lambda number=number: call(number) for number in range(7)])
        self.assertEqual((7, 2), (len(at_once), max(at_once)))

    def test_an_error_is_raised_where_the_result_is_asked_for(self) -> None:
        [future] = self._called(GreenThreadExecutor(), lambda: 1 // 0)
        self.assertRaises(ZeroDivisionError, future.result)

    def test_waits_for_what_runs_when_it_is_shut_down(self) -> None:
        executor = GreenThreadExecutor()
        future = executor.submit(eventlet.sleep, 0.01)
        executor.shutdown()
        self.assertTrue(future.done())
        self.assertRaises(RuntimeError, executor.submit, len, ())
        executor.shutdown()

    def test_drops_what_has_not_begun(self) -> None:
        executor = GreenThreadExecutor(1)
        first, second = executor.submit(eventlet.sleep, 0.01), executor.submit(len, ())
        eventlet.sleep(0)
        executor.shutdown(cancel_futures=True)
        self.assertEqual((True, False, True), (first.done(), first.cancelled(), second.cancelled()))

    def test_there_is_a_worker_at_least(self) -> None:
        self.assertRaises(ValueError, GreenThreadExecutor, 0)


@testtools.skipIf(eventlet is None, 'eventlet is not installed')
class EngineTest(testtools.TestCase):
    def test_runs_tasks_side_by_side(self) -> None:
        flow = unordered_flow.Flow('f').add(*(Wait(str(number), provides=f'w{number}') for number in range(40)))
        began = time.monotonic()
        results = engines.run(flow, engine='parallel', executor='greenthreads')
        self.assertLess(time.monotonic() - began, 1)
        self.assertEqual(40, len(results))

    def test_runs_on_an_executor_of_the_callers(self) -> None:
        executor = GreenThreadExecutor(3)
        flow = unordered_flow.Flow('f', retry=retry.Times(3, 'r')).add(Refuse('a'), Wait('b', provides='w'))
        self.assertEqual('b', engines.run(flow, engine='parallel', executor=executor)['w'])
        executor.submit(len, ())
        executor.shutdown()
