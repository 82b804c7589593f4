# SPDX-License-Identifier: Apache-2.0
"""Shows the jobs as they go: bars that are redrawn on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Protocol, TextIO

from demo_stage import board

__all__ = ['Bars', 'Lines', 'Screen', 'choose', 'table']

_BAR = 16
#: A bar, the name and the owner of a job, and the space to the next column.
_CELL = 58


class Screen(Protocol):
    """Where the show is seen."""

    def note(self, text: str) -> None:
        """Show a line that stays."""

    def show(self, views: Sequence[board.View]) -> None:
        """Show the jobs as they are now."""


def choose(plain: bool) -> Screen:
    """Return bars for a terminal that can redraw, lines for everything else."""
    capable = sys.stdout.isatty() and os.environ.get('TERM', 'dumb') != 'dumb'
    return Bars(sys.stdout) if capable and not plain else Lines(sys.stdout)


def table(rows: Sequence[tuple[str, str, str]]) -> str:
    """Return (what, expected, found) as aligned text."""
    width = max(len(what) for what, _, _ in rows)
    lines = [f'  {"":{width}}  expected  found']
    lines += [f'  {what:{width}}  {should:>8}  {is_:>5}' for what, should, is_ in rows]
    return '\n'.join(lines)


class Lines:
    """Prints a line when something has changed for a job."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._start = time.monotonic()
        self._seen: dict[str, str] = {}

    def note(self, text: str) -> None:
        """Print the line, with the seconds since the start."""
        print(f'{time.monotonic() - self._start:6.1f} s  {text}', file=self._out, flush=True)

    def show(self, views: Sequence[board.View]) -> None:
        """Print what is new."""
        for view in views:
            now = _what(view)
            if self._seen.get(view.name, 'waiting') != now:
                self._seen[view.name] = now
                self.note(f'{view.name:<18} {now}')


class Bars:
    """Draws a bar for each job, in place; notes scroll above them."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._start = time.monotonic()
        self._drawn: list[str] = []

    def note(self, text: str) -> None:
        """Show the line above the bars."""
        self._draw([f'{time.monotonic() - self._start:6.1f} s  {text}'], self._drawn)

    def show(self, views: Sequence[board.View]) -> None:
        """Draw the bars anew."""
        size = shutil.get_terminal_size()
        columns = max(1, math.ceil(len(views) / max(1, size.lines - 4)))
        height = math.ceil(len(views) / columns)
        cells = [_cell(view) for view in views]
        rows = ['  '.join(f'{cell:<{_CELL}}' for cell in cells[row::height])
                for row in range(height)]
        counts = Counter(view.outcome or view.state for view in views)
        rows.append('  '.join(f'{name} {count}' for name, count in sorted(counts.items())))
        self._draw([], [row[:size.columns - 1].rstrip() for row in rows])

    def _draw(self, notes: Sequence[str], rows: list[str]) -> None:
        """Replace what was drawn before, in one write, so that nothing flickers."""
        up = f'\x1b[{len(self._drawn)}F\x1b[J' if self._drawn else ''
        text = ''.join(f'{line}\n' for line in [*notes, *rows])
        self._out.write(up + text)
        self._out.flush()
        self._drawn = rows


def _cell(view: board.View) -> str:
    full = round(view.progress * _BAR)
    return f'{view.name:<16} [{"#" * full}{"." * (_BAR - full)}] {_what(view)}'


def _what(view: board.View) -> str:
    again = ' (taken over)' if view.claims > 1 else ''
    match view.state:
        case 'waiting':
            return 'waiting'
        case 'running':
            return f'runs on {view.daemon}{again}'
        case 'parked':
            return f'parked: {view.reason}'
    return f'{view.outcome}{again}'
