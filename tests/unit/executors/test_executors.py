# SPDX-License-Identifier: Apache-2.0
"""Whose executor is used, and who closes it."""

from __future__ import annotations

import threading
from concurrent import futures

import testtools

from tfd import executors


class ExecutorsTest(testtools.TestCase):
    def test_names_of_threads(self):
        for name in (None, 'thread', 'threads', 'threaded'):
            executors.check(name)
            made = executors.acquire(name, 2)
            self.assertEqual(3, made.submit(lambda: 3).result())
            executors.release(name, made)
            self.assertRaises(RuntimeError, made.submit, print)

    def test_the_callers_is_left_alone(self):
        with futures.ThreadPoolExecutor(1) as mine:
            executors.check(mine)
            self.assertIs(mine, executors.acquire(mine))
            executors.release(mine, mine)
            self.assertEqual(3, mine.submit(lambda: 3).result())

    def test_whatever_can_submit_will_do(self):
        class Own:
            def submit(self, call, *args):
                """Take a call."""

        own = Own()
        executors.check(own)
        self.assertIs(own, executors.acquire(own))

    def test_what_is_none_is_refused(self):
        self.assertRaises(TypeError, executors.check, 5)
        error = self.assertRaises(ValueError, executors.check, 'foo')
        self.assertIn('threads', str(error))

    def test_interpreters_are_refused(self):
        class Interpreters(futures.ThreadPoolExecutor):
            """Stands for what Python 3.14 has."""

        self.patch(futures, 'InterpreterPoolExecutor', Interpreters)
        with Interpreters(1) as pool:
            self.assertRaises(TypeError, executors.check, pool)

    def test_a_number_of_workers_is_checked(self):
        for wrong in ('2', 2.0, True):
            self.assertRaises(TypeError, executors.check, None, wrong)
        self.assertRaises(ValueError, executors.check, None, 0)

    def test_capacity(self):
        class Own:
            max_workers = 7

        with futures.ThreadPoolExecutor(3) as pool:
            self.assertEqual([3, 7, 0], [executors.capacity(one) for one in (pool, Own(), object())])

    def test_without_waiting_what_has_not_begun_is_dropped(self):
        made = executors.acquire(None, 1)
        go = threading.Event()
        running, waiting = made.submit(go.wait, 10), made.submit(print)
        executors.release(None, made, wait=False)
        self.assertTrue(waiting.cancelled())
        go.set()
        self.assertTrue(running.result(10))
