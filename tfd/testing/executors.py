# SPDX-License-Identifier: Apache-2.0
"""The contract of executors, and of :class:`tfd.executors.carriers.Carrier`, as tests that every one passes.

Calls are made in another process by some: functions and tasks here can be pickled, and what they do is seen in files.
"""

from __future__ import annotations

import fcntl
import os
import pathlib
import tempfile
import time
import unittest
from collections.abc import Callable, Mapping
from concurrent import futures
from typing import TYPE_CHECKING, Any

from tfd import exceptions, executors, task
from tfd.executors import calls, carriers
from tfd.types import failure as ft

__all__ = ['CarrierContract', 'ExecutorContract', 'Gate']

if TYPE_CHECKING:
    _Base = unittest.TestCase
else:
    _Base = object

#: Seconds until what must come has come, on a machine that is busy with other things.
_PATIENCE = 60.0


class Gate:
    """Holds calls until it is opened: the lock of a file, so that it works between processes, and can be pickled."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._held = os.open(path, os.O_CREAT | os.O_RDWR)
        fcntl.flock(self._held, fcntl.LOCK_EX)

    def __getstate__(self) -> dict[str, str]:
        return {'path': self.path}

    def wait(self) -> None:
        """Return once the gate is open."""
        own = os.open(self.path, os.O_RDWR)
        fcntl.flock(own, fcntl.LOCK_SH)
        os.close(own)

    def open(self) -> None:
        """Let those who wait, and those who come later, go on."""
        fcntl.flock(self._held, fcntl.LOCK_UN)
        os.close(self._held)


class _Note(task.Task):
    """Writes its name to a file."""

    def __init__(self, name: str, path: str) -> None:
        super().__init__(name)
        self.path = path

    def execute(self) -> str:
        with open(self.path, 'a') as notes:
            notes.write(f'{self.name}\n')
        return f'{self.name} done'

    def revert(self, **kwargs: Any) -> str:
        return f'{self.name} reverted'


class _Fails(task.Task):
    def execute(self) -> None:
        raise ValueError(self.name)


class _Ends(task.Task):
    def execute(self) -> None:
        raise SystemExit('end')


class _Closes(task.Task):
    def execute(self) -> None:
        raise GeneratorExit('closed')


class _Holds(task.Task):
    def __init__(self, name: str, gate: Any) -> None:
        super().__init__(name)
        self.gate = gate

    def execute(self) -> None:
        self.gate.wait()


class _Tells(task.Task):
    def execute(self) -> None:
        for part in (0.25, 0.5, 0.75):
            self.update_progress(part)


class CarrierContract(_Base):
    """Mix it into a test case and say how to make the executor."""

    #: Whether calls are made in the thread that uses the carrier.
    in_own_thread = False

    def make(self, workers: int) -> Any:
        """Return an executor with so many workers."""
        raise NotImplementedError

    def make_gate(self, path: str) -> Any:
        """Return a gate: something with ``wait`` for calls and ``open`` for the test; at a path that is free."""
        return Gate(path)

    def setUp(self) -> None:
        """Make a folder for what calls write, ``self.folder``, and a list of what is told, ``self.told``."""
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.told: list[tuple[str, float]] = []

    def carry(self, executor: Any, check: carriers.Check = None) -> carriers.Carrier:
        """Return a carrier that is closed in the end, and then its executor."""
        self.addCleanup(executor.shutdown)
        made = executors.carrier(executor, check, self._sink)
        self.addCleanup(made.close)
        return made

    def _sink(self, teller: Any, progress: float, details: Mapping[str, Any] | None) -> None:
        self.told.append((teller.name, progress))

    def _take(self, carrier: carriers.Carrier, count: int) -> list[tuple[int, Any]]:
        taken: list[tuple[int, Any]] = []
        while len(taken) < count:
            some = carrier.take(_PATIENCE, count - len(taken))
            self.assertNotEqual([], some, 'nothing has ended')
            taken += some
        return taken

    def test_outcomes_come_back_by_node(self) -> None:
        carrier = self.carry(self.make(2))
        for node in range(20):
            carrier.submit(node, calls.execute, _Note(f't{node}', str(self.folder / 'notes')), {})
        self.assertEqual({node: f't{node} done' for node in range(20)}, dict(self._take(carrier, 20)))
        self.assertEqual([], carrier.take(0, 1))

    def test_no_more_are_taken_than_asked_for(self) -> None:
        carrier = self.carry(self.make(1))
        for node in range(3):
            carrier.submit(node, calls.revert, _Note('t', ''), {})
        self._take(carrier, 1)
        self.assertEqual(['t reverted'] * 2, [outcome for _, outcome in self._take(carrier, 2)])

    def test_what_a_task_raises_is_its_failure(self) -> None:
        carrier = self.carry(self.make(1))
        carrier.submit(7, calls.execute, _Fails('a'), {})
        [(node, failure)] = self._take(carrier, 1)
        self.assertEqual(7, node)
        self.assertIsInstance(failure, ft.Failure)
        self.assertEqual(ValueError, failure.check(ValueError))
        self.assertEqual('a', failure.exception_str)
        self.assertIn('in execute', failure.traceback_str)

    def test_what_is_no_exception_is_its_failure(self) -> None:
        carrier = self.carry(self.make(1))
        carrier.submit(0, calls.execute, _Closes('a'), {})
        [(_node, failure)] = self._take(carrier, 1)
        self.assertEqual(exceptions.AtomInterrupted, failure.check(exceptions.AtomInterrupted))
        self.assertIn('GeneratorExit: closed', failure.exception_str)

    def test_what_ends_a_process_is_raised_in_the_own_thread_and_a_failure_elsewhere(self) -> None:
        carrier = self.carry(self.make(1))
        carrier.submit(0, calls.execute, _Ends('a'), {})
        if self.in_own_thread:
            self.assertRaises(SystemExit, self._take, carrier, 1)
        else:
            [(_node, failure)] = self._take(carrier, 1)
            self.assertEqual(exceptions.AtomInterrupted, failure.check(exceptions.AtomInterrupted))
            self.assertIn('SystemExit: end', failure.exception_str)

    def test_nothing_is_called_where_the_check_raises(self) -> None:
        def check() -> None:
            raise exceptions.OwnershipLost('j', 1, 'gone')

        carrier = self.carry(self.make(1), check)
        carrier.submit(0, calls.execute, _Note('a', str(self.folder / 'notes')), {})
        self.assertRaises(exceptions.OwnershipLost, self._take, carrier, 1)
        self.assertEqual([], list(self.folder.iterdir()))

    def test_a_check_precedes_each_call(self) -> None:
        checks: list[None] = []
        carrier = self.carry(self.make(1), lambda: checks.append(None))
        for node in range(3):
            carrier.submit(node, calls.execute, _Note('a', str(self.folder / 'notes')), {})
        self._take(carrier, 3)
        self.assertGreaterEqual(len(checks), 3)

    def test_progress_is_told_in_order_before_the_outcome(self) -> None:
        carrier = self.carry(self.make(2))
        heard: list[float] = []
        tells = _Tells('a')
        tells.notifier.register(
            task.EVENT_UPDATE_PROGRESS, lambda event, details: heard.append(details['progress']))
        carrier.submit(0, calls.execute, tells, {})
        self._take(carrier, 1)
        self.assertEqual([('a', 0.25), ('a', 0.5), ('a', 0.75)], self.told)
        self.assertEqual([0.25, 0.5, 0.75], heard)

    def test_what_has_not_begun_when_it_is_closed_does_not_begin(self) -> None:
        executor = self.make(1)
        carrier = self.carry(executor)
        gate = self.make_gate(str(self.folder / 'gate'))
        carrier.submit(0, calls.execute, _Holds('held', gate), {})
        # More than a pool of processes takes ahead.
        for node in range(1, 10):
            carrier.submit(node, calls.execute, _Note(f't{node}', str(self.folder / 'notes')), {})
        self.assertTrue(carrier.close())
        gate.open()
        executor.shutdown()
        notes = self.folder / 'notes'
        self.assertNotIn('t9', notes.read_text().split() if notes.exists() else [])

    def test_nothing_is_under_way_when_all_was_taken(self) -> None:
        carrier = self.carry(self.make(1))
        carrier.submit(0, calls.execute, _Tells('a'), {})
        self._take(carrier, 1)
        self.assertFalse(carrier.close())

    def test_what_is_closed_takes_no_call(self) -> None:
        executor = self.make(1)
        carrier = self.carry(executor)
        executor.shutdown()
        with self.assertRaises(exceptions.ExecutionFailure):
            carrier.submit(0, calls.execute, _Tells('a'), {})


class ExecutorContract(CarrierContract):
    """What an executor of :mod:`concurrent.futures` promises, beside what its carrier does."""

    def until(self, future: futures.Future[Any]) -> None:
        """Wait until a call has ended."""
        futures.wait([future], _PATIENCE)

    def _called(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> futures.Future[Any]:
        executor = self.make(2)
        self.addCleanup(executor.shutdown)
        future: futures.Future[Any] = executor.submit(call, *args, **kwargs)
        self.until(future)
        return future

    def test_the_result_of_a_call(self) -> None:
        self.assertEqual(11, self._called(int, '1011', base=2).result(0))

    def test_the_error_of_a_call(self) -> None:
        self.assertIsInstance(self._called(int, 'x').exception(0), ValueError)

    def test_shutting_down_waits_for_what_was_taken(self) -> None:
        executor = self.make(1)
        made = [executor.submit(abs, -number) for number in range(5)]
        executor.shutdown()
        self.assertEqual([0, 1, 2, 3, 4], [future.result(0) for future in made])
        self.assertRaises(RuntimeError, executor.submit, abs, 1)
        executor.shutdown()

    def test_what_has_not_begun_can_be_cancelled(self) -> None:
        executor = self.make(1)
        gate = self.make_gate(str(self.folder / 'gate'))
        held, waiting = executor.submit(gate.wait), executor.submit(abs, -1)
        self.assertTrue(waiting.cancel())
        gate.open()
        executor.shutdown()
        self.assertTrue(held.done() and waiting.cancelled())

    def test_shutting_down_can_drop_what_has_not_begun(self) -> None:
        executor = self.make(1)
        gate = self.make_gate(str(self.folder / 'gate'))
        held, waiting = executor.submit(gate.wait), executor.submit(abs, -1)
        self.begun(held)
        executor.shutdown(wait=False, cancel_futures=True)
        self.assertEqual((False, True), (held.done(), waiting.cancelled()))
        gate.open()
        self.until(held)
        self.assertIsNone(held.result(0))

    def begun(self, future: futures.Future[Any]) -> None:
        """Wait until a call has begun."""
        ends = time.monotonic() + _PATIENCE
        while not future.running() and time.monotonic() < ends:
            self.give_way()

    def give_way(self) -> None:
        """Let calls go on."""
        time.sleep(0.001)
