# SPDX-License-Identifier: Apache-2.0
"""Measurements of logbooks as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ['as_text']

_HEAD = ('database', 'library', 'measured', 'median', 'lowest', 'highest')
_BARS = ('database', 'tfd', 'beside', 'found', 'bar', '')
_UNITS = {
    'serial': 'tasks/s, one flow', 'many': 'tasks/s, 32 flows', 'load': 's to load',
    'statements': 'statements to load'}
_NAMES = {'core': 'SQLAlchemy Core alone'}


def _number(value: float) -> str:
    return f'{value:,.0f}' if value >= 10 else f'{value:.2f}'


def as_text(report: Any, bars: Sequence[Any]) -> str:
    """Return the tables, and what has to be known to read them."""
    rows = [_HEAD]
    for (kind, library, figure), values in report.figures.items():
        rows.append((
            kind, library, _UNITS[figure], _number(report.median(kind, library, figure)), _number(min(values)),
            _number(max(values))))
    judged = [_BARS]
    for bar in bars:
        found = report.found(bar)
        if found is not None:
            limit = f'at least {bar.least:g}' if bar.least else f'at most {bar.most:g}'
            judged.append((
                bar.kind, _UNITS[bar.figure], _NAMES.get(bar.beside, bar.beside), f'{found:.2f}', limit,
                'missed' if report.missed(bar) else 'met'))
    lines = [
        'Flows of tasks that do nothing, each step on the disk when it is recorded. Of SQLAlchemy Core: transactions',
        'that update two rows as a step does, without a guard. Medians of the rounds; of a comparison, of its ratios.',
        '', *_table(rows), '', *_table(judged), '']
    lines += [f'{about["library"]} {about["version"]}, Python {about["python"]}' for about in report.about.values()]
    lines += [
        f'writing a page to the disk and syncing it, after {kind}: {seconds * 1e6:.0f} microseconds'
        for kind, seconds in report.syncs.items()]
    return '\n'.join(lines)


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = '  '.join('=' * width for width in widths)
    lines = ['  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [rule, lines[0], rule, *lines[1:], rule]
