# SPDX-License-Identifier: Apache-2.0
"""The directive ``transitions``: a diagram and a table of one of the tables of tfd.states.

``.. transitions:: task`` draws what is in the code at the time of the build. Where each state stands is said here; a
state that has no place, or a place without a state, ends the build.
"""

from __future__ import annotations

import html
import math
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive

from tfd import states

__all__ = ['setup']

_COLUMN, _ROW = 190, 96
_WIDTH, _HEIGHT = 128, 34
_MARGIN = 40

_PLAIN = '#f3f6f9'
# What a reader looks for first: where it goes well, where it does not, and where it begins.
_FILLS = {
    'SUCCESS': '#dff0df', 'COMPLETE': '#dff0df', 'FAILURE': '#f8dcdc', 'REVERT_FAILURE': '#f8dcdc', 'PARKED': '#f8dcdc',
    'PENDING': '#fff8d8', 'UNCLAIMED': '#fff8d8',
}

# Columns and rows from the upper left.
_PLACES: dict[str, dict[str, tuple[float, float]]] = {
    'job': {'UNCLAIMED': (0, 0), 'CLAIMED': (1.5, 0), 'COMPLETE': (3, 0), 'PARKED': (1.5, 1.5)},
    'flow': {
        'PENDING': (0, 1.2), 'RUNNING': (1.5, 1.4), 'SUCCESS': (3, 0.1), 'REVERTED': (3, 1.8), 'FAILURE': (3, 2.7),
        'SUSPENDING': (1.5, 3.7), 'SUSPENDED': (0, 3.7), 'RESUMING': (0, 2.6),
    },
    'task': {
        'PENDING': (0, 1), 'RUNNING': (1.5, 0), 'SUCCESS': (3, 0), 'FAILURE': (3, 1), 'REVERTING': (1.5, 2),
        'REVERTED': (0, 2.6), 'REVERT_FAILURE': (3, 2.8), 'IGNORE': (0, 0),
    },
    'retry': {
        'PENDING': (0, 1), 'RUNNING': (1.5, 0), 'SUCCESS': (3, 0), 'FAILURE': (3, 2), 'REVERTING': (1.5, 3),
        'REVERTED': (0, 3.6), 'REVERT_FAILURE': (3, 3.8), 'IGNORE': (0, 0), 'RETRYING': (2.05, 1.15),
    },
}


def _table(kind: str) -> list[tuple[str, str]]:
    found: frozenset[tuple[str, str]] = getattr(states, f'_{kind.upper()}_TRANSITIONS')
    shown = {state for pair in found for state in pair}
    if shown != set(_PLACES[kind]):
        differ = sorted(shown ^ set(_PLACES[kind]))
        raise ValueError(f'transitions of a {kind}: places and states differ in {differ}')
    order = list(_PLACES[kind])
    return sorted(found, key=lambda pair: (order.index(pair[0]), order.index(pair[1])))


def _center(kind: str, state: str) -> tuple[float, float]:
    column, row = _PLACES[kind][state]
    return _MARGIN + _WIDTH / 2 + column * _COLUMN, _MARGIN + _HEIGHT / 2 + row * _ROW


def _border(at: tuple[float, float], toward: tuple[float, float]) -> tuple[float, float]:
    """Return where the line from the centre of a box towards a point leaves the box."""
    dx, dy = toward[0] - at[0], toward[1] - at[1]
    scale = min((_WIDTH / 2 + 3) / abs(dx) if dx else math.inf, (_HEIGHT / 2 + 3) / abs(dy) if dy else math.inf)
    return at[0] + dx * scale, at[1] + dy * scale


def _edge(kind: str, old: str, new: str) -> str:
    begin, end = _center(kind, old), _center(kind, new)
    if old == new:
        x, y = begin[0] + _WIDTH / 2 - 24, begin[1] - _HEIGHT / 2
        return f'M {x - 14} {y} C {x - 20} {y - 30}, {x + 20} {y - 30}, {x + 12} {y - 3}'
    dx, dy = end[0] - begin[0], end[1] - begin[1]
    length = math.hypot(dx, dy)
    # To the left of its own direction: the way there and the way back are two curves.
    bend = 0.09 * length + 8
    middle = (begin[0] + dx / 2 + dy / length * bend, begin[1] + dy / 2 - dx / length * bend)
    start, stop = _border(begin, middle), _border(end, middle)
    return f'M {start[0]:.1f} {start[1]:.1f} Q {middle[0]:.1f} {middle[1]:.1f} {stop[0]:.1f} {stop[1]:.1f}'


def _drawing(kind: str, table: list[tuple[str, str]]) -> str:
    width = 2 * _MARGIN + _WIDTH + _COLUMN * max(column for column, _ in _PLACES[kind].values())
    height = 2 * _MARGIN + _HEIGHT + _ROW * max(row for _, row in _PLACES[kind].values())
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" role="img"'
        f' style="max-width: 100%; height: auto" aria-label="Transitions of a {kind}; listed below.">',
        f'<defs><marker id="to-{kind}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7"'
        ' orient="auto"><path d="M 0 1 L 10 5 L 0 9 z" fill="#666"/></marker></defs>',
        *(f'<path d="{_edge(kind, *pair)}" fill="none" stroke="#666" stroke-width="1.3" marker-end="url(#to-{kind})">'
          f'<title>{html.escape(" to ".join(pair))}</title></path>' for pair in table),
    ]
    for state in _PLACES[kind]:
        x, y = _center(kind, state)
        lines.append(
            f'<rect x="{x - _WIDTH / 2}" y="{y - _HEIGHT / 2}" width="{_WIDTH}" height="{_HEIGHT}" rx="6"'
            f' fill="{_FILLS.get(state, _PLAIN)}" stroke="#345"/>'
            f'<text x="{x}" y="{y + 4}" text-anchor="middle" font-family="sans-serif" font-size="12">{state}</text>')
    return '\n'.join([*lines, '</svg>'])


def _as_text(table: list[tuple[str, str]]) -> nodes.Node:
    """Return a list: each state, and where it can go."""
    found: dict[str, list[str]] = {}
    for old, new in table:
        found.setdefault(old, []).append(new)
    items = nodes.bullet_list()
    for old, news in found.items():
        line = nodes.paragraph('', '', nodes.literal('', old), nodes.Text(' → '))
        for at, new in enumerate(news):
            line += [nodes.Text(', ')] * bool(at) + [nodes.literal('', new)]
        items += nodes.list_item('', line)
    return items


class _Transitions(Directive):
    """Draws the table of the kind that is its argument."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        kind = self.arguments[0]
        if kind not in _PLACES:
            raise self.error(f'no table of transitions is known for {kind!r}; there are {sorted(_PLACES)}')
        table = _table(kind)
        return [nodes.raw('', _drawing(kind, table), format='html'), _as_text(table)]


def setup(app: Any) -> dict[str, Any]:
    """Make the directive known to Sphinx."""
    app.add_directive('transitions', _Transitions)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
