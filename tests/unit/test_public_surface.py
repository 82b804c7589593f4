# SPDX-License-Identifier: Apache-2.0
"""What Octavia, Cinder, Glance and Masakari use of TaskFlow's names, in the ways in which they use it.

What is tested beside the module that it belongs to is not repeated.
"""

from __future__ import annotations

import logging
from concurrent import futures
from typing import Any
from unittest import mock

import fixtures
import testtools

from tfd import engines, exceptions, formatters, retry, states, task
from tfd.listeners import base
from tfd.listeners import logging as listeners
from tfd.patterns import linear_flow, unordered_flow
from tfd.persistence import backends, models, path_based
from tfd.types import failure


class _Add(task.Task):
    default_provides = 'total'

    def execute(self, one: int, two: int) -> int:
        return one + two


class _Fail(task.Task):
    def execute(self) -> None:
        raise OSError('no such thing')


class _Patient(retry.Times):
    """Decides by the private names of Times, and tells what it saw."""

    def __init__(self, attempts: int = 1, name: str | None = None, revert_all: bool = False, interval: int = 1) -> None:
        super().__init__(attempts, name, revert_all=revert_all)
        self.interval = interval
        self.seen: list[Any] = []

    def on_failure(self, history: Any, *args: Any, **kwargs: Any) -> Any:
        self.seen += [(name, str(fault.exception)) for name, fault in history[-1][1].items()]
        return retry.RETRY if len(history) < self._attempts else self._revert_action

    def revert(self, history: Any, *args: Any, **kwargs: Any) -> None:
        self.seen.append(len(history))


class EnginesTest(testtools.TestCase):
    def test_load_takes_what_services_pass(self) -> None:
        with futures.ThreadPoolExecutor(1) as pool:
            for kind in ('serial', 'parallel'):
                flow = linear_flow.Flow('f').add(_Add('add'))
                engine = engines.load(
                    flow, engine=kind, executor=pool, never_resolve=False, max_workers=2, store={'one': 1, 'two': 2})
                engine.compile()
                engine.prepare()
                engine.run()
                self.assertEqual(3, engine.storage.fetch('total'))
                self.assertEqual({'one': 1, 'two': 2, 'total': 3}, engine.storage.fetch_all())
            # It is the caller's, and open as before.
            self.assertEqual(5, pool.submit(lambda: 5).result())

    def test_a_book_and_a_flow_detail_are_taken_up(self) -> None:
        backend = backends.fetch({'connection': 'memory'})
        self.addCleanup(backend.close)
        book, detail = models.LogBook('b'), models.FlowDetail('f')
        book.add(detail)
        backend.get_connection().save_logbook(book)
        engine = engines.load(
            linear_flow.Flow('f').add(_Add('add')), store={'one': 1, 'two': 2}, backend=backend, book=book,
            flow_detail=detail)
        engine.run()
        (stored,) = backend.get_connection().get_flows_for_book(book.uuid)
        self.assertEqual((detail.uuid, states.SUCCESS), (stored.uuid, stored.state))
        backend.get_connection().destroy_logbook(book.uuid)
        self.assertRaises(exceptions.NotFound, backend.get_connection().get_logbook, book.uuid)

    def test_run_can_be_replaced_at_its_deep_path(self) -> None:
        for kind in ('serial', 'parallel'):
            with mock.patch('tfd.engines.action_engine.engine.ActionEngine.run') as replaced:
                engines.load(linear_flow.Flow('f').add(_Fail('fail')), engine=kind).run()
            replaced.assert_called_once_with()

    def test_logbooks_can_be_replaced_at_their_deep_path(self) -> None:
        connection = backends.fetch('memory').get_connection()
        with mock.patch.object(path_based.PathBasedConnection, 'get_flows_for_book', return_value=['f']):
            self.assertEqual(['f'], connection.get_flows_for_book('some book'))

    def test_progress_is_found_in_the_details(self) -> None:
        class Telling(task.Task):
            def execute(self) -> None:
                self._notifier.notify(task.EVENT_UPDATE_PROGRESS, {'progress': 0.5, 'progress_details': ['half way']})

        backend = backends.fetch('memory://')
        self.addCleanup(backend.close)
        engine = engines.load(linear_flow.Flow('f').add(Telling('tell')), backend=backend)
        engine.run()
        (atom,) = backend.get_connection().get_atoms_for_flow(engine.storage.flow_uuid)
        self.assertEqual(1.0, atom.meta['progress'])
        self.assertEqual({'progress_details': ['half way']}, atom.meta['progress_details']['details'])


class RetriesTest(testtools.TestCase):
    def test_times_can_be_decided_by_its_private_names(self) -> None:
        patient = _Patient(2, name='retry-f')
        flow = linear_flow.Flow('f', retry=patient).add(_Fail('fail'))
        self.assertRaises(OSError, engines.run, flow)
        self.assertEqual([('fail', 'no such thing'), ('fail', 'no such thing'), 2], patient.seen)

    def test_times_reverts_everything_where_it_is_told_to(self) -> None:
        reverted = []

        class Note(task.Task):
            def execute(self) -> str:
                return 'done'

            def revert(self, result: Any, flow_failures: Any, **kwargs: Any) -> None:
                reverted.append((result, sorted(flow_failures)))

        inner = linear_flow.Flow('inner', retry=_Patient(1, revert_all=True)).add(_Fail('fail'))
        self.assertRaises(OSError, engines.run, linear_flow.Flow('outer').add(Note('note'), inner))
        self.assertEqual([('done', ['fail'])], reverted)

    def test_decisions_are_words(self) -> None:
        self.assertEqual(('RETRY', 'REVERT', 'REVERT_ALL'), (retry.RETRY, retry.REVERT, retry.REVERT_ALL))
        self.assertEqual('RETRY', str(retry.RETRY))
        self.assertEqual(retry.REVERT_ALL, retry.AlwaysRevertAll().on_failure())
        self.assertEqual(retry.REVERT, retry.AlwaysRevert().on_failure())


class FlowsTest(testtools.TestCase):
    def test_flows_tell_what_they_require_and_provide(self) -> None:
        inner = unordered_flow.Flow('inner').add(_Add('add'))
        flow = linear_flow.Flow('outer').add(inner)
        self.assertEqual(
            ('outer', {'one', 'two'}, {'total'}), (flow.name, set(flow.requires), set(flow.provides)))
        self.assertEqual(1, len(flow))


class FailureTest(testtools.TestCase):
    def test_what_services_read_of_it(self) -> None:
        try:
            raise OSError('no such thing')
        except OSError as error:
            made = failure.Failure.from_exception(error)
        self.assertEqual((OSError, made.exception), made._exc_info[:2])
        self.assertIs(OSError, made.check(KeyError, OSError))
        self.assertIn('OSError: no such thing', made.pformat())
        self.assertRaises(OSError, made.reraise)


class ListenersTest(testtools.TestCase):
    def test_each_receiver_hears_its_kind(self) -> None:
        heard = []

        class Hearing(base.Listener):
            def __init__(self, engine: Any, task_listen_for: Any = base.DEFAULT_LISTEN_FOR,
                         flow_listen_for: Any = base.DEFAULT_LISTEN_FOR,
                         retry_listen_for: Any = base.DEFAULT_LISTEN_FOR) -> None:
                super().__init__(engine, task_listen_for=task_listen_for, flow_listen_for=flow_listen_for,
                                 retry_listen_for=retry_listen_for)

            def _task_receiver(self, state: str, details: Any) -> None:
                heard.append((details['task_name'], state, details.get('result')))

            def _flow_receiver(self, state: str, details: Any) -> None:
                heard.append((details['flow_name'], state, None))

            def _retry_receiver(self, state: str, details: Any) -> None:
                heard.append((details['retry_name'], state, details.get('result')))

        flow = linear_flow.Flow('f', retry=retry.Times(1, name='r')).add(_Add('add'))
        engine = engines.load(flow, store={'one': 1, 'two': 2})
        with Hearing(engine):
            engine.run()
        self.assertEqual([
            ('f', 'RUNNING', None), ('r', 'RUNNING', None), ('r', 'SUCCESS', 1), ('add', 'RUNNING', None),
            ('add', 'SUCCESS', 3), ('f', 'SUCCESS', None)], heard)

    def test_dynamic_logging_takes_what_services_pass(self) -> None:
        log = self.useFixture(fixtures.FakeLogger('mine', level=logging.DEBUG))

        class Formatter(formatters.FailureFormatter):
            def __init__(self, engine: Any) -> None:
                super().__init__(engine)
                self.asked = 0

            def format(self, fail: Any, atom_matcher: Any) -> Any:
                self.asked += 1
                return (None, ' in words of its own')

        engine = engines.load(linear_flow.Flow('f').add(_Fail('fail')))
        formatter = Formatter(engine)
        with listeners.DynamicLoggingListener(
            engine, task_listen_for=base.DEFAULT_LISTEN_FOR, flow_listen_for=base.DEFAULT_LISTEN_FOR,
            retry_listen_for=base.DEFAULT_LISTEN_FOR, log=logging.getLogger('mine'), fail_formatter=formatter,
            mask_inputs_keys=('secret',), mask_outputs_keys=('secret',),
        ):
            self.assertRaises(OSError, engine.run)
        self.assertEqual(1, formatter.asked)
        self.assertIn('in words of its own', log.output)
