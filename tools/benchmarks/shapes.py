# SPDX-License-Identifier: Apache-2.0
"""The flows that are measured, made of either library by the names that both have.

Each function returns a flow of so many tasks. How many calls of execute and revert running it makes is in
:data:`CALLS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

__all__ = ['CALLS', 'RETRIES', 'Library']

#: Of the graph: how many tasks have no path between them.
WIDTH = 10
#: How often the scope of the retried flow is retried.
RETRIES = 5
#: Fails at the end of flows that are to be reverted.
LAST = 'last'


class Library:
    """The parts of tfd or TaskFlow that flows are made of.

    :ivar inputs: what the flows need to be given.
    """

    inputs = {'value-0': 0}

    def __init__(self, name: str) -> None:
        self.name = name
        self.engines = self.module('engines')
        self._tasks = _task_classes(self.module('task').Task)
        self._patterns = {
            pattern: self.module(f'patterns.{pattern}_flow').Flow for pattern in ('linear', 'unordered', 'graph')}

    def module(self, name: str) -> Any:
        """Return a module of the library."""
        return importlib.import_module(f'{self.name}.{name}')

    def make(self, shape: str, count: int) -> Any:
        """Return a flow of a shape."""
        made: Any = getattr(self, f'_{shape}')(count)
        return made

    def _named(self, kind: str, count: int) -> list[Any]:
        cls = self._tasks[kind]
        return [cls(f'task-{number}') for number in range(count)]

    def _linear(self, count: int) -> Any:
        return self._patterns['linear']('linear').add(*self._named('nothing', count))

    def _unordered(self, count: int) -> Any:
        return self._patterns['unordered']('unordered').add(*self._named('nothing', count))

    def _results(self, count: int) -> Any:
        """Return a row of tasks each of which takes what the one before it gives."""
        cls = self._tasks['passes on']
        return self._patterns['linear']('results').add(*(
            cls(f'task-{number}', provides=f'value-{number + 1}', rebind={'value': f'value-{number}'})
            for number in range(count)))

    def _graph(self, count: int) -> Any:
        """Return rows of ten tasks, each of which has two parents in the row before its own."""
        tasks = self._named('nothing', count)
        flow = self._patterns['graph']('graph')
        flow.add(*tasks)
        for number in range(WIDTH, count):
            row, column = divmod(number, WIDTH)
            above = (row - 1) * WIDTH
            flow.link(tasks[above + column], tasks[number])
            flow.link(tasks[above + (column + 1) % WIDTH], tasks[number])
        return flow

    def _reverted(self, count: int) -> Any:
        """Return a row of tasks with a revert of their own; the last one fails."""
        return self._patterns['linear']('reverted').add(
            *self._named('undone', count - 1), self._tasks['fails'](LAST, 1 << 30))

    def _retried(self, count: int) -> Any:
        """Return the same with a retry; the last one fails until it has been retried so often."""
        retry = self.module('retry').Times(RETRIES + 1, 'retry')
        return self._patterns['linear']('retried', retry=retry).add(
            *self._named('undone', count - 1), self._tasks['fails'](LAST, RETRIES))

    def _deep(self, count: int) -> Any:
        """Return flows inside one another, with one task each."""
        flow = None
        for number in range(count):
            outer = self._patterns['linear'](f'flow-{number}')
            outer.add(self._tasks['nothing'](f'task-{number}'))
            flow = outer if flow is None else outer.add(flow)
        return flow

    def _beside(self, count: int) -> Any:
        """Return flows side by side, with one task each."""
        return self._patterns['unordered']('beside').add(*(
            self._patterns['linear'](f'flow-{number}').add(self._tasks['nothing'](f'task-{number}'))
            for number in range(count)))

    def _decided(self, count: int) -> Any:
        """Return a row of tasks with a decider on each link, which says yes."""
        tasks = self._named('nothing', count)
        flow = self._patterns['graph']('decided')
        flow.add(*tasks)
        for before, after in zip(tasks, tasks[1:], strict=False):
            flow.link(before, after, decider=_says_yes)
        return flow


def _says_yes(history: Any) -> bool:
    return True


def _task_classes(base: Any) -> dict[str, Any]:
    class Nothing(base):  # type: ignore[misc]
        """Does nothing."""

        def execute(self) -> None:
            pass

    class Undone(Nothing):
        """Does nothing, and undoes that."""

        def revert(self, **kwargs: Any) -> None:
            pass

    class PassesOn(base):  # type: ignore[misc]
        """Gives what it takes."""

        def execute(self, value: Any) -> Any:
            return value

    class Fails(base):  # type: ignore[misc]
        """Fails the first ``times`` times."""

        def __init__(self, name: str, times: int) -> None:
            super().__init__(name)
            self.times = times

        def execute(self) -> None:
            self.times -= 1
            if self.times >= 0:
                raise ValueError(self.name)

    return {'nothing': Nothing, 'undone': Undone, 'passes on': PassesOn, 'fails': Fails}


def _once(count: int) -> int:
    return count


#: How many calls of execute and revert the tasks of a flow get; retries are not counted.
CALLS: dict[str, Callable[[int], int]] = {
    'linear': _once, 'unordered': _once, 'results': _once, 'graph': _once, 'deep': _once, 'beside': _once,
    'decided': _once, 'reverted': lambda count: 2 * count,
    'retried': lambda count: count * (RETRIES + 1) + count * RETRIES,
}
