# SPDX-License-Identifier: Apache-2.0
"""Plan and scheduler do what the rules say in flows of ten thousand nodes."""

from __future__ import annotations

import random

import testtools

from tests.property import runs
from tests.property.composite import Composite, random_composite

_NODES = 10_000


class CompositeTest(testtools.TestCase):
    def _check(self, barrier: bool, disturbances: tuple[str, ...] = ()) -> None:
        for seed in runs.seeds(1):
            rng = random.Random(seed)
            flow, leaves = random_composite(rng, _NODES)
            steps = {rng.randrange(20, 200): disturbance for disturbance in disturbances}
            number = iter(range(1 << 30))
            composite = Composite(flow, leaves, rng, barrier, lambda steps=steps, n=number: steps.get(next(n), ''))
            try:
                composite.play()
            except Exception as error:
                self.fail(f'seed {seed}, barrier {barrier}, {steps}: {error}')
            self.assertEqual(sorted(steps.values()), sorted(
                kind for kind, count in composite.disturbed.items() for _ in range(count)))
            self.assertGreater(len(composite.begun), len(leaves) // 8)

    def test_in_waves(self):
        self._check(barrier=True)

    def test_as_it_comes(self):
        self._check(barrier=False)

    def test_with_crashes_and_suspends(self):
        self._check(barrier=False, disturbances=('crash', 'suspend', 'crash', 'suspend', 'crash'))
