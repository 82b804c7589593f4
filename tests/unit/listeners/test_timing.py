# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
import time
from typing import Any
from unittest import mock

import fixtures
import testtools

from tests.unit.listeners import engines
from tfd import engines as loading
from tfd import exceptions
from tfd.listeners import timing
from tfd.patterns import linear_flow
from tfd.persistence import backends, models
from tfd.storage import Storage


class Clock:
    """A time that goes on by one second with each look."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        self.time += 1
        return self.time


class _TimingTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger('tfd.listeners', level=logging.WARNING))
        self.patch(timing.time, 'monotonic', Clock())
        self.patch(timing.time, 'time', Clock())

    def _meta(self, engine: Any) -> dict[str, Any]:
        details = {detail.name: detail.meta for detail in engine.storage._flowdetail}
        return {'flow': engine.storage.flow_meta, **details}


class DurationListenerTest(_TimingTest):
    def test_notes_how_long_things_took(self) -> None:
        engine = engines.succeeding()
        with timing.DurationListener(engine):
            engine.run()
        meta = self._meta(engine)
        self.assertGreater(meta['flow']['duration'], meta['a']['duration'])
        self.assertGreater(meta['a']['duration'], 0)

    def test_notes_the_latest(self) -> None:
        engine = engines.succeeding()
        listener = timing.DurationListener(engine)
        engine.prepare()
        listener._receiver('task', 'a', 'RUNNING')
        listener._receiver('task', 'a', 'SUCCESS')
        listener._receiver('task', 'a', 'REVERTING')
        timing.time.monotonic()
        listener._receiver('task', 'a', 'REVERTED')
        self.assertEqual(2.0, self._meta(engine)['a']['duration'])

    def test_durations_are_recorded(self) -> None:
        backend = backends.fetch('memory')
        self.addCleanup(backend.close)
        detail = models.FlowDetail('f')
        engine = loading.load(
            linear_flow.Flow('f').add(engines.Give('a')), flow_detail=detail, backend=backend)
        with timing.DurationListener(engine):
            engine.run()
        again = Storage(models.FlowDetail('f', detail.uuid), backend)
        again.ensure_atom(engines.Give('a'))
        meta = {found.name: found.meta for found in again._flowdetail}
        self.assertIn('duration', again.flow_meta)
        self.assertIn('duration', meta['a'])

    def test_warns_of_what_did_not_end(self) -> None:
        listener = timing.DurationListener(engines.succeeding())
        listener.register()
        listener._receiver('task', 'a', 'RUNNING')
        listener.deregister()
        self.assertIn("1 task(s) began and did not end while listened to: ['a']", self.log.output)
        self.assertNotIn('flow(s)', self.log.output)

    def test_what_became_pending_again_has_not_begun(self) -> None:
        listener = timing.DurationListener(engines.succeeding())
        listener._receiver('task', 'a', 'RUNNING')
        listener._receiver('task', 'a', 'PENDING')
        listener.deregister()
        self.assertEqual('', self.log.output)

    def test_a_duration_that_cannot_be_stored_is_logged(self) -> None:
        engine = engines.succeeding()
        refuse = mock.Mock(side_effect=exceptions.StorageFailure('no'))
        self.patch(Storage, 'update_atom_metadata', refuse)
        with timing.DurationListener(engine):
            engine.run()
        self.assertIn("could not be stored as the duration of task 'a'", self.log.output)


class PrintingDurationListenerTest(_TimingTest):
    def test_says_what_begins_and_how_long_it_took(self) -> None:
        said: list[str] = []
        engine = engines.succeeding()
        with timing.PrintingDurationListener(engine, said.append):
            engine.run()
        self.assertEqual(["flow 'f' began (RUNNING)", "task 'a' began (RUNNING)"], said[:2])
        self.assertRegex(said[2], r"^task 'a' ended in SUCCESS, it took \d+\.00 seconds$")
        self.assertEqual(4, len(said))

    def test_a_printer_that_is_none_is_refused(self) -> None:
        error = self.assertRaises(TypeError, timing.PrintingDurationListener, engines.succeeding(), 5)
        self.assertEqual('printer must be callable, 5 (int) is not', str(error))


class EventTimeListenerTest(_TimingTest):
    def test_notes_when_states_were_come_to(self) -> None:
        engine = engines.failing()
        with timing.EventTimeListener(engine):
            engines.run(engine)
        meta = self._meta(engine)
        self.assertEqual(
            {'RUNNING-timestamp', 'FAILURE-timestamp', 'REVERTING-timestamp', 'REVERTED-timestamp'},
            {key for key in meta['b'] if key.endswith('-timestamp')})
        self.assertLess(meta['flow']['RUNNING-timestamp'], meta['r']['RUNNING-timestamp'])
        self.assertLess(meta['b']['REVERTED-timestamp'], meta['flow']['REVERTED-timestamp'])
        self.assertGreater(time.time(), meta['flow']['REVERTED-timestamp'])

    def test_a_time_that_cannot_be_stored_is_logged(self) -> None:
        engine = engines.succeeding()
        self.patch(Storage, 'update_flow_metadata', mock.Mock(side_effect=exceptions.StorageFailure('no')))
        with timing.EventTimeListener(engine):
            engine.run()
        self.assertIn("when 'f' came to SUCCESS could not be stored", self.log.output)
