# SPDX-License-Identifier: Apache-2.0
"""How the threads of a pool make the calls of a run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any

import testtools

from tfd import exceptions, task
from tfd.executors import calls, carriers


class Nothing(task.Task):
    def execute(self) -> None:
        """Do nothing."""


class Held(task.Task):
    def __init__(self, name: str, go: threading.Event) -> None:
        super().__init__(name)
        self.go = go

    def execute(self) -> None:
        self.go.wait()


class ByHand(futures.Executor):
    """Keeps what it is given until it is told to run it."""

    def __init__(self) -> None:
        self.kept: list[tuple[Callable[[], Any], futures.Future[Any]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> futures.Future[Any]:
        future: futures.Future[Any] = futures.Future()
        self.kept.append((lambda: fn(*args, **kwargs), future))
        return future


def _ignore(teller: Any, progress: float, details: Any) -> None:
    """Be told of progress."""


class ThreadCarrierTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.pool = ByHand()
        self.carrier = carriers.ThreadCarrier(self.pool, None, _ignore, workers=2)

    def _submit(self, count: int) -> None:
        for node in range(count):
            self.carrier.submit(node, calls.execute, Nothing(f't{node}'), {})

    def test_asks_for_as_many_threads_as_there_are(self) -> None:
        self._submit(5)
        self.assertEqual(2, len(self.pool.kept))

    def test_one_turn_makes_all_calls(self) -> None:
        self._submit(5)
        self.pool.kept[0][0]()
        self.assertEqual([(node, None) for node in range(5)], self.carrier.take(0, 10))

    def test_a_turn_that_is_over_makes_room_for_another(self) -> None:
        self._submit(2)
        for call, _ in self.pool.kept:
            call()
        self._submit(1)
        self.assertEqual(3, len(self.pool.kept))

    def test_a_turn_goes_to_the_end_of_the_queue(self) -> None:
        self.patch(carriers, '_TURN', -1.0)
        self._submit(3)
        self.pool.kept[0][0]()
        self.assertEqual([(0, None)], self.carrier.take(0, 10))
        self.assertEqual(3, len(self.pool.kept))

    def test_a_turn_that_never_comes_is_no_silence(self) -> None:
        self._submit(1)
        future = self.pool.kept[0][1]
        future.cancel()
        error = self.assertRaises(exceptions.ExecutionFailure, self.carrier.take, 0, 10)
        self.assertIn('has dropped calls', str(error))

    def test_threads_of_a_pool_make_calls_at_the_same_time(self) -> None:
        go = threading.Event()
        with futures.ThreadPoolExecutor(2) as pool:
            carrier = carriers.ThreadCarrier(pool, None, _ignore, workers=2)
            carrier.submit(0, calls.execute, Held('a', go), {})
            carrier.submit(1, calls.execute, Nothing('b'), {})
            self.assertEqual([(1, None)], carrier.take(10, 10))
            go.set()
            self.assertEqual([(0, None)], carrier.take(10, 10))


class FutureCarrierTest(testtools.TestCase):
    def test_a_call_that_was_dropped_is_no_silence(self) -> None:
        pool = ByHand()
        carrier = carriers.FutureCarrier(pool, None, _ignore)
        carrier.submit(0, calls.execute, Nothing('a'), {})
        pool.kept[0][1].cancel()
        self.assertRaises(exceptions.ExecutionFailure, carrier.take, 0, 10)
