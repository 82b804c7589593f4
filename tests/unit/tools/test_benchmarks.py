# SPDX-License-Identifier: Apache-2.0
"""What the benchmark makes of its measurements: figures per task, bars, tables."""

from __future__ import annotations

import json
import pathlib
import sys
from typing import Any

import testtools

_TOOLS = str(pathlib.Path(__file__).parents[3] / 'tools')


def _benchmarks() -> Any:
    """Import the package, which is not installed."""
    sys.path.insert(0, _TOOLS)
    try:
        from benchmarks import bars, engine, report, samples
    finally:
        sys.path.remove(_TOOLS)
    return bars, engine, report, samples


bars, engine, report, samples = _benchmarks()

FEW = bars.tfd_case('linear', 1000)
MANY = bars.tfd_case('linear', 100_000)


def _seconds(run: float, build: float = 0.001) -> dict[str, float]:
    return {'run': 9.0, 'run_cpu': run, 'build': 9.0, 'build_cpu': build}


def _report(name: str, found: dict[Any, list[dict[str, float]]], clock: str = 'cpu', **kwargs: Any) -> Any:
    row = samples.Row(name, tuple(found), 3, clock)
    return samples.Report({name: row}, {(name, case): rounds for case, rounds in found.items()}, **kwargs)


class SamplesTest(testtools.TestCase):
    def test_a_figure_is_the_median_per_call(self):
        made = _report('linear', {FEW: [_seconds(0.003), _seconds(0.001), _seconds(0.002)]})
        self.assertEqual(2.0, made.median('linear', FEW))

    def test_a_retried_flow_counts_its_executes_and_reverts(self):
        case = bars.tfd_case('retried', 1000)
        self.assertEqual(6 * 1000 + 5 * 1000, case.calls)

    def test_building_counts_per_task(self):
        case = bars.tfd_case('reverted', 1000)
        made = _report('reverted', {case: [_seconds(0.004, 0.002)]})
        self.assertEqual((2.0, 2.0), (made.median('reverted', case), made.median('reverted', case, 'build')))

    def test_a_ratio_compares_round_with_round(self):
        made = _report('r', {FEW: [_seconds(1.0), _seconds(100.0)], MANY: [_seconds(200.0), _seconds(20_000.0)]})
        self.assertEqual(2.0, made.ratio('r', MANY, FEW))

    def test_the_clock_is_the_rows(self):
        made = _report('threads', {FEW: [_seconds(0.001)]}, 'wall')
        self.assertEqual(9000.0, made.median('threads', FEW))


class BarsTest(testtools.TestCase):
    def _found(self, *args: Any, **kwargs: Any) -> dict[str, bool]:
        return {finding.what: finding.met for finding in bars.findings(_report(*args, **kwargs))}

    def test_a_shape_is_judged_at_both_sizes_and_by_its_growth(self):
        found = self._found('linear', {FEW: [_seconds(0.009)], MANY: [_seconds(1.4, 1.1)]})
        self.assertEqual({
            'a task among 1,000': True, 'making one of 1,000': True, 'a task among 100,000': False,
            'making one of 100,000': False, 'a task among 100,000, of one among 1,000': False}, found)

    def test_taskflow_is_compared(self):
        theirs = samples.Case('taskflow', 'linear', 1000)
        for times, met in ((499, False), (501, True)):
            found = self._found('linear beside TaskFlow', {FEW: [_seconds(0.01)], theirs: [_seconds(0.01 * times)]})
            self.assertEqual({'TaskFlow, of tfd': met}, found)

    def test_structure_is_judged_by_the_plain_flow(self):
        retried = bars.tfd_case('retried', 1000)
        found = self._found('structure', {FEW: [_seconds(0.001)], retried: [_seconds(0.034)]})
        self.assertEqual({'retried: a call, of a plain one': False}, found)

    def test_a_rate_is_judged_by_the_bare_executor(self):
        ours, other = bars.tfd_case('threads', 10), samples.Case('bare', 'threads', 10)
        for run, met in ((1.9, True), (2.1, False)):
            found = self._found('threads', {ours: [{'run': run}], other: [{'run': 1.0}]}, 'wall')
            self.assertEqual({'rate, of the bare executor': met}, found)

    def test_an_import_is_judged_by_time_and_by_packages(self):
        case = bars.tfd_case('import', 1)
        found = self._found('import', {case: [{'run_cpu': 0.05, 'bare_cpu': 0.04}]}, others=['yaml'])
        self.assertEqual({'over bare Python': True, 'packages of others': False}, found)

    def test_a_row_that_lacks_something_is_not_judged(self):
        self.assertEqual({}, self._found('green', {}, missing={'green': 'no eventlet'}))

    def test_every_bar_has_a_row(self):
        self.assertEqual(set(), set(bars._JUDGES) - set(engine.ROWS))

    def test_a_finding_says_what_is_asked_for(self):
        finding = bars.Finding('threads', 'rate', 0.4, 0.5, 'times', least=True)
        self.assertEqual('threads: rate: 0.40 times, at least 0.5 is asked for', str(finding))


class ReportTest(testtools.TestCase):
    def test_a_table_lines_up(self):
        self.assertEqual(
            ['===  ====', 'row   bar', '===  ====', 'a       1', 'bcd  2345', '===  ===='],
            report.table([('row', 'bar'), ('a', '1'), ('bcd', '2345')]))

    def test_the_text_has_every_case_and_finding(self):
        made = _report('linear', {FEW: [_seconds(0.002)], MANY: [_seconds(0.5)]}, missing={'green': 'no eventlet'})
        text = report.as_text(made, bars.findings(made))
        for part in ('linear  linear    1,000', '5.0', 'a task among 100,000', 'not installed, for green: no eventlet'):
            self.assertIn(part, text)

    def test_json_has_every_round(self):
        made = _report('linear', {FEW: [_seconds(0.002)], MANY: [_seconds(0.5)]})
        parsed = json.loads(report.as_json(made, bars.findings(made)))
        self.assertEqual([[_seconds(0.002)], [_seconds(0.5)]], [one['rounds'] for one in parsed['measurements']])
