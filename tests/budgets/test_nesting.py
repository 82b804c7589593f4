# SPDX-License-Identifier: Apache-2.0
"""Flows nest as deep as one likes: nothing recurses."""

from __future__ import annotations

from typing import Any

import testtools

from tests.budgets import flows
from tfd import engines, retry
from tfd.patterns import linear_flow
from tfd.persistence import memory

_DEPTH = 5000


class NestingTest(testtools.TestCase):
    def test_runs(self):
        engine = engines.load(flows.nested(_DEPTH))
        engine.run()
        self.assertEqual('SUCCESS', engine.storage.get_flow_state())

    def test_runs_in_parallel(self):
        engines.run(flows.nested(_DEPTH), engine='parallel', max_workers=2)

    def test_is_reverted(self):
        flow = linear_flow.Flow('outermost').add(flows.nested(_DEPTH), flows.Failing('last'))
        engine = engines.load(flow)
        self.assertRaisesRegex(ValueError, 'last', engine.run)
        self.assertEqual('REVERTED', engine.storage.get_atom_state('t0'))

    def test_is_retried(self):
        flow = linear_flow.Flow('outermost', retry=retry.Times(2, 'outer'))
        flow.add(flows.nested(_DEPTH), flows.Failing('last', 1))
        engines.run(flow)

    def test_a_question_goes_all_the_way_up(self):
        flow: Any = linear_flow.Flow('innermost', retry=retry.AlwaysRevert('r')).add(flows.Failing('last', 1))
        for number in range(_DEPTH):
            flow = linear_flow.Flow(f'f{number}', retry=retry.AlwaysRevert(f'r{number}')).add(flow)
        engines.run(linear_flow.Flow('outermost', retry=retry.Times(2, 'outer')).add(flow))

    def test_is_taken_up_by_another_engine(self):
        backend = memory.MemoryBackend()
        first = engines.load(flows.nested(_DEPTH), backend=backend)
        first.atom_notifier.register('SUCCESS', lambda state, details: first.suspend())
        first.run()
        detail = backend.get_connection().get_flow_details(first.storage.flow_uuid)
        second = engines.load(flows.nested(_DEPTH), flow_detail=detail, backend=backend)
        second.run()
        self.assertEqual('SUCCESS', second.storage.get_flow_state())
