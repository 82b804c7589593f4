# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import fixtures
import testtools

from tests.unit.listeners import engines
from tfd import exceptions, states
from tfd.listeners import base, logging, timing
from tfd.types import failure as ft
from tfd.types import notifier


class _Stub:
    """As much of an engine as listeners know."""

    def __init__(self, atom_events: tuple[str, ...] = ()) -> None:
        self.notifier = notifier.Notifier()
        self.atom_notifier = notifier.RestrictedNotifier(atom_events) if atom_events else notifier.Notifier()


class _Dumper(base.DumpingListener):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.dumped: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def _dump(self, message: str, *args: Any, **kwargs: Any) -> None:
        self.dumped.append((message % args, args, kwargs))


class ListenerTest(testtools.TestCase):
    def test_hears_of_everything_by_default(self) -> None:
        engine = engines.failing()
        with engines.Recorder(engine) as listener:
            engines.run(engine)
        self.assertEqual([
            ('flow', states.RUNNING), ('r', states.RUNNING), ('r', states.SUCCESS), ('a', states.RUNNING),
            ('a', states.SUCCESS), ('b', states.RUNNING), ('b', states.FAILURE), ('b', states.REVERTING),
            ('b', states.REVERTED), ('a', states.REVERTING), ('a', states.REVERTED), ('r', states.REVERTING),
            ('r', states.REVERTED), ('flow', states.REVERTED),
        ], listener.told())

    def test_details_are_those_of_taskflow(self) -> None:
        engine = engines.failing()
        with engines.Recorder(engine) as listener:
            engines.run(engine)
        keys = {(name, state): set(details) for name, state, details in listener.heard}
        self.assertEqual({'engine', 'flow_name', 'flow_uuid', 'old_state'}, keys['flow', states.RUNNING])
        self.assertEqual({'task_name', 'task_uuid', 'old_state'}, keys['a', states.REVERTING])
        self.assertEqual({'task_name', 'task_uuid', 'old_state', 'result'}, keys['a', states.REVERTED])
        self.assertEqual({'retry_name', 'retry_uuid', 'old_state', 'result'}, keys['r', states.SUCCESS])

    def test_state_is_saved_before_it_is_told(self) -> None:
        engine = engines.succeeding()
        seen = []

        class _Look(base.Listener):
            def _task_receiver(self, state: str, details: dict[str, Any]) -> None:
                seen.append((state, engine.storage.get_atom_state('a')))

            def _flow_receiver(self, state: str, details: dict[str, Any]) -> None:
                seen.append((state, engine.storage.get_flow_state()))

        with _Look(engine):
            engine.run()
        self.assertEqual([(state, state) for state, _ in seen], seen)

    def test_hears_of_chosen_states_only(self) -> None:
        engine = engines.failing()
        with engines.Recorder(
            engine, task_listen_for=(states.FAILURE, states.FAILURE), flow_listen_for=states.REVERTED,
            retry_listen_for=None,
        ) as listener:
            engines.run(engine)
        self.assertEqual([('b', states.FAILURE), ('flow', states.REVERTED)], listener.told())

    def test_hears_of_states_chosen_for_tasks_and_retries_apart(self) -> None:
        engine = engines.failing()
        with engines.Recorder(
            engine, task_listen_for=(states.FAILURE, states.SUCCESS), flow_listen_for=None,
            retry_listen_for=(states.SUCCESS, states.REVERTED),
        ) as listener:
            engines.run(engine)
        self.assertEqual(
            [('r', states.SUCCESS), ('a', states.SUCCESS), ('b', states.FAILURE), ('r', states.REVERTED)],
            listener.told())
        self.assertEqual(0, len(engine.atom_notifier))

    def test_hears_nothing_of_what_is_neither_task_nor_retry(self) -> None:
        stub = _Stub()
        heard: list[str] = []

        class _Hears(base.Listener):
            def _task_receiver(self, state: str, details: dict[str, Any]) -> None:
                heard.append('task')

            def _retry_receiver(self, state: str, details: dict[str, Any]) -> None:
                heard.append('retry')

        with _Hears(stub):
            for details in ({'task_name': 't'}, {'retry_name': 'r'}, {'name': 'x'}):
                stub.atom_notifier.notify(states.SUCCESS, details)
        self.assertEqual(['task', 'retry'], heard)

    def test_hears_nothing_after_the_with_statement(self) -> None:
        engine = engines.succeeding()
        with engines.Recorder(engine) as listener:
            pass
        engine.run()
        self.assertEqual([], listener.told())
        self.assertEqual((0, 0), (len(engine.notifier), len(engine.atom_notifier)))

    def test_registering_twice_hears_once(self) -> None:
        engine = engines.succeeding()
        listener = engines.Recorder(engine)
        listener.register()
        listener.register()
        self.assertEqual((1, 1), (len(engine.notifier), len(engine.atom_notifier)))
        listener.deregister()
        listener.deregister()
        self.assertEqual((0, 0), (len(engine.notifier), len(engine.atom_notifier)))

    def test_leaves_other_listeners_where_they_are(self) -> None:
        engine = engines.succeeding()
        with engines.Recorder(engine) as outer:
            with engines.Recorder(engine):
                pass
            engine.run()
        self.assertEqual(4, len(outer.heard))

    def test_state_that_is_not_known_is_refused_and_nothing_registered(self) -> None:
        stub = _Stub(atom_events=(states.SUCCESS,))
        listener = base.Listener(stub, task_listen_for=(states.SUCCESS, 'ODD'))
        self.assertRaises(ValueError, listener.register)
        self.assertEqual((0, 0), (len(stub.notifier), len(stub.atom_notifier)))

    def test_what_is_no_engine_is_refused(self) -> None:
        for make in (base.Listener, logging.LoggingListener, timing.EventTimeListener, timing.DurationListener):
            error = self.assertRaises(TypeError, make, 5)
            self.assertEqual('engine must be an engine, not 5 (int): it has no notifier', str(error))

    def test_what_is_no_state_is_refused(self) -> None:
        for name in ('task_listen_for', 'retry_listen_for', 'flow_listen_for'):
            error = self.assertRaises(TypeError, base.Listener, _Stub(), **{name: 5})
            self.assertEqual(f'{name} must be states, not 5 (int)', str(error))

    def test_error_of_a_receiver_changes_nothing(self) -> None:
        class _Raise(base.Listener):
            def _task_receiver(self, state: str, details: dict[str, Any]) -> None:
                raise RuntimeError('listener')

        engine = engines.succeeding()
        self.useFixture(fixtures.FakeLogger())
        with _Raise(engine):
            engine.run()
        self.assertEqual(states.SUCCESS, engine.storage.get_flow_state())

    def test_error_in_the_with_statement_goes_through(self) -> None:
        engine = engines.succeeding()
        with testtools.ExpectedException(KeyError), base.Listener(engine):
            raise KeyError('body')
        self.assertEqual(0, len(engine.notifier))

    def test_error_of_deregister_is_logged_only(self) -> None:
        class _Stuck(base.Listener):
            def deregister(self) -> None:
                raise RuntimeError('stuck')

        log = self.useFixture(fixtures.FakeLogger())
        with _Stuck(engines.succeeding()):
            pass
        self.assertIn('could not be deregistered', log.output)

    def test_may_suspend_the_engine(self) -> None:
        class _Suspend(base.Listener):
            def _task_receiver(self, state: str, details: dict[str, Any]) -> None:
                engine.suspend()

        engine = engines.failing()
        with _Suspend(engine, task_listen_for=(states.SUCCESS,)):
            engines.run(engine)
        self.assertEqual(states.SUSPENDED, engine.storage.get_flow_state())
        self.assertRaises(exceptions.NotFound, engine.storage.get, 'b')


class DumpingListenerTest(testtools.TestCase):
    def _dumped(self, engine: Any) -> _Dumper:
        listener = _Dumper(engine)
        with listener:
            engines.run(engine)
        return listener

    def test_is_abstract(self) -> None:
        self.assertRaises(TypeError, base.DumpingListener, _Stub())

    def test_tells_of_flow_and_tasks_and_no_retries(self) -> None:
        listener = self._dumped(engines.failing())
        self.assertEqual({'f', 'a', 'b'}, {args[1] for _, args, _ in listener.dumped})

    def test_text_says_who_went_where(self) -> None:
        engine = engines.succeeding()
        listener = self._dumped(engine)
        message, args, kwargs = listener.dumped[0]
        uuid = engine.storage.flow_uuid
        self.assertEqual(f"{engine}: flow 'f' ({uuid}) is RUNNING now, it was PENDING", message)
        self.assertEqual((engine, 'f', uuid, states.RUNNING, states.PENDING), args)
        self.assertEqual({}, kwargs)

    def test_end_of_a_task_comes_with_its_result(self) -> None:
        listener = self._dumped(engines.succeeding())
        message, args, kwargs = listener.dumped[2]
        self.assertEqual((states.SUCCESS, states.RUNNING, 1, False), args[3:])
        self.assertIn('the result 1', message)
        self.assertEqual({'exc_info': None}, kwargs)

    def test_failure_comes_with_its_traceback(self) -> None:
        listener = self._dumped(engines.failing())
        (_, args, kwargs), = (one for one in listener.dumped if one[1][3] == states.FAILURE)
        failure = args[5]
        self.assertIsInstance(failure, ft.Failure)
        self.assertTrue(args[6])
        self.assertIs(failure.exception, kwargs['exc_info'][1])
