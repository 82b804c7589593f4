# SPDX-License-Identifier: Apache-2.0
"""Measurements as text and as JSON."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence

from benchmarks.bars import Finding
from benchmarks.samples import Case, Report, Row

__all__ = ['as_json', 'as_text', 'table']

_HEAD = ('row', 'flow', 'tasks', 'library', 'clock', 'build', 'run', 'lowest', 'highest', 'rounds')
_JUDGED = ('row', 'what', 'found', 'bar', '', 'met')
#: Columns of words, which begin at the left.
_WORDS = frozenset(('row', 'flow', 'library', 'clock', 'what', '', 'met'))


def _measured(report: Report, row: Row, case: Case) -> tuple[str, ...]:
    sample = report.samples[row.name, case][0]
    phase = 'bytes' if 'bytes' in sample else 'run'
    every = report.every(row.name, case, phase)
    has_build = report.phase(row.name, 'build') in sample
    build = f'{report.median(row.name, case, "build"):,.1f}' if has_build else ''
    return (
        row.name, case.shape, f'{case.count:,}', case.library, 'bytes' if phase == 'bytes' else row.clock, build,
        f'{report.median(row.name, case, phase):,.1f}', f'{min(every):,.1f}', f'{max(every):,.1f}', str(len(every)))


def _judged(finding: Finding) -> tuple[str, ...]:
    sign = '≥' if finding.least else '≤'
    return (finding.row, finding.what, f'{finding.found:,.2f}', f'{sign} {finding.bar:,g}', finding.unit,
            'yes' if finding.met else 'NO')


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table, the first of whose rows is its head; reStructuredText takes it as one."""
    widths = [max(map(len, column)) or 1 for column in zip(*rows, strict=True)]
    rule = '  '.join('=' * width for width in widths)
    lines = ['  '.join(
        cell.ljust(width) if head in _WORDS else cell.rjust(width)
        for head, cell, width in zip(rows[0], row, widths, strict=True)).rstrip() for row in rows]
    return [rule, lines[0], rule, *lines[1:], rule]


def as_text(report: Report, found: Sequence[Finding]) -> str:
    """Return the tables, and what has to be known to read them."""
    load = ', '.join(f'{value:.1f}' for value in os.getloadavg())
    lines = [
        'Microseconds per call of a task (bytes per task in the row of memory). build: making the tasks and the flow,',
        'per task; run: from engines.load to the end of run; garbage collector on. Cases of a row take turns. cpu: the',
        "time of the process itself, which others on the machine do not add to, but slow down; wall: the clock's.",
        'Medians; of run the lowest and highest too.',
        '',
        *table([_HEAD, *(_measured(report, row, case) for row, case in report.cases())]), '',
        'How that stands to the bars; what is in terms of another is the median of the rounds, each taken by itself.',
        '',
        *table([_JUDGED, *map(_judged, found)]), '']
    lines += [f'not installed, for {row}: {why}' for row, why in report.missing.items()]
    for library, about in report.about.items():
        settings = ', '.join(f'{name} = {value}' for name, value in about['settings'].items())
        known = f'; its default for SQLite: {settings}' if settings else ''
        lines.append(f'{library} {about["version"]}, Python {about["python"]}{known}')
    lines.append(f'processors: {os.cpu_count()}; load at the end: {load}; writing a page to the disk of the databases'
                 f' and syncing it: {report.sync * 1e6:.0f} microseconds')
    return '\n'.join(lines)


def as_json(report: Report, found: Sequence[Finding]) -> str:
    """Return everything: seconds, or bytes, by round."""
    return json.dumps({
        'unit': 'seconds', 'libraries': report.about, 'sync': report.sync, 'missing': report.missing,
        'findings': [{**dataclasses.asdict(finding), 'met': finding.met} for finding in found],
        'measurements': [
            {'row': row.name, **dataclasses.asdict(case), 'rounds': list(report.samples[row.name, case])}
            for row, case in report.cases()]}, indent=2)
