# SPDX-License-Identifier: Apache-2.0
"""What a job costs on a board of nodes: raw writes, tfd and TaskFlow in turn, on one ZooKeeper.

Called by tools/bench, which makes the environments and explains the options.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.report import table
from benchmarks.subject import Subject
from tests.functional.servers.zookeeper import ZooKeeper

__all__ = ['Finding', 'Report', 'main']

_WORKER = pathlib.Path(__file__).with_name('board_worker.py')
_SIZES, _QUICK_SIZES = (1000, 10_000, 100_000), (1000, 10_000)
_ROUNDS, _QUICK_ROUNDS = 5, 2
_CYCLES, _SLOW = 300, 10
_TASKFLOW = 3000

#: Library, size of the board, and what was measured.
Case = tuple[str, int, str]
_KAZOO: Case = ('kazoo', 0, 'cycle')
_WORDS = {'cycle': 'post, claim, consume', 'found': 'post; claim and consume the first'}


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One figure beside its bar.

    :ivar least: whether the bar is the least that it may be, not the most.
    """

    what: str
    found: float
    bar: float
    least: bool = True

    @property
    def met(self) -> bool:
        """Whether the bar is met."""
        return self.found >= self.bar if self.least else self.found <= self.bar


@dataclasses.dataclass(slots=True)
class Report:
    """Rates by case: one per round."""

    rates: dict[Case, list[float]] = dataclasses.field(default_factory=dict)
    about: dict[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)

    def ratio(self, one: Case, other: Case) -> float:
        """Return the median, over the rounds, of what one does in terms of another."""
        return statistics.median(
            mine / theirs for mine, theirs in zip(self.rates[one], self.rates[other], strict=True))

    def findings(self) -> Iterator[Finding]:
        """Yield how tfd stands to its bars."""
        taskflow: Case = ('taskflow', _TASKFLOW, 'cycle')
        ours = sorted(case for case in self.rates if case[0] == 'tfd' and case[2] == 'cycle')
        for case in ours:
            yield Finding(f'{case[1]:,} waiting: of three raw writes', self.ratio(case, _KAZOO), 0.6)
        for case in ours:
            yield Finding(f'{case[1]:,} waiting: of TaskFlow at {_TASKFLOW:,}', self.ratio(case, taskflow), 8.0)
        rates = [statistics.median(self.rates[case]) for case in ours]
        yield Finding('the fastest size, of the slowest', max(rates) / min(rates), 1.5, least=False)


def measure(report: Report, pythons: Mapping[str, str], sizes: Sequence[int], rounds: int, sync: bool) -> None:
    """Measure all libraries in turn, round by round."""
    # TaskFlow asks for the version by a four-letter word; tfd needs none.
    server = ZooKeeper(tick_time=2.0, fsync=sync, settings={'4lw.commands.whitelist': 'srvr,envi'})
    with contextlib.ExitStack() as stack:
        stack.callback(server.destroy)
        server.start()
        subjects: dict[Case, tuple[Subject, int]] = {}
        boards = [('kazoo', 0), *(('tfd', size) for size in sizes), ('taskflow', _TASKFLOW)]
        for library, size in boards:
            python = pythons['taskflow' if library == 'taskflow' else 'tfd']
            subject = stack.enter_context(Subject(library, [python, str(_WORKER), library, server.hosts]))
            report.about[library] = subject.about
            if size:
                subject.measure(f'fill {size}')
            cycles = _SLOW if library == 'taskflow' else _CYCLES
            for figure in _WORDS if library == 'tfd' else ('cycle',):
                subjects[library, size, figure] = subject, cycles
        for _ in range(rounds):
            for case, (subject, cycles) in subjects.items():
                report.rates.setdefault(case, []).append(subject.measure(f'{case[2]} {cycles}')['rate'])


def _as_text(report: Report, found: Sequence[Finding], sync: bool) -> str:
    rows = [('library', 'waiting', 'measured', 'jobs/s', 'lowest', 'highest')]
    for (library, size, figure), rates in report.rates.items():
        what = 'create, set, delete' if library == 'kazoo' else _WORDS[figure]
        rows.append((
            library, f'{size:,}' if size else '', what, f'{statistics.median(rates):,.0f}', f'{min(rates):,.0f}',
            f'{max(rates):,.0f}'))
    judged = [('what', 'found', 'bar', 'met')]
    judged += [
        (one.what, f'{one.found:.2f}', f'{"≥" if one.least else "≤"} {one.bar:g}', 'yes' if one.met else 'NO')
        for one in found]
    waits = 'waits for the disk' if sync else 'does not wait for the disk'
    load = ', '.join(f'{value:.1f}' for value in os.getloadavg())
    return '\n'.join([
        f'One job at a time, on one ZooKeeper that {waits}. Medians of the rounds; of a comparison, of its ratios.', '',
        *table(rows), '', 'How a job that is posted, claimed and consumed stands to its bars.', '', *table(judged), '',
        *(f'{library} {about["version"]}, Python {about["python"]}' for library, about in report.about.items()),
        f'processors: {os.cpu_count()}; load at the end: {load}'])


def _as_json(report: Report, found: Sequence[Finding]) -> str:
    return json.dumps({
        'libraries': report.about, 'findings': [{**dataclasses.asdict(one), 'met': one.met} for one in found],
        'measurements': [
            {'library': library, 'waiting': size, 'figure': figure, 'rates': rates}
            for (library, size, figure), rates in report.rates.items()]}, indent=2)


def main() -> int:
    """Measure, print, and judge where asked to."""
    parser = argparse.ArgumentParser(prog='tools/bench board')
    for name in ('tfd', 'taskflow'):
        parser.add_argument(f'--{name}', required=True, help=f'the Python that has {name}')
    for flag in ('--check', '--quick', '--no-sync', '--json'):
        parser.add_argument(flag, action='store_true')
    args = parser.parse_args()
    report, sync = Report(), not args.no_sync
    measure(
        report, {'tfd': args.tfd, 'taskflow': args.taskflow}, _QUICK_SIZES if args.quick else _SIZES,
        _QUICK_ROUNDS if args.quick else _ROUNDS, sync)
    found = list(report.findings())
    print(_as_json(report, found) if args.json else _as_text(report, found, sync))
    return 1 if args.check and not all(one.met for one in found) else 0


if __name__ == '__main__':
    sys.exit(main())
