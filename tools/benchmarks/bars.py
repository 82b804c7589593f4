# SPDX-License-Identifier: Apache-2.0
"""The bars that tfd is held to, and how it stands to them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from benchmarks.samples import Case, Report

__all__ = ['FEW', 'MANY', 'Finding', 'findings', 'tfd_case']

FEW = 1000
MANY = 100_000


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One figure beside its bar.

    :ivar least: whether the bar is the least that it may be, not the most.
    """

    row: str
    what: str
    found: float
    bar: float
    unit: str
    least: bool = False

    @property
    def met(self) -> bool:
        """Whether the bar is met."""
        return self.found >= self.bar if self.least else self.found <= self.bar

    def __str__(self) -> str:
        allowed = 'at least' if self.least else 'at most'
        return f'{self.row}: {self.what}: {self.found:,.2f} {self.unit}, {allowed} {self.bar:,g} is asked for'


def tfd_case(shape: str, count: int, store: str = 'memory') -> Case:
    """Return a case of tfd."""
    return Case('tfd', shape, count, store)


def _flat(report: Report, shape: str) -> Iterator[Finding]:
    """Yield the findings of a shape at two sizes."""
    sizes = sorted(case.count for name, case in report.samples if name == shape)
    for count in sizes:
        case = tfd_case(shape, count)
        yield Finding(shape, f'a task among {count:,}', report.median(shape, case), 10.0, 'µs')
        yield Finding(shape, f'making one of {count:,}', report.median(shape, case, 'build'), 10.0, 'µs')
    yield Finding(
        shape, f'a task among {sizes[-1]:,}, of one among {sizes[0]:,}',
        report.ratio(shape, tfd_case(shape, sizes[-1]), tfd_case(shape, sizes[0])), 1.5, 'times')


def _reverted(report: Report, row: str) -> Iterator[Finding]:
    for name, case in report.samples:
        if name == row:
            # A call is half of it: forward and back.
            found = 2 * report.median(row, case)
            yield Finding(row, f'a task among {case.count:,}, forward and back', found, 15.0, 'µs')


def _beside_taskflow(least: float) -> Callable[[Report, str], Iterator[Finding]]:
    def judge(report: Report, row: str) -> Iterator[Finding]:
        ours, theirs = (case for name, case in report.samples if name == row)
        yield Finding(row, 'TaskFlow, of tfd', report.ratio(row, theirs, ours), least, 'times', least=True)
    return judge


def _of_plain(report: Report, row: str) -> Iterator[Finding]:
    """Yield what a call costs in terms of one of a plain flow that took the same turns."""
    plain, *others = (case for name, case in report.samples if name == row)
    for case in others:
        yield Finding(row, f'{case.shape}: a call, of a plain one', report.ratio(row, case, plain), 3.0, 'times')


def _memory(report: Report, row: str) -> Iterator[Finding]:
    for name, case in report.samples:
        if name == row:
            yield Finding(row, f'a task of {case.shape}', report.median(row, case, 'bytes'), 2048.0, 'bytes')


def _rate(least: float) -> Callable[[Report, str], Iterator[Finding]]:
    def judge(report: Report, row: str) -> Iterator[Finding]:
        ours, bare = (case for name, case in report.samples if name == row)
        yield Finding(row, 'rate, of the bare executor', report.ratio(row, bare, ours), least, 'times', least=True)
    return judge


def _green(report: Report, row: str) -> Iterator[Finding]:
    case, = (case for name, case in report.samples if name == row)
    yield Finding(row, f'{case.count:,} tasks', report.median(row, case) * case.count / 1e6, 1.0, 's')


def _listened(report: Report, row: str) -> Iterator[Finding]:
    plain, listened = (case for name, case in report.samples if name == row)
    yield Finding(row, 'a task, of one that nobody listens to', report.ratio(row, listened, plain), 2.0, 'times')


def _imported(report: Report, row: str) -> Iterator[Finding]:
    case, = (case for name, case in report.samples if name == row)
    over = [after - before for after, before in zip(
        report.every(row, case), report.every(row, case, 'bare'), strict=True)]
    yield Finding(row, 'over bare Python', sorted(over)[len(over) // 2] / 1e3, 20.0, 'ms')
    yield Finding(row, 'packages of others', float(len(report.others or ())), 0.0, '')


_JUDGES: dict[str, Callable[[Report, str], Iterator[Finding]]] = {
    'linear': _flat, 'unordered': _flat, 'results': _flat, 'graph': _flat, 'reverted': _reverted,
    'linear beside TaskFlow': _beside_taskflow(500.0), 'graph beside TaskFlow': _beside_taskflow(500.0),
    'sqlite': _beside_taskflow(10.0), 'structure': _of_plain, 'memory': _memory, 'threads': _rate(0.5),
    'processes': _rate(0.9), 'green': _green, 'listener': _listened, 'import': _imported,
}


def findings(report: Report) -> list[Finding]:
    """Return every figure that has a bar, in the order of the rows."""
    return [
        finding for row in report.rows if row in _JUDGES and row not in report.missing
        for finding in _JUDGES[row](report, row)]
