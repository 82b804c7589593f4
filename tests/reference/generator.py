# SPDX-License-Identifier: Apache-2.0
"""Random specs: nested flows of every pattern, with every kind of trouble in them."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.reference.spec import DEPTHS, RAISE, RETRY, REVERT, REVERT_ALL, FlowSpec, LinkSpec, RetrySpec, Spec, TaskSpec

__all__ = ['ALWAYS', 'OWN_PROFILES', 'PROFILES', 'Flows', 'Odds', 'random_spec']

#: The numbers of the calls of an atom that never succeeds.
ALWAYS = frozenset(range(1, 100))

PATTERNS = ('linear', 'unordered', 'graph')


@dataclass(frozen=True, slots=True)
class Odds:
    """How likely each kind of trouble is, between 0 and 1."""

    nested: float = 0.4
    retry: float = 0.4
    execute_fails: float = 0.22
    always_fails: float = 0.25
    revert_fails: float = 0.03
    retry_execute_fails: float = 0.04
    retry_revert_fails: float = 0.02
    retry_raises: float = 0.0
    link: float = 0.35
    decider: float = 0.4
    decider_raises: float = 0.0
    empty: float = 0.03
    defer_reverts: float = 0.12
    never_resolve: float = 0.04
    suspend: float = 0.25


#: Odds under which each kind of trouble is met often, and met alone.
PROFILES = {
    'mixed': Odds(),
    'deciders': Odds(
        nested=0.25, retry=0.2, execute_fails=0.05, link=0.6, decider=0.45, empty=0.0, suspend=0.1),
    'verdicts': Odds(
        nested=0.5, retry=0.8, execute_fails=0.35, always_fails=0.1, link=0.1, empty=0.0, suspend=0.1),
}

#: With what TaskFlow has no rules for: retries and deciders that raise.
OWN_PROFILES = {
    **PROFILES,
    'raising': Odds(retry_raises=0.1, decider_raises=0.1, retry=0.5, suspend=0.1),
    'gates': Odds(
        nested=0.5, retry=0.5, link=0.6, decider=0.6, decider_raises=0.15, empty=0.15, execute_fails=0.15,
        suspend=0.3),
}


def random_spec(rng: random.Random, size: int = 8, depth: int = 3, odds: Odds | None = None) -> Spec:
    """Return a spec of about `size` tasks, nested at most `depth` flows deep."""
    odds = odds or Odds()
    flow = Flows(rng, odds, size).flow(depth)
    suspends = frozenset(
        rng.sample(range(1, 2 * size + 2), rng.randint(1, 3)) if rng.random() < odds.suspend else ())
    return Spec(
        flow,
        defer_reverts=rng.random() < odds.defer_reverts,
        never_resolve=rng.random() < odds.never_resolve,
        suspends=suspends,
    )


class Flows:
    """Hands out tasks, flows and retries with names that occur once."""

    def __init__(self, rng: random.Random, odds: Odds, size: int) -> None:
        self.rng = rng
        self.odds = odds
        self.tasks_left = size
        self.numbers = {'t': 0, 'f': 0, 'r': 0}

    def flow(self, depth: int) -> FlowSpec:
        """Return a flow, nested at most so deep."""
        name = self.name('f')
        pattern = self.pattern()
        retry = self.retry() if self.happens(self.odds.retry) else None
        children = self.children(depth)
        links = self.links(children) if pattern == 'graph' else ()
        return FlowSpec(name, pattern, children, retry, links)

    def pattern(self) -> str:
        return self.rng.choice(PATTERNS)

    def children(self, depth: int) -> tuple[TaskSpec | FlowSpec, ...]:
        if self.happens(self.odds.empty):
            return ()
        children: list[TaskSpec | FlowSpec] = []
        for _ in range(self.rng.randint(1, 4)):
            if depth > 1 and self.happens(self.odds.nested):
                children.append(self.flow(depth - 1))
            elif self.tasks_left > 0:
                self.tasks_left -= 1
                children.append(self.task())
        return tuple(children)

    def links(self, children: tuple[TaskSpec | FlowSpec, ...]) -> tuple[LinkSpec, ...]:
        order = list(range(len(children)))
        self.rng.shuffle(order)
        links = []
        for place, source in enumerate(order):
            for target in order[place + 1:]:
                if self.happens(self.odds.link):
                    links.append(self.link(source, target, children[target]))
        return tuple(links)

    def link(self, source: int, target: int, child: TaskSpec | FlowSpec) -> LinkSpec:
        if not self.happens(self.odds.decider):
            return LinkSpec(source, target)
        single = isinstance(child, TaskSpec) or child.retry is not None
        answers = tuple(self.answer() for _ in range(self.rng.randint(1, 3) if single else 1))
        return LinkSpec(source, target, answers, self.rng.choice((None, *DEPTHS)))

    def answer(self) -> bool | None:
        if self.happens(self.odds.decider_raises):
            return None
        return self.happens(0.5)

    def task(self) -> TaskSpec:
        return TaskSpec(
            self.name('t'),
            self.numbers_of_calls(self.odds.execute_fails),
            self.numbers_of_calls(self.odds.revert_fails),
        )

    def retry(self) -> RetrySpec:
        asked = self.rng.choices((RETRY, REVERT, REVERT_ALL), (6, 2, 1), k=self.rng.randint(0, 3))
        asked.append(self.rng.choice((REVERT, REVERT, REVERT_ALL)))
        verdicts = tuple(RAISE if self.happens(self.odds.retry_raises) else v for v in asked)
        return RetrySpec(
            self.name('r'),
            verdicts,
            self.numbers_of_calls(self.odds.retry_execute_fails),
            self.numbers_of_calls(self.odds.retry_revert_fails),
        )

    def numbers_of_calls(self, odds: float) -> frozenset[int]:
        if not self.happens(odds):
            return frozenset()
        if self.happens(self.odds.always_fails):
            return ALWAYS
        return frozenset(self.rng.sample((1, 2, 3), self.rng.randint(1, 2)))

    def name(self, kind: str) -> str:
        self.numbers[kind] += 1
        return f'{kind}{self.numbers[kind]}'

    def happens(self, odds: float) -> bool:
        return self.rng.random() < odds
