# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
from typing import Any

import testtools

from tests.unit.drivers.process import flows
from tfd import exceptions
from tfd.executors import calls
from tfd.types import failure as ft
from tfd_drivers.process import transfer


def there(value: Any) -> Any:
    return transfer.load(transfer.dump(value))


def failed(error: Exception) -> ft.Failure:
    try:
        try:
            raise KeyError('before')
        except KeyError as err:
            raise error from err
    except Exception:
        return ft.Failure()


class TaskTest(testtools.TestCase):
    def test_a_task_is_what_it_was(self) -> None:
        task = there(flows.Takes('a', provides='b', rebind={'value': 'c'}))
        self.assertEqual(('a', {'b'}, {'c'}), (task.name, set(task.provides), set(task.requires)))

    def test_listeners_stay_at_home(self) -> None:
        task = flows.Tells('a')
        task.notifier.register(flows.STEP, lambda event, details: None)
        found = there(task)
        self.assertEqual([], list(found.notifier.listeners_iter()))
        self.assertTrue(found.notifier.can_be_registered(flows.STEP))
        self.assertEqual(1, len(list(task.notifier.listeners_iter())))

    def test_what_a_class_takes_is_worked_out_once(self) -> None:
        self.assertIs(there(flows.Where('a'))._binding, there(flows.Where('b'))._binding)

    def test_what_cannot_travel_is_named(self) -> None:
        for task, arguments, what in (
                (flows.Locked('a'), {}, "task 'a'"),
                (flows.Takes('b'), {'x': 1, 'value': [threading.Lock()]}, "argument 'value' of task 'b'")):
            error = self.assertRaises(
                exceptions.NotTransferable, transfer.pack, calls.execute, task, arguments, b'')
            self.assertEqual(what, error.what)
            self.assertIn('lock', str(error))


class FailureTest(testtools.TestCase):
    def test_is_what_it_was(self) -> None:
        failure = failed(ValueError('a', 1))
        found = there(failure)
        self.assertEqual(('a', 1), found.exception.args)
        self.assertEqual(failure.traceback_str, found.traceback_str)
        self.assertTrue(found.matches(failure))

    def test_travels_as_text_where_its_exception_cannot(self) -> None:
        found = there({'a': [failed(flows.LockedError())]})['a'][0]
        self.assertIsNone(found.exception)
        self.assertEqual('with a lock', found.exception_str)
        self.assertIs(flows.LockedError, found.check(flows.LockedError))
        self.assertEqual(["'before'"], [cause.exception_str for cause in found.causes])

    def test_travels_without_arguments_that_cannot(self) -> None:
        found = there(failed(ValueError(threading.Lock())))
        self.assertEqual(((), ValueError), (found.exception_args, found.check(ValueError)))

    def test_names_of_the_main_module_are_those_at_home(self) -> None:
        error = type('Own', (ValueError,), {'__module__': '__mp_main__'})('x')
        self.assertEqual('__main__.Own', next(iter(there(failed(error)))))
