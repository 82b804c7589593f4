# SPDX-License-Identifier: Apache-2.0
"""What a flow is compiled into, and which flows are refused."""

from __future__ import annotations

import functools
import random
from typing import Any
from unittest import mock

import testtools

from tests.property import runs
from tests.property.lockstep import compile_spec
from tests.reference.generator import OWN_PROFILES, random_spec
from tests.reference.shape import Shape
from tfd import atom, deciders, exceptions, flow, retry, task
from tfd.patterns import graph_flow, linear_flow, unordered_flow
from tfd.plan import NOBODY, Kind, compile_flow


class Plain(task.Task):
    def execute(self) -> None:
        """Do nothing."""


def plain(*names: str) -> list[Plain]:
    return [Plain(name) for name in names]


def edges(plan: Any) -> set[tuple[Any, Any]]:
    """Return the edges by the names of atoms; joins are numbers."""
    def label(node: int) -> Any:
        return node if plan.atoms[node] is None else plan.atoms[node].name

    return {(label(source), label(target)) for source, after in enumerate(plan.successors) for target in after}


class WhatCanBeCompiledTest(testtools.TestCase):
    def test_a_task_is_a_flow_of_its_name(self):
        plan = compile_flow(Plain('a'))
        self.assertEqual(('a', 1, {'a': 0}), (plan.name, len(plan), plan.by_name))

    def test_nothing_else_is(self):
        self.assertRaisesRegex(TypeError, r"not 'a text' \(str\)", compile_flow, 'a text')

    def test_a_retry_is_no_item(self):
        flow = linear_flow.Flow('f').add(retry.Times(1, 'r'))
        self.assertRaisesRegex(TypeError, "flow 'f' can hold flows and tasks, not", compile_flow, flow)

    def test_priorities_are_noted(self):
        first, second = plain('a', 'b')
        second.priority = 5
        plan = compile_flow(unordered_flow.Flow('u').add(first, second))
        self.assertEqual({plan.by_name['b']: 5}, plan.priorities)


class CoroutineTest(testtools.TestCase):
    """Nothing awaits what an atom returns: flows with such atoms are refused before anything runs."""

    def _refused(self, item: Any) -> list[str]:
        error = self.assertRaises(exceptions.CoroutineRefused, compile_flow, item)
        self.assertIsInstance(error, exceptions.CompilationFailure)
        self.assertIn(repr(error.atom), str(error))
        return error.methods

    def test_of_a_task(self):
        class Both(task.Task):
            async def execute(self) -> None:
                """Never begin."""

            async def revert(self, **kwargs: Any) -> None:
                """Never begin."""

        class Around(Plain):
            async def pre_execute(self) -> None:
                """Never begin."""

            async def post_revert(self) -> None:
                """Never begin."""

        class Several(task.Task):
            async def execute(self) -> Any:
                yield

        self.assertEqual(['execute', 'revert'], self._refused(Both('b')))
        self.assertEqual(['pre_execute', 'post_revert'], self._refused(Around('a')))
        self.assertEqual(['execute'], self._refused(linear_flow.Flow('f').add(*plain('x', 'y'), Several('s'))))

    def test_of_a_retry(self):
        class Waits(retry.Times):
            async def on_failure(self, history: Any, *args: Any, **kwargs: Any) -> Any:
                """Never answer."""

        self.assertEqual(['on_failure'], self._refused(linear_flow.Flow('f', retry=Waits(1, 'r'))))

    def test_of_a_function(self):
        async def wait(value: Any = None, other: Any = None) -> None:
            """Never begin."""

        async def wait_for_one(value: Any) -> None:
            """Never begin."""

        self.assertEqual(['execute'], self._refused(task.FunctorTask(wait, 'f')))
        self.assertEqual(['execute'], self._refused(task.FunctorTask(functools.partial(wait, 1), 'p')))
        self.assertEqual(['revert'], self._refused(task.FunctorTask(lambda: None, 'r', revert=wait)))
        self.assertEqual(['execute'], self._refused(task.MapFunctorTask(wait_for_one, ['x'], 'm')))
        self.assertEqual(['execute'], self._refused(task.ReduceFunctorTask(wait, ['x', 'y'], 'd')))
        compile_flow(linear_flow.Flow('f').add(
            task.FunctorTask(lambda: None, 'plain'), task.MapFunctorTask(lambda value: None, ['x'], 'm')))

    def test_a_class_is_looked_at_once(self):
        flow = linear_flow.Flow('f').add(*plain(*map(str, range(100))))
        with mock.patch.object(atom, 'awaited', wraps=atom.awaited) as looked:
            compile_flow(flow)
        self.assertEqual(1, looked.call_count)


class ShapeTest(testtools.TestCase):
    def test_linear(self):
        plan = compile_flow(linear_flow.Flow('f').add(*plain('a', 'b', 'c')))
        self.assertEqual({('a', 'b'), ('b', 'c')}, edges(plan))
        self.assertEqual(3, len(plan))
        self.assertEqual({'a': 0, 'b': 1, 'c': 2}, plan.by_name)

    def test_unordered_flows_one_after_the_other_have_few_edges(self):
        stages = [unordered_flow.Flow(f'u{s}').add(*plain(*(f't{s}-{n}' for n in range(50)))) for s in range(4)]
        plan = compile_flow(linear_flow.Flow('f').add(*stages))
        self.assertLess(len(edges(plan)), 4 * 101 + 4)

    def test_one_task_in_an_unordered_flow_needs_no_join(self):
        plan = compile_flow(unordered_flow.Flow('u').add(*plain('a')))
        self.assertEqual(1, len(plan))

    def test_an_empty_flow_is_one_join(self):
        for pattern in (linear_flow, unordered_flow, graph_flow):
            plan = compile_flow(pattern.Flow('f'))
            self.assertEqual([Kind.JOIN], list(plan.kinds))

    def test_a_retry_comes_before_its_flow(self):
        plan = compile_flow(unordered_flow.Flow('u', retry=retry.Times(1, 'r')).add(*plain('a', 'b')))
        self.assertLessEqual({('r', 'a'), ('r', 'b')}, edges(plan))
        self.assertEqual((0, 0, len(plan) - 1), (plan.scopes[1].retry, plan.scopes[1].first, plan.scopes[1].last))
        self.assertEqual([0, 1, 1], [plan.scope_of[plan.by_name[name]] for name in 'rab'])

    def test_edges_go_up_and_each_flow_has_one_way_in_and_out(self):
        for seed in runs.seeds(60):
            for odds in OWN_PROFILES.values():
                plan = compile_spec(random_spec(random.Random(seed), odds=odds))
                for node, after in enumerate(plan.successors):
                    self.assertTrue(all(node < target for target in after))
                    for target in after:
                        self.assertIn(node, plan.predecessors[target])
                self.assertEqual(1, sum(1 for before in plan.predecessors if not before))
                self.assertEqual(1, sum(1 for after in plan.successors if not after))

    def test_what_can_be_reached_is_what_comes_after(self):
        for seed in runs.seeds(60):
            spec = random_spec(random.Random(seed))
            plan, shape = compile_spec(spec), Shape(spec.flow)
            for name, node in plan.by_name.items():
                found = {plan.atoms[other].name for other in _after(plan, node) if plan.atoms[other] is not None}
                self.assertEqual(shape.after[name], found, f'seed {seed}, {name}')

    def test_scopes_are_intervals(self):
        for seed in runs.seeds(60):
            spec = random_spec(random.Random(seed), odds=OWN_PROFILES['verdicts'])
            plan, shape = compile_spec(spec), Shape(spec.flow)
            for scope in plan.scopes[1:]:
                inside = {plan.atoms[node].name for node in range(scope.first, scope.last + 1)
                          if plan.atoms[node] is not None}
                self.assertEqual(shape.members[plan.atoms[scope.retry].name], inside)


def _after(plan: Any, node: int) -> set[int]:
    found: set[int] = set()
    stack = [node]
    while stack:
        for target in plan.successors[stack.pop()]:
            if target not in found:
                found.add(target)
                stack.append(target)
    return found


class ToldLinksTest(testtools.TestCase):
    """A graph flow whose subclass tells of links in its own way."""

    def _flow(self, tell: Any) -> Any:
        class Told(graph_flow.Flow):
            def iter_links(self) -> Any:
                return iter(tell(self, list(super().iter_links())))

        self.items = {name: Plain(name) for name in 'abc'}
        return Told('told').add(*self.items.values()).link(self.items['a'], self.items['b'])

    def _before(self, flow: Any) -> dict[str, list[str]]:
        plan = compile_flow(flow)
        return {
            atom.name: [plan.atoms[source].name for source in plan.predecessors[node] if plan.atoms[source] is not None]
            for node, atom in enumerate(plan.atoms) if atom is not None}

    def test_as_they_are(self):
        self.assertEqual({'a': [], 'b': ['a'], 'c': []}, self._before(self._flow(lambda flow, links: links)))

    def test_fewer(self):
        self.assertEqual({'a': [], 'b': [], 'c': []}, self._before(self._flow(lambda flow, links: [])))

    def test_more_in_whatever_direction(self):
        found = self._before(self._flow(lambda flow, links: [*links, (self.items['c'], self.items['a'], {})]))
        self.assertEqual({'c': [], 'a': ['c'], 'b': ['a']}, found)

    def test_with_a_decider(self):
        decided = {'decider': len, 'decider_depth': deciders.Depth.ATOM}
        plan = compile_flow(self._flow(lambda flow, links: [(*links[0][:2], decided)]))
        (target, gate), = plan.gates.items()
        self.assertEqual(('b', (len,)), (plan.atoms[target].name, tuple(gate.deciders)))

    def test_in_a_circle(self):
        flow = self._flow(lambda flow, links: [*links, (self.items['b'], self.items['a'], {})])
        error = self.assertRaises(exceptions.DependencyFailure, compile_flow, flow)
        self.assertIn('go in a circle', str(error))

    def test_twice_the_same(self):
        self.assertEqual(['a'], self._before(self._flow(lambda flow, links: links * 2))['b'])


class RefusedTest(testtools.TestCase):
    def test_duplicate_names(self):
        inner = linear_flow.Flow('inner').add(*plain('b', 'a'))
        error = self.assertRaises(
            exceptions.Duplicate, compile_flow, linear_flow.Flow('f').add(*plain('a', 'b', 'c'), inner))
        self.assertIn("['a', 'b']", str(error))

    def test_a_retry_with_the_name_of_a_task(self):
        self.assertRaises(
            exceptions.Duplicate, compile_flow, linear_flow.Flow('f', retry=retry.Times(1, 'a')).add(*plain('a')))

    def test_flows_may_share_a_name(self):
        compile_flow(linear_flow.Flow('f').add(linear_flow.Flow('f'), linear_flow.Flow('f')))

    def test_a_flow_in_two_places(self):
        inner = linear_flow.Flow('inner').add(*plain('a'))
        outer = linear_flow.Flow('f').add(inner, linear_flow.Flow('g').add(inner))
        error = self.assertRaises(exceptions.CompilationFailure, compile_flow, outer)
        self.assertIn("'inner'", str(error))

    def test_a_retry_of_two_flows(self):
        shared = retry.Times(1, 'r')
        outer = linear_flow.Flow('f', retry=shared).add(linear_flow.Flow('g', retry=shared))
        error = self.assertRaises(exceptions.CompilationFailure, compile_flow, outer)
        self.assertIn("'r'", str(error))

    def test_a_pattern_that_is_not_known(self):
        class Other(flow.Flow):
            def add(self, *items: Any) -> Any:
                return self

            def __len__(self) -> int:
                return 0

            def __iter__(self) -> Any:
                return iter(())

            iter_links = iter_nodes = __iter__

            def _required(self) -> set[str]:
                return set()

        self.assertRaises(exceptions.CompilationFailure, compile_flow, Other('f'))
        self.assertRaises(exceptions.CompilationFailure, compile_flow, linear_flow.Flow('f').add(Other('g')))


class GatesTest(testtools.TestCase):
    def _plan(self, target: Any, source: Any = None) -> Any:
        graph = graph_flow.Flow('g')
        first = Plain('a') if source is None else source
        graph.add(first, target)
        graph.link(first, target, decider=print)
        return compile_flow(graph)

    def _gates(self, plan: Any) -> dict[str, list[Any]]:
        return {plan.atoms[node].name: [source if source == NOBODY else plan.atoms[source].name
                                        for source in gate.sources] for node, gate in plan.gates.items()}

    def test_before_a_task(self):
        self.assertEqual({'b': ['a']}, self._gates(self._plan(Plain('b'))))

    def test_before_a_flow_it_is_at_each_first_atom(self):
        inner = unordered_flow.Flow('u').add(linear_flow.Flow('l').add(*plain('b', 'c')), Plain('d'))
        self.assertEqual({'b': ['a'], 'd': ['a']}, self._gates(self._plan(inner)))

    def test_before_a_flow_with_a_retry_it_is_at_the_retry(self):
        inner = unordered_flow.Flow('u', retry=retry.Times(1, 'r')).add(*plain('b', 'c'))
        self.assertEqual({'r': ['a']}, self._gates(self._plan(inner)))

    def test_before_an_empty_flow_it_is_nowhere(self):
        self.assertEqual({}, self._gates(self._plan(linear_flow.Flow('empty'))))
        nested = linear_flow.Flow('outer').add(linear_flow.Flow('empty'), *plain('b'))
        self.assertEqual({}, self._gates(self._plan(nested)))

    def test_after_a_flow_it_has_no_source(self):
        for source in (linear_flow.Flow('s').add(*plain('a')), unordered_flow.Flow('s'),
                       linear_flow.Flow('s', retry=retry.Times(1, 'r'))):
            self.assertEqual({'b': [NOBODY]}, self._gates(self._plan(Plain('b'), source)))


class DigestTest(testtools.TestCase):
    def test_equal_flows_have_equal_digests(self):
        first, second = (compile_spec(random_spec(random.Random(5))) for _ in range(2))
        self.assertEqual(first.digest(), second.digest())

    def test_what_differs_shows(self):
        def digest(pattern: Any = linear_flow, names: str = 'ab', controller: Any = None, version: Any = None) -> str:
            tasks = plain(*names)
            if version is not None:
                tasks[0].version = version
            return compile_flow(pattern.Flow('f', retry=controller).add(*tasks)).digest()

        graph = graph_flow.Flow('f')
        a, b = plain('a', 'b')
        graph.add(a, b)
        graph.link(a, b, decider=print)
        found = [digest(), digest(unordered_flow), digest(names='ac'), digest(names='abc'), digest(names='ba'),
                 digest(controller=retry.Times(1, 'r')), digest(version=(2, 0)), compile_flow(graph).digest()]
        self.assertEqual(len(found), len(set(found)))
