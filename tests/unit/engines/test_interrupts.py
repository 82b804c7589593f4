# SPDX-License-Identifier: Apache-2.0
"""What is no Exception: an end of the engine's own thread goes through, anything else is a failure; a flow rests."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from tests.unit.engines.tracing import KINDS, EngineTestCase, Traced, raising
from tfd import engines, exceptions, retry
from tfd.patterns import graph_flow, linear_flow
from tfd.persistence import memory, models

_ENDS = (KeyboardInterrupt, SystemExit)


class Odd(BaseException):
    """As eventlet's time-out, no Exception."""


class _Judge(retry.Times):
    """Raises where it is told to, once."""

    def __init__(self, where: str, error: BaseException) -> None:
        super().__init__(2, 'r')
        self.left = {where: error}

    def execute(self, *args: Any, **kwargs: Any) -> None:
        if 'execute' in self.left:
            raise self.left.pop('execute')

    def on_failure(self, *args: Any, **kwargs: Any) -> Any:
        if 'on_failure' in self.left:
            raise self.left.pop('on_failure')
        return super().on_failure(*args, **kwargs)


class _Broken:
    """A journal whose writes end with these errors, one after the other; None: with none."""

    def __init__(self, journal: Any, errors: Iterable[BaseException | None]) -> None:
        self._journal = journal
        self._errors = list(errors)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def append(self, entry: Any) -> None:
        error = self._errors.pop(0) if self._errors else None
        if error is not None:
            raise error
        self._journal.append(entry)


class EndTest(EngineTestCase):
    """KeyboardInterrupt and SystemExit in the thread of run."""

    def recorded(self, engine: Any) -> tuple[str | None, list[str | None]]:
        """Return the states of a flow and its atoms as they are recorded."""
        detail = engine.storage.backend.get_connection().get_flow_details(engine.storage.flow_uuid)
        return detail.state, [atom.state for atom in detail]

    def test_goes_through_reverts_nothing_and_leaves_the_flow_suspended(self):
        for backend in (None, memory.MemoryBackend()):
            for end in _ENDS:
                self.calls.clear()
                told: list[str] = []
                engine = engines.load(self.linear('a', 'b', b=raising(end())), backend=backend)
                engine.notifier.register(
                    '*', lambda state, details, told=told: told.append(f'{details["old_state"]} {state}'))
                self.assertRaises(end, engine.run)
                self.assertEqual(['a.x', 'b.x'], self.calls)
                self.assertEqual(['SUCCESS', 'RUNNING'], self.states(engine, 'a', 'b'))
                self.assertEqual('SUSPENDED', engine.storage.get_flow_state())
                self.assertEqual(['PENDING RUNNING', 'RUNNING SUSPENDING', 'SUSPENDING SUSPENDED'], told)
                if backend is not None:
                    self.assertEqual(('SUSPENDED', ['SUCCESS', 'RUNNING']), self.recorded(engine))

    def test_in_a_worker_is_a_failure_of_the_atom(self):
        for end in _ENDS:
            self.calls.clear()
            engine = engines.load(self.linear('a', 'b', b=raising(end('bye'))), engine='parallel')
            error = self.assertRaises(exceptions.AtomInterrupted, engine.run)
            self.assertEqual(f"atom 'b' ended with {end.__name__}: bye", str(error))
            self.assertEqual(['a.x', 'b.x', 'b.r', 'a.r'], self.calls)
            self.assertEqual('REVERTED', engine.storage.get_flow_state())

    def test_what_was_interrupted_is_called_again(self):
        errors: list[Any] = []

        def once() -> None:
            if errors:
                raise errors.pop()

        for end in _ENDS:
            for anew in (False, True):
                self.calls.clear()
                errors[:] = [end()]
                book, backend = models.LogBook('b'), memory.MemoryBackend()
                flow = self.linear('a', 'b', 'c', b=once)
                engine = engines.load(flow, backend=backend, book=book)
                self.assertRaises(end, engine.run)
                if anew:
                    detail, = backend.get_connection().get_flows_for_book(book.uuid)
                    engine = engines.load(flow, backend=backend, book=book, flow_detail=detail)
                engine.run()
                self.assertEqual(['a.x', 'b.x', 'b.x', 'c.x'], self.calls)
                self.assertEqual('SUCCESS', engine.storage.get_flow_state())

    def test_in_a_revert_goes_through(self):
        interrupted = Traced('a', self.calls, None, raising(KeyboardInterrupt()))
        engine = engines.load(linear_flow.Flow('f').add(interrupted, Traced('b', self.calls, raising(ValueError('b')))))
        self.assertRaises(KeyboardInterrupt, engine.run)
        self.assertEqual(['REVERTING', 'REVERTED'], self.states(engine, 'a', 'b'))
        self.assertEqual('SUSPENDED', engine.storage.get_flow_state())

    def test_in_a_retry_goes_through(self):
        for kind in KINDS:
            for where in ('execute', 'on_failure'):
                failing = Traced('a', self.calls, raising(ValueError('a')))
                engine = engines.load(
                    linear_flow.Flow('f', retry=_Judge(where, SystemExit())).add(failing), engine=kind)
                self.assertRaises(SystemExit, engine.run)
                self.assertEqual('SUSPENDED', engine.storage.get_flow_state())
                self.assertRaises(ValueError, engine.run)
                self.assertEqual('REVERTED', engine.storage.get_flow_state())

    def test_in_a_listener_of_a_flow_goes_through(self):
        engine = engines.load(self.linear('a'))
        engine.notifier.register('RUNNING', lambda state, details: raising(KeyboardInterrupt())())
        self.assertRaises(KeyboardInterrupt, engine.run)
        self.assertEqual([], self.calls)
        self.assertEqual('SUSPENDED', engine.storage.get_flow_state())

    def test_while_it_waits_for_workers_goes_through(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        engine = engines.load(self.linear('a', a=gate.wait), engine='parallel', backend=memory.MemoryBackend())
        engine._wait = lambda timeout: raising(KeyboardInterrupt())()
        self.assertRaises(KeyboardInterrupt, engine.run)
        self.assertEqual(('SUSPENDED', ['RUNNING']), self.recorded(engine))

    def _engine(self, *errors: BaseException | None) -> Any:
        backend = memory.MemoryBackend()
        journal = _Broken(backend.journal(), errors)
        backend.journal = lambda: journal  # type: ignore[method-assign]
        return engines.load(self.linear('a', 'b'), backend=backend, patience=0)

    def test_during_a_write_is_recorded_by_another(self):
        for before in range(3):
            engine = self._engine(*[None] * before, KeyboardInterrupt())
            self.assertRaises(KeyboardInterrupt, engine.run)
            # The first write is the one that says RUNNING.
            self.assertEqual('SUSPENDED' if before else None, self.recorded(engine)[0])
            engine.run()
            self.assertEqual('SUCCESS', engine.storage.get_flow_state())

    def test_that_cannot_be_recorded_goes_through_all_the_same(self):
        engine = self._engine(None, KeyboardInterrupt(), exceptions.StorageUnavailable('away'))
        self.assertRaises(KeyboardInterrupt, engine.run)
        self.assertEqual('RUNNING', self.recorded(engine)[0])
        engine.run()
        self.assertEqual('SUCCESS', engine.storage.get_flow_state())


class OddTest(EngineTestCase):
    """Whatever else is no Exception is a failure of the atom."""

    def _interrupted(self, engine: Any, what: str, calls: list[str]) -> None:
        self.calls.clear()
        found = self.assertRaises((exceptions.AtomInterrupted, exceptions.WrappedFailure), engine.run)
        failures = list(found) if isinstance(found, exceptions.WrappedFailure) else [found]
        self.assertIn(what, str(failures[-1]))
        self.assertEqual(calls, self.calls)
        self.assertEqual('REVERTED', engine.storage.get_flow_state())

    def test_in_execute(self):
        for kind in KINDS:
            for error in (Odd('x'), GeneratorExit('x')):
                engine = engines.load(self.linear('a', 'b', b=raising(error)), engine=kind)
                self._interrupted(engine, f"atom 'b' ended with {_name(error)}: x", ['a.x', 'b.x', 'b.r', 'a.r'])
                failure = engine.storage.get_execute_failures()['b']
                self.assertIs(error, failure.exception.__cause__)
                self.assertIn('in execute', failure.traceback_str)

    def test_in_a_revert(self):
        for kind in KINDS:
            odd = Traced('a', self.calls, None, raising(Odd()))
            engine = engines.load(
                linear_flow.Flow('f').add(odd, Traced('b', self.calls, raising(ValueError('b')))), engine=kind)
            self.assertRaises(exceptions.AtomInterrupted, engine.run)
            self.assertEqual('FAILURE', engine.storage.get_flow_state())

    def test_before_and_after_a_call(self):
        for name in ('pre_execute', 'post_execute', 'pre_revert', 'post_revert'):
            odd = Traced('a', self.calls)
            setattr(odd, name, raising(Odd()))
            engine = engines.load(linear_flow.Flow('f').add(odd, Traced('b', self.calls, raising(ValueError('b')))))
            # With a failed revert, that is what is raised.
            odd_alone = self.assertRaises((exceptions.AtomInterrupted, ValueError), engine.run)
            self.assertIsInstance(odd_alone, exceptions.AtomInterrupted)

    def test_in_a_retry(self):
        for kind in KINDS:
            for where, calls in (('execute', []), ('on_failure', ['a.x', 'a.r'])):
                failing = Traced('a', self.calls, raising(ValueError('a')))
                flow = linear_flow.Flow('f', retry=_Judge(where, Odd())).add(failing)
                self._interrupted(engines.load(flow, engine=kind), f"atom 'r' ended with {_name(Odd())}", calls)

    def test_in_a_decider(self):
        for kind in KINDS:
            a, b = Traced('a', self.calls), Traced('b', self.calls)
            flow = graph_flow.Flow('g').add(a, b)
            flow.link(a, b, decider=lambda history: raising(Odd())())
            self._interrupted(engines.load(flow, engine=kind), "atom 'b' ended with", ['a.x', 'a.r'])

    def test_a_retry_overcomes_it(self):
        errors = [Odd()]
        for kind in KINDS:
            errors[:] = [Odd()]
            flow = linear_flow.Flow('f', retry=retry.Times(2, 'r')).add(
                Traced('a', self.calls, lambda: raising(errors.pop())() if errors else None))
            engines.run(flow, engine=kind)

    def test_in_a_listener_of_an_engine_suspends(self):
        # No atom's doing: as a time-out around run.
        engine = engines.load(self.linear('a', 'b'))
        engine.atom_notifier.register('SUCCESS', lambda state, details: raising(Odd())())
        self.assertRaises(Odd, engine.run)
        self.assertEqual('SUSPENDED', engine.storage.get_flow_state())


class RefusalTest(EngineTestCase):
    def test_an_executor_that_takes_no_calls_leaves_the_flow_suspended(self):
        class Closed:
            def submit(self, *args: Any) -> None:
                raise RuntimeError('closed')

        engine = engines.load(self.linear('a'), engine='parallel', executor=Closed())
        self.assertRaises(exceptions.ExecutionFailure, engine.run)
        self.assertEqual('SUSPENDED', engine.storage.get_flow_state())


def _name(error: BaseException) -> str:
    return 'GeneratorExit' if isinstance(error, GeneratorExit) else f'{__name__}.Odd'
