# SPDX-License-Identifier: Apache-2.0
"""TaskFlow and tfd do the same with the same random flows, or differ as a decision of tfd's says.

TFD_PROPERTY_RUNS is the number of flows, or, as x5, how many times as many; TFD_PROPERTY_SEED is the first seed.
"""

from __future__ import annotations

from testtools import content

from tests.oracle import cases, generator, oracle, report
from tests.property import runs


class OracleTest(cases.OracleCase):
    def test_taskflow_and_tfd_agree(self) -> None:
        seeds = runs.seeds(2000)
        found = oracle.run(
            ((seed, generator.spec(seed), generator.kind_of(seed)) for seed in seeds), self.workers)
        text = f'seeds {seeds[0]} to {seeds[-1]}\n{report.as_text(found)}'
        print(text)
        self.addDetail('report', content.text_content(text))
        self.assertEqual(([], len(seeds)), ([finding.seed for finding in found.findings], found.flows), text)
