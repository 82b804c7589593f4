# SPDX-License-Identifier: Apache-2.0
"""Random specs of everything that TaskFlow has: arguments, TaskFlow's own retries, targets, suspends, resumes."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from tests.reference import generator
from tests.reference.spec import RETRY, FlowSpec, RetrySpec, Spec, TaskSpec

__all__ = ['kind_of', 'spec']

_CONTROLLERS = ('AlwaysRevert', 'AlwaysRevertAll', 'Times', 'ForEach', 'ParameterizedForEach')
_SYMBOLS = ('a', 'b', 'c')
#: The input from which a ParameterizedForEach takes its values.
_VALUES = 'values'
_SIZES = (4, 6, 8, 8, 12, 16)
_LARGE = 40


@dataclass(frozen=True, slots=True)
class _Odds(generator.Odds):
    graph: float = 0.0
    again: float = 0.0
    controller: float = 0.0
    target: float = 0.15
    provides: float = 0.0
    requires: float = 0.0
    shares: float = 0.0
    stored: float = 0.0
    reloads: float = 0.4
    suspends_in: float = 0.06


#: Each kind of trouble met often, and alone; then all with arguments.
_PROFILES = (
    _Odds(suspend=0.2),
    _Odds(nested=0.25, retry=0.2, execute_fails=0.05, link=0.6, decider=0.45, empty=0.0, suspend=0.1),
    _Odds(nested=0.5, retry=0.8, execute_fails=0.35, always_fails=0.1, link=0.4, decider=0.5, empty=0.0, suspend=0.1),
    _Odds(
        nested=0.45, graph=0.9, retry=0.9, again=1.0, execute_fails=0.6, always_fails=0.0, revert_fails=0.0,
        retry_execute_fails=0.0, link=0.9, decider=0.6, empty=0.0, defer_reverts=0.0, never_resolve=0.0, target=0.0,
        suspend=0.05),
    _Odds(retry_raises=0.1, decider_raises=0.1, retry=0.5, suspend=0.05),
    _Odds(controller=0.9, retry=0.7, execute_fails=0.35, always_fails=0.4, suspend=0.15, provides=0.3, requires=0.15),
    _Odds(controller=0.3, provides=0.5, requires=0.4, shares=0.3, stored=0.3, suspend=0.1),
    _Odds(controller=0.5, provides=0.2, requires=0.1, suspend=0.7, reloads=0.8, suspends_in=0.2),
)


class _Flows(generator.Flows):
    odds: _Odds

    def __init__(self, rng: random.Random, odds: _Odds, size: int) -> None:
        super().__init__(rng, odds, size)
        self.provided: list[str] = []

    def flow(self, depth: int) -> FlowSpec:
        made = super().flow(depth)
        if made.pattern == 'graph' and made.children and self.happens(self.odds.target):
            made = replace(made, target=self.rng.randrange(len(made.children)))
        return made

    def pattern(self) -> str:
        return 'graph' if self.odds.graph and self.happens(self.odds.graph) else super().pattern()

    def task(self) -> TaskSpec:
        made = super().task()
        requires: tuple[str, ...] = ()
        if self.provided and self.happens(self.odds.requires):
            requires = tuple(sorted(set(self.rng.choices(self.provided, k=self.rng.randint(1, 2)))))
        return replace(made, requires=requires, provides=self.symbol(made.name, requires))

    def symbol(self, name: str, requires: tuple[str, ...] = ()) -> str:
        """Return the name of a result; some share one."""
        if not self.happens(self.odds.provides):
            return ''
        symbol = self.rng.choice(_SYMBOLS) if self.happens(self.odds.shares) else f's-{name}'
        if symbol in requires:
            return ''
        self.provided.append(symbol)
        return symbol

    def retry(self) -> RetrySpec:
        made = super().retry()
        if self.odds.again and self.happens(self.odds.again):
            made = replace(made, verdicts=(RETRY, *made.verdicts))
        if not self.happens(self.odds.controller):
            return made
        controller = self.rng.choice(_CONTROLLERS)
        values = tuple(self.rng.sample(range(10), self.rng.randint(1, 3)))
        revert_all = controller[:6] != 'Always' and self.happens(0.25)
        return replace(
            made, controller=controller, values=values, revert_all=revert_all, provides=self.symbol(made.name))


def spec(seed: int) -> Spec:
    """Return the spec of a seed."""
    rng = random.Random(seed)
    odds = _PROFILES[seed % len(_PROFILES)]
    size = _LARGE if rng.random() < 0.02 else rng.choice(_SIZES)
    flows = _Flows(rng, odds, size)
    flow = flows.flow(5 if size == _LARGE else 3)
    waves, within = frozenset[int](), frozenset[tuple[str, str, int]]()
    if kind_of(seed) == 'serial' and rng.random() < odds.suspend:
        waves = frozenset(rng.sample(range(1, 2 * size + 2), rng.randint(1, 3)))
    if rng.random() < (odds.suspends_in if kind_of(seed) == 'serial' else odds.suspend):
        names = [f'{kind}{number}' for kind in 'tr' for number in range(1, flows.numbers[kind] + 1)]
        within = frozenset(
            (rng.choice(('execute', 'execute', 'revert')), rng.choice(names), rng.choice((1, 1, 2)))
            for _ in range(rng.randint(1, 3) if names else 0))
    return Spec(
        flow, defer_reverts=rng.random() < odds.defer_reverts, never_resolve=rng.random() < odds.never_resolve,
        suspends=waves, suspends_in=within, reloads=bool(waves or within) and rng.random() < odds.reloads,
        store=tuple(sorted({*flows.provided, _VALUES})) if rng.random() < odds.stored else (_VALUES,))


def kind_of(seed: int) -> str:
    """Return the kind of engine that a seed is played on."""
    return 'parallel' if seed % 3 == 2 else 'serial'
