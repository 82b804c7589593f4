# SPDX-License-Identifier: Apache-2.0
"""Measurements as text and as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from benchmarks.engine import Case, Report

__all__ = ['as_json', 'as_text']

_HEAD = ('flow', 'tasks', 'store', 'library', 'build', 'run', 'lowest', 'highest', 'rounds', 'beside')


def _beside(report: Report, case: Case) -> str:
    """Return how tfd compares: with TaskFlow, or with itself at 1,000 tasks."""
    if case.library != 'tfd':
        return ''
    if case.alone:
        return f'{report.growth(case.shape, 1000, case.count):.2f}'
    return f'{report.times(case):,.1f}'


def _rows(report: Report) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [_HEAD]
    for case in report.samples:
        every = report.every(case)
        rows.append((
            case.shape, f'{case.count:,}', case.store, case.library, f'{report.median(case, "build"):.1f}',
            f'{report.median(case):.1f}', f'{min(every):.1f}', f'{max(every):.1f}', str(len(every)),
            _beside(report, case)))
    return rows


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = '  '.join('=' * width for width in widths)
    lines = ['  '.join(
        cell.ljust(width) if at in (0, 2, 3) else cell.rjust(width)
        for at, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip() for row in rows]
    return [rule, lines[0], rule, *lines[1:], rule]


def as_text(report: Report) -> str:
    """Return the table, and what has to be known to read it."""
    lines = [
        'Microseconds per task. build: making the tasks and the flow; run: from engines.load to the end of run.',
        'Medians; of run the lowest and highest too. beside: what TaskFlow takes in terms of what tfd takes, in the',
        'same turns; where tfd runs beside other sizes of a flow, what a task takes in terms of one among 1,000.',
        '',
        *_table(_rows(report)), '']
    for library, about in report.about.items():
        settings = ', '.join(f'{name} = {value}' for name, value in about['settings'].items())
        lines.append(f'{library} {about["version"]}, Python {about["python"]}; its default for SQLite: {settings}')
    lines.append(f'writing a page to the disk of the databases and syncing it: {report.sync * 1e6:.0f} microseconds')
    return '\n'.join(lines)


def as_json(report: Report, missed: Sequence[str]) -> str:
    """Return everything: seconds, by round."""
    def entry(case: Case) -> dict[str, object]:
        phases = {phase: [sample[phase] for sample in report.samples[case]] for phase in ('build', 'run')}
        return {**dataclasses.asdict(case), **phases}

    return json.dumps({
        'unit': 'seconds', 'libraries': report.about, 'sync': report.sync, 'missed': list(missed),
        'measurements': [entry(case) for case in report.samples]}, indent=2)
