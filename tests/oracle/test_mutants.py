# SPDX-License-Identifier: Apache-2.0
"""The oracle finds what is wrong: with a rule of tfd's changed it tells so soon, and shows it in a small flow."""

from __future__ import annotations

import json
from typing import Any

import fixtures

from tests.oracle import cases, generator, oracle, wire
from tests.reference.shape import Shape
from tests.reference.spec import Spec
from tfd import deciders
from tfd.plan import model
from tfd.scheduler import judgement, machine, vocabulary
from tfd.storage import storage

_MOST_FLOWS = 300
_MOST_ATOMS = 5


class WireTest(cases.OracleCase):
    def test_a_spec_comes_back_as_it_was(self) -> None:
        for seed in range(50):
            spec = generator.spec(seed)
            self.assertEqual(spec, wire.decode(json.loads(json.dumps(wire.encode(spec)))))

    def test_an_unchanged_tfd_is_found_right(self) -> None:
        self.assertEqual([], _search(self.workers, 21).findings)


class MutantTest(cases.OracleCase):
    """Each test changes one rule."""

    def check(self, where: Any, name: str, mutant: Any) -> None:
        self.useFixture(fixtures.MonkeyPatch(f'{where.__module__}.{where.__qualname__}.{name}', mutant))
        found = _search(self.workers, _MOST_FLOWS)
        self.assertEqual(1, len(found.findings), f'not found in {found.flows} flows')
        finding = found.findings[0]
        self.assertTrue(finding.smallest_wrong, finding)
        self.assertLessEqual(len(Shape(finding.smallest.flow).atoms), _MOST_ATOMS, finding)

    def test_a_verdict_of_an_outer_retry_that_is_not_asked(self) -> None:
        plain = judgement.Judge._pass_up

        def stops(judge: Any, case: Any) -> None:
            plain(judge, case)
            case.scope = 0

        self.check(judgement.Judge, '_pass_up', stops)

    def test_a_depth_that_reaches_everything(self) -> None:
        plain = model.Plan.reach
        self.check(model.Plan, 'reach', lambda plan, target, depth: plain(plan, target, deciders.Depth.ALL))

    def test_siblings_of_a_failure_that_are_not_run(self) -> None:
        plain = machine.Scheduler._fill

        def stops(scheduler: Any) -> None:
            if any(scheduler.state[node] == vocabulary.Code.FAILURE for node in scheduler._done):
                scheduler._wave.clear()
            plain(scheduler)

        self.check(machine.Scheduler, '_fill', stops)

    def test_answers_that_are_kept_when_a_scope_runs_again(self) -> None:
        self.check(machine.Scheduler, 'forget_answers', lambda *unused: [])

    def test_a_history_without_the_failure(self) -> None:
        self.check(storage.Storage, 'blame', lambda *unused: None)


def _search(workers: Any, count: int) -> oracle.Report:
    def orders() -> Any:
        for seed in range(count):
            spec: Spec = generator.spec(seed)
            yield seed, spec, generator.kind_of(seed)

    return oracle.run(orders(), workers, most_findings=1)
