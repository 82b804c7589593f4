# SPDX-License-Identifier: Apache-2.0
"""Flows of everything that there is, whose every call comes to the same in whatever process it is made.

What a call comes to depends on what it is given alone: on the attempt of a retry, for one. Each call is written to a
ledger that the processes share.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any

from tfd import retry, task
from tfd.patterns import graph_flow, linear_flow, unordered_flow

__all__ = ['FLOWS', 'Case', 'Ledger']


class Ledger:
    """The calls of all processes, in their order."""

    def __init__(self, path: str) -> None:
        self.path = path

    def note(self, *words: object) -> None:
        """Write one call, in one write, so that it is there or not."""
        with open(self.path, 'ab', buffering=0) as out:
            out.write((' '.join(map(str, words)) + '\n').encode())

    def calls(self) -> list[str]:
        """Return what was written."""
        if not os.path.exists(self.path):
            return []
        with open(self.path, encoding='utf-8') as source:
            return source.read().splitlines()


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """A flow, and how it is run.

    :ivar make: makes the flow.
    :ivar store: its inputs.
    :ivar options: of the engine.
    :ivar suspends: states of atoms, as ``name state``, at which a listener suspends the flow, in every process.
    :ivar ordered: whether there is but one order of calls.
    """

    make: Callable[[Ledger], Any]
    store: dict[str, Any] = dataclasses.field(default_factory=dict)
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    suspends: tuple[str, ...] = ()
    ordered: bool = True


class Broken(Exception):
    """Has an argument that has no stored form."""

    def __init__(self, text: str) -> None:
        super().__init__(text, object())

    def __str__(self) -> str:
        return str(self.args[0])


class Step(task.Task):
    """Gives its name and what it was given; fails as it is told to.

    :param fails: called with the arguments.
    """

    def __init__(
        self, ledger: Ledger, name: str, fails: Callable[[dict[str, Any]], bool] = lambda given: False,
        revert_fails: bool = False, **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self.ledger, self.fails, self.revert_fails = ledger, fails, revert_fails

    def execute(self, **kwargs: Any) -> str:
        self.ledger.note('execute', self.name, sorted(kwargs.items()))
        self.notifier.notify(task.EVENT_UPDATE_PROGRESS, {'progress': 0.5, 'at': self.name})
        if self.fails(kwargs):
            try:
                raise OSError(f'{self.name} has no {kwargs}')
            except OSError as error:
                raise Broken(self.name) from error
        return f'{self.name}{sorted(kwargs.values(), key=str)}'

    def revert(self, result: Any, flow_failures: Any, **kwargs: Any) -> str:
        self.ledger.note('revert', self.name, sorted(kwargs.items()))
        self.update_progress(0.25)
        if self.revert_fails:
            raise Broken(f'{self.name} stays')
        return f'{self.name} is gone'


class Judge(retry.Retry):
    """Answers as it is told, by the number of the attempt; fails where it is told so."""

    def __init__(self, ledger: Ledger, name: str, answers: tuple[Any, ...], execute_fails: int = 0) -> None:
        super().__init__(name, provides=f'{name}_attempt')
        self.ledger, self.answers, self.execute_fails = ledger, answers, execute_fails

    def execute(self, history: Any, **kwargs: Any) -> int:  # type: ignore[override]
        self.ledger.note('execute', self.name, len(history))
        if len(history) + 1 == self.execute_fails:
            raise Broken(self.name)
        return len(history) + 1

    def on_failure(self, history: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        self.ledger.note('ask', self.name, [(given, sorted(failures)) for given, failures in history])
        answer = self.answers[min(len(history), len(self.answers)) - 1]
        if answer is None:
            raise Broken(f'{self.name} does not know')
        return answer

    def revert(self, history: Any, flow_failures: Any, **kwargs: Any) -> None:  # type: ignore[override]
        self.ledger.note('revert', self.name, len(history))


def _always(given: dict[str, Any]) -> bool:
    return True


def _until(symbol: str, value: Any) -> Callable[[dict[str, Any]], bool]:
    return lambda given: bool(given[symbol] != value)


def _arguments(ledger: Ledger) -> Any:
    def double(value: int) -> int:
        return value * 2

    def add(left: int, right: int) -> int:
        return left + right

    def pair(a: int, b: int = 5) -> tuple[int, int]:
        ledger.note('pair', a, b)
        return a, b

    def keyed(**given: Any) -> dict[str, Any]:
        ledger.note('keyed', sorted(given.items()))
        return {'left': given['x'], 'right': {1, 2}}

    return linear_flow.Flow('arguments').add(
        task.FunctorTask(pair, name='pair', provides=('x', 'y'), inject={'b': 7}),
        task.FunctorTask(keyed, name='keyed', provides={'left', 'right'}, requires=['x', 'y']),
        task.MapFunctorTask(double, ['x', 'y'], name='map', provides=('xx', 'yy')),
        task.ReduceFunctorTask(add, ['xx', 'yy', 'a'], name='fold', provides='sum'),
        Step(ledger, 'last', requires=['sum', 'left'], rebind={'again': 'sum'}, inject={'mine': 1}, provides='out'))


def _reverted(ledger: Ledger) -> Any:
    return linear_flow.Flow('reverted').add(
        Step(ledger, 'a', provides='x'), Step(ledger, 'b', requires=['x']),
        linear_flow.Flow('inner').add(Step(ledger, 'c')), Step(ledger, 'd', _always, requires=['x']))


def _times(ledger: Ledger) -> Any:
    inner = linear_flow.Flow('inner', retry=retry.Times(3, 'times', provides='n')).add(
        Step(ledger, 'b', requires=['n'], provides='y'), Step(ledger, 'c', _until('n', 3), requires=['n', 'y']))
    return linear_flow.Flow('times').add(Step(ledger, 'a'), inner, Step(ledger, 'd', requires=['y']))


def _values(ledger: Ledger) -> Any:
    each = linear_flow.Flow('each', retry=retry.ForEach(['p', 'q'], 'each', provides='v')).add(
        Step(ledger, 'b', lambda given: (given['w'], given['v']) != (2, 'q'), requires=['v', 'w']))
    given = retry.ParameterizedForEach('given', rebind={'values': 'ws'}, provides='w')
    return linear_flow.Flow('values', retry=given).add(Step(ledger, 'a', requires=['w']), each)


def _exhausted(ledger: Ledger) -> Any:
    inner = linear_flow.Flow('inner', retry=retry.Times(2, 'times')).add(Step(ledger, 'b'), Step(ledger, 'c', _always))
    return linear_flow.Flow('exhausted').add(Step(ledger, 'a'), inner, Step(ledger, 'd'))


def _all(ledger: Ledger) -> Any:
    innermost = linear_flow.Flow('innermost', retry=retry.AlwaysRevertAll('all')).add(Step(ledger, 'c', _always))
    inner = linear_flow.Flow('inner', retry=retry.Times(5, 'times')).add(Step(ledger, 'b'), innermost)
    return linear_flow.Flow('everything', retry=retry.Times(5, 'outer')).add(Step(ledger, 'a'), inner)


def _deciders(ledger: Ledger) -> Any:
    flow = graph_flow.Flow('deciders')
    first = Step(ledger, 'first', provides='x')
    flow.add(first)
    for depth in ('ALL', 'FLOW', 'NEIGHBORS', 'ATOM'):
        chain = [Step(ledger, f'{depth}{number}') for number in range(3)]
        flow.add(*chain)

        def no(history: Any, depth: str = depth) -> bool:
            ledger.note('decide', depth, sorted(history.items()))
            return False

        flow.link(first, chain[0], decider=no, decider_depth=depth)
        flow.link(chain[0], chain[1])
        flow.link(chain[1], chain[2], decider=lambda history: True)
    return linear_flow.Flow('around').add(flow, Step(ledger, 'behind'))


def _decided_anew(ledger: Ledger) -> Any:
    """Return a flow whose decider is asked anew at each attempt."""
    first, second, last = (
        Step(ledger, 'a', requires=['n']), Step(ledger, 'b'), Step(ledger, 'c', _until('n', 2), requires=['n']))

    def at_the_second(history: Any) -> bool:
        ledger.note('decide', sorted(history.items()))
        return '2' in history['a']

    flow = graph_flow.Flow('anew', retry=retry.Times(2, 'times', provides='n')).add(first, second, last)
    flow.link(first, second, decider=at_the_second, decider_depth='ATOM')
    flow.link(second, last)
    return flow


def _graph(ledger: Ledger) -> Any:
    flow = graph_flow.TargetedFlow('graph')
    target = Step(ledger, 'd', requires=['b', 'c'])
    flow.add(target, Step(ledger, 'b', requires=['a'], provides='b'), Step(ledger, 'c', requires=['a'], provides='c'),
             Step(ledger, 'a', provides='a'), Step(ledger, 'nobody', _always))
    flow.set_target(target)
    return flow


def _scopes(ledger: Ledger) -> Any:
    """Return a flow whose scopes side by side each go their own way."""
    again = linear_flow.Flow('again', retry=retry.Times(2, 'times', provides='n')).add(
        Step(ledger, 'a', requires=['n']), Step(ledger, 'b', _until('n', 2), requires=['n']))
    gone = linear_flow.Flow('gone', retry=retry.AlwaysRevert('revert')).add(
        Step(ledger, 'c'), Step(ledger, 'd', _always))
    stays = unordered_flow.Flow('stays').add(Step(ledger, 'e'), Step(ledger, 'f'))
    return unordered_flow.Flow('scopes').add(again, gone, stays)


def _stays(ledger: Ledger) -> Any:
    return linear_flow.Flow('stays').add(
        Step(ledger, 'a'), Step(ledger, 'b', revert_fails=True), Step(ledger, 'c'), Step(ledger, 'd', _always))


def _judges(ledger: Ledger) -> Any:
    """Return a flow whose inner retry fails: first as it executes, then as it is asked."""
    inner = linear_flow.Flow('inner', retry=Judge(ledger, 'judge', (retry.RETRY, None), 0)).add(
        Step(ledger, 'b', _until('outer_attempt', 2), requires=['outer_attempt']))
    outer = Judge(ledger, 'outer', (retry.RETRY, retry.REVERT))
    return linear_flow.Flow('judges', retry=outer).add(Step(ledger, 'a'), inner)


def _broken_retry(ledger: Ledger) -> Any:
    inner = linear_flow.Flow('inner', retry=Judge(ledger, 'judge', (retry.RETRY,), 2)).add(Step(ledger, 'b', _always))
    return linear_flow.Flow('broken', retry=Judge(ledger, 'outer', (retry.REVERT,))).add(Step(ledger, 'a'), inner)


def _wide(ledger: Ledger) -> Any:
    parts = [linear_flow.Flow(f'part{number}').add(Step(ledger, f'a{number}', provides=f'x{number}'),
                                                   Step(ledger, f'b{number}', requires=[f'x{number}']))
             for number in range(4)]
    return linear_flow.Flow('wide').add(unordered_flow.Flow('inside').add(*parts), Step(ledger, 'last', _always))


#: By name.
FLOWS = {
    'arguments': Case(_arguments, {'a': 3}),
    'reverted': Case(_reverted),
    'times': Case(_times),
    'values': Case(_values, {'ws': [1, 2, 3]}),
    'exhausted': Case(_exhausted),
    'exhausted, deferred': Case(_exhausted, options={'defer_reverts': True}),
    'exhausted, unresolved': Case(_exhausted, options={'never_resolve': True}),
    'everything': Case(_all),
    'deciders': Case(_deciders, ordered=False),
    'decided anew': Case(_decided_anew),
    'graph': Case(_graph, ordered=False),
    'scopes': Case(_scopes, ordered=False),
    'stays': Case(_stays),
    'judges': Case(_judges),
    'broken retry': Case(_broken_retry),
    'wide': Case(_wide, ordered=False),
    'suspended': Case(_times, suspends=('a SUCCESS', 'b SUCCESS', 'c FAILURE', 'c REVERTED')),
    'suspended while reverted': Case(_reverted, suspends=('d FAILURE', 'd REVERTED', 'b REVERTED')),
}
