# SPDX-License-Identifier: Apache-2.0
"""Flows of a given size, for counting."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from tfd import retry, task
from tfd.patterns import graph_flow, linear_flow, unordered_flow

__all__ = [
    'SHAPES', 'Failing', 'Plain', 'beside', 'decided', 'linear', 'named_apart', 'nested', 'no_answer', 'retried',
    'reverted', 'wide_graph',
]


class Plain(task.Task):
    def execute(self) -> None:
        """Do nothing."""

    def revert(self, **kwargs: Any) -> None:
        """Undo nothing."""


class Failing(task.Task):
    """Fails the first ``times`` times."""

    def __init__(self, name: str, times: int = 1 << 30) -> None:
        super().__init__(name)
        self.times = times

    def execute(self) -> None:
        self.times -= 1
        if self.times >= 0:
            raise ValueError(self.name)


def linear(count: int) -> Any:
    return linear_flow.Flow('linear').add(*(Plain(f't{number}') for number in range(count)))


def unordered(count: int) -> Any:
    return unordered_flow.Flow('unordered').add(*(Plain(f't{number}') for number in range(count)))


def decided(count: int) -> Any:
    """Return a row of tasks with a decider on each link, which says yes."""
    tasks = [Plain(f't{number}') for number in range(count)]
    flow = graph_flow.Flow('decided').add(*tasks)
    for before, after in itertools.pairwise(tasks):
        flow.link(before, after, decider=lambda history: True)
    return flow


def beside(count: int) -> Any:
    """Return flows side by side, with one task each."""
    return unordered_flow.Flow('beside').add(*(
        linear_flow.Flow(f'f{number}').add(Plain(f't{number}')) for number in range(count)))


def wide_graph(count: int) -> Any:
    """Return layers of ten tasks, each linked to all of the next layer."""
    flow = graph_flow.Flow('graph')
    layers = [[Plain(f't{layer}-{number}') for number in range(10)] for layer in range(count // 10)]
    for before, layer in zip([[], *layers], layers, strict=False):
        flow.add(*layer)
        for source in before:
            for target in layer:
                flow.link(source, target)
    return flow


def nested(count: int) -> Any:
    """Return flows of all patterns inside one another, some with retries, with one task each."""
    flow: Any = None
    for number in range(count):
        pattern = (linear_flow, unordered_flow, graph_flow)[number % 3]
        controller = retry.AlwaysRevert(f'r{number}') if number % 5 == 0 else None
        outer = pattern.Flow(f'f{number}', retry=controller).add(Plain(f't{number}'))
        flow = outer if flow is None else outer.add(flow)
    return flow


def chains(count: int) -> Any:
    flow = unordered_flow.Flow('chains')
    for chain in range(10):
        flow.add(linear_flow.Flow(f'c{chain}').add(*(Plain(f't{chain}-{n}') for n in range(count // 10))))
    return flow


def reverted(count: int) -> Any:
    return linear_flow.Flow('reverted').add(linear(count), Failing('last'))


def reverted_graph(count: int) -> Any:
    return linear_flow.Flow('reverted').add(wide_graph(count), Failing('last'))


def retried(count: int) -> Any:
    return linear_flow.Flow('retried', retry=retry.Times(3, 'r')).add(linear(count), Failing('last', 2))


def retried_often(count: int) -> Any:
    """Return flows side by side that are retried in the same wave."""
    flow = unordered_flow.Flow('often')
    for number in range(count // 10):
        flow.add(linear_flow.Flow(f'f{number}', retry=retry.Times(4, f'r{number}')).add(
            *(Plain(f't{number}-{n}') for n in range(9)), Failing(f'fails{number}', 3)))
    return flow


def gated(count: int) -> Any:
    """Return a chain each of whose links has a decider that says yes."""
    return _linked(count, lambda history: True)


def no_answer(count: int) -> Any:
    """Return a chain whose first decider says no: all that follows is ignored."""
    return _linked(count, lambda history: False)


def _linked(count: int, decider: Callable[..., bool]) -> Any:
    flow = graph_flow.Flow('gated')
    tasks = [Plain(f't{number}') for number in range(count)]
    flow.add(*tasks)
    for source, target in zip(tasks, tasks[1:], strict=False):
        flow.link(source, target, decider=decider)
    return flow


class _Next(task.Task):
    def execute(self, value: int) -> int:
        return value + 1


def handed_on(count: int) -> Any:
    """Return a chain whose tasks take what the one before provides, under one name."""
    return linear_flow.Flow('handed').add(
        *(_Next(f't{number}', provides='value') for number in range(count)))


def named_apart(count: int) -> Any:
    """Return a chain whose tasks take what the one before provides, each under a name of its own."""
    return linear_flow.Flow('named').add(*(
        _Next(f't{number}', provides=f'value-{number}', rebind={'value': f'value-{number - 1}'})
        for number in range(count)))


SHAPES: dict[str, Callable[[int], Any]] = {
    'linear': linear, 'unordered': unordered, 'graph': wide_graph, 'nested': nested, 'chains': chains,
    'reverted': reverted, 'reverted graph': reverted_graph, 'retried': retried, 'retried often': retried_often,
    'gated': gated, 'ignored': no_answer, 'handed on': handed_on,
}
