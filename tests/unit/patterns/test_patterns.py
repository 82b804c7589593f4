# SPDX-License-Identifier: Apache-2.0
"""Linear, unordered and graph flows: order, links, what they require and provide, what they refuse."""

from __future__ import annotations

from typing import Any

import testtools

from tfd import exceptions, task
from tfd.deciders import Depth
from tfd.patterns import graph_flow, linear_flow, unordered_flow


def item(name: str, requires: str = '', provides: str = '') -> task.Task:
    """Return a task that requires and provides single letters."""
    return task.FunctorTask(
        lambda **kwargs: None, name=name, requires=list(requires), provides=tuple(provides))


def links(flow: Any) -> set[tuple[str, str]]:
    return {(source.name, target.name) for source, target, _data in flow.iter_links()}


class LinearTest(testtools.TestCase):
    def test_order_and_links(self):
        flow = linear_flow.Flow('f').add(item('c'), item('a')).add(item('b'))
        self.assertEqual(['c', 'a', 'b'], [one.name for one in flow])
        self.assertEqual({('c', 'a'), ('a', 'b')}, links(flow))
        self.assertEqual([{'invariant': True}] * 2, [dict(data) for _s, _t, data in flow.iter_links()])

    def test_requires_what_nothing_before_provides(self):
        flow = linear_flow.Flow('f').add(item('a', 'xy', 'z'), item('b', 'z', 'w'), item('c', 'wv'))
        self.assertEqual(({'x', 'y', 'v'}, {'z', 'w'}), (set(flow.requires), set(flow.provides)))

    def test_what_comes_later_does_not_provide(self):
        self.assertEqual({'z'}, set(linear_flow.Flow('f').add(item('a', 'z'), item('b', '', 'z')).requires))


class UnorderedTest(testtools.TestCase):
    def test_no_links(self):
        self.assertEqual(set(), links(unordered_flow.Flow('f').add(item('a'), item('b'))))

    def test_siblings_do_not_provide(self):
        flow = unordered_flow.Flow('f').add(item('a', '', 'z'), item('b', 'z'))
        self.assertEqual(({'z'}, {'z'}), (set(flow.requires), set(flow.provides)))


class GraphTest(testtools.TestCase):
    def test_links_are_inferred_whatever_comes_first(self):
        for first, second in ((('a', '', 'x'), ('b', 'x')), (('b', 'x'), ('a', '', 'x'))):
            flow = graph_flow.Flow('g').add(item(*first)).add(item(*second))
            self.assertEqual({('a', 'b')}, links(flow))
            self.assertEqual(['a', 'b'], [one.name for one in flow])
            self.assertEqual([{'reasons': {'x'}}], [dict(data) for _s, _t, data in flow.iter_links()])

    def test_inference_can_be_left_out(self):
        flow = graph_flow.Flow('g').add(item('a', '', 'x')).add(item('b', 'x'), resolve_requires=False)
        self.assertEqual(set(), links(flow))
        flow = graph_flow.Flow('g').add(item('b', 'x')).add(item('a', '', 'x'), resolve_existing=False)
        self.assertEqual(set(), links(flow))
        self.assertRaises(TypeError, graph_flow.Flow('g').add, item('a'), other=True)

    def test_links_by_hand(self):
        a, b = item('a'), item('b')
        flow = graph_flow.Flow('g').add(a, b)
        self.assertIs(flow, flow.link(b, a).link(b, a))
        self.assertEqual({('b', 'a')}, links(flow))
        self.assertEqual(['b', 'a'], [one.name for one in flow])
        self.assertEqual([{'manual': True}], [dict(data) for _s, _t, data in flow.iter_links()])

    def test_a_link_by_symbols_and_by_hand_tells_of_all(self):
        a, b = task.FunctorTask(lambda: (1, 2), name='a', provides=('x', 'y')), item('c', 'x')
        flow = graph_flow.Flow('g').add(a, b).link(a, b)
        self.assertEqual(
            [{'reasons': {'x'}, 'manual': True}], [dict(data) for _s, _t, data in flow.iter_links()])

    def test_of_many_neighbours_each_is_told(self):
        middle, before, after = item('m'), [item(f'b{n}') for n in range(20)], [item(f'a{n}') for n in range(20)]
        flow = graph_flow.Flow('g').add(*after, middle, *before)
        for one, other in zip(before, after, strict=True):
            flow.link(one, middle).link(middle, other)
        self.assertEqual({(one.name, 'm') for one in before} | {('m', one.name) for one in after}, links(flow))
        self.assertEqual('m', list(flow)[20].name)

    def test_a_cycle_is_refused_and_nothing_changes(self):
        a, b, c = item('a'), item('b'), item('c')
        flow = graph_flow.Flow('g').add(a, b, c)
        flow.link(a, b).link(b, c)
        for source, target in ((c, a), (b, a), (a, a)):
            error = self.assertRaises(exceptions.DependencyFailure, flow.link, source, target)
            self.assertIn(repr(source.name), str(error))
            self.assertEqual({('a', 'b'), ('b', 'c')}, links(flow))

    def test_a_cycle_by_symbols_is_refused_and_nothing_changes(self):
        flow = graph_flow.Flow('g').add(item('a', 'x', 'y'))
        self.assertRaises(exceptions.DependencyFailure, flow.add, item('c'), item('b', 'y', 'x'))
        self.assertEqual(['a'], [one.name for one in flow])
        self.assertEqual((set(), {'x'}, {'y'}), (links(flow), set(flow.requires), set(flow.provides)))
        flow.add(item('d', 'y'))
        self.assertEqual({('a', 'd')}, links(flow))

    def test_items_added_together_are_linked_one_after_the_other(self):
        """As TaskFlow 6.5: a second provider that comes after the item that requires is none too many."""
        for names in ('pkq', 'kpq'):
            made = {'p': item('p', '', 'x'), 'q': item('q', '', 'x'), 'k': item('k', 'x')}
            flow = graph_flow.Flow('g').add(*(made[name] for name in names))
            self.assertEqual({('p', 'k')}, links(flow), names)

    def test_a_symbol_with_two_providers_is_refused(self):
        flow = graph_flow.Flow('g').add(item('p', '', 'x'), item('q', '', 'x'))
        error = self.assertRaises(exceptions.AmbiguousDependency, flow.add, item('k', 'x'))
        self.assertIn("adding 'k', multiple providers ['p', 'q'] found for required symbol 'x'", str(error))
        self.assertEqual(2, len(flow))

    def test_an_older_item_keeps_its_provider(self):
        flow = graph_flow.Flow('g').add(item('p', '', 'x'), item('k', 'x'))
        flow.add(item('q', '', 'x'))
        self.assertEqual({('p', 'k')}, links(flow))

    def test_an_older_item_gets_the_first_of_several_new_providers(self):
        flow = graph_flow.Flow('g').add(item('k', 'x'))
        flow.add(item('p', '', 'x'), item('q', '', 'x'))
        self.assertEqual({('p', 'k')}, links(flow))

    def test_an_older_item_without_a_link_gets_the_next_provider(self):
        flow = graph_flow.Flow('g').add(item('p', '', 'x')).add(item('k', 'x'), resolve_requires=False)
        flow.add(item('other', '', 'y'))
        self.assertEqual(set(), links(flow))
        flow.add(item('q', '', 'x')).add(item('r', '', 'x'))
        self.assertEqual({('q', 'k')}, links(flow))

    def test_an_older_item_behind_a_provider_is_not_linked(self):
        p, m, k = item('p', '', 'x'), item('m'), item('k', 'x')
        flow = graph_flow.Flow('g').add(p, m, k, resolve_requires=False).link(p, m).link(m, k)
        flow.add(item('q', '', 'x'))
        self.assertEqual({('p', 'm'), ('m', 'k')}, links(flow))

    def test_a_new_item_provides_two_symbols_along_two_ways(self):
        flow = graph_flow.Flow('g').add(item('m', 'y', 'z'), item('k', 'xz'))
        flow.add(item('p', '', 'yx'))
        self.assertEqual({('m', 'k'), ('p', 'm'), ('p', 'k')}, links(flow))

    def test_an_item_provides_nothing_to_itself(self):
        flow = graph_flow.Flow('g').add(item('a', 'x', 'x'), item('b', 'x'))
        self.assertEqual({('a', 'b')}, links(flow))
        flow = graph_flow.Flow('g').add(item('a', 'x', 'x'))
        flow.add(item('p', '', 'x'))
        self.assertEqual({('p', 'a')}, links(flow))

    def test_requirements_of_new_items_are_resolved_only_if_asked_for(self):
        flow = graph_flow.Flow('g').add(item('a', '', 'x'), item('b', 'x'), resolve_requires=False)
        self.assertEqual(set(), links(flow))
        flow = graph_flow.Flow('g').add(item('b', 'x'), item('a', '', 'x'), resolve_requires=False)
        self.assertEqual(set(), links(flow))

    def test_an_item_that_is_not_in_the_flow_cannot_be_linked(self):
        a, q = item('a'), item('q')
        flow = graph_flow.Flow('g').add(a)
        error = self.assertRaises(ValueError, flow.link, a, q)
        self.assertIn('Node \'"q==1.0"\' not found to link to', str(error))
        self.assertIn('to link from', str(self.assertRaises(ValueError, flow.link, q, a)))

    def test_deciders(self):
        a, b = item('a'), item('b')
        flow = graph_flow.Flow('g').add(a, b)
        self.assertRaisesRegex(ValueError, 'must be callable', flow.link, a, b, decider=5)
        self.assertRaisesRegex(ValueError, 'depth', flow.link, a, b, decider_depth='ALL')

        async def always(history: Any) -> bool:
            return False

        self.assertRaisesRegex(ValueError, 'coroutine', flow.link, a, b, decider=always)
        self.assertRaisesRegex(ValueError, 'NEIGHBORS', flow.link, a, b, decider=print, decider_depth='most')
        self.assertEqual(set(), links(flow))
        flow.link(a, b, decider=print, decider_depth='atom')
        self.assertEqual(
            [{'manual': True, 'decider': print, 'decider_depth': Depth.ATOM}],
            [dict(data) for _s, _t, data in flow.iter_links()])
        flow.link(a, b, decider=len)
        self.assertEqual([Depth.ALL], [data['decider_depth'] for _s, _t, data in flow.iter_links()])

    def test_requires_what_no_ancestor_provides(self):
        a, b, c = item('a', '', 'x'), item('b', ''), item('c', 'xy')
        flow = graph_flow.Flow('g').add(a, b, resolve_requires=False).add(c, resolve_requires=False)
        self.assertEqual({'x', 'y'}, set(flow.requires))
        flow.link(a, b).link(b, c)
        self.assertEqual({'y'}, set(flow.requires))

    def test_flows_in_it_are_linked_by_their_symbols(self):
        inner = linear_flow.Flow('inner').add(item('n', 'x', 'y'))
        flow = graph_flow.Flow('g').add(item('c', 'y'), inner, item('a', '', 'x'))
        self.assertEqual({('a', 'inner'), ('inner', 'c')}, links(flow))
        self.assertEqual(['a', 'inner', 'c'], [one.name for one in flow])


class TargetedTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.a, self.b, self.c = item('a', '', 'x'), item('b', 'x', 'y'), item('c', 'y')
        self.other = item('other', 'z')
        self.flow = graph_flow.TargetedFlow('g').add(self.a, self.b, self.c, self.other)

    def test_without_a_target_it_is_a_graph(self):
        self.assertEqual(4, len(self.flow))
        self.assertEqual({'z'}, set(self.flow.requires))

    def test_only_what_the_target_needs_takes_part(self):
        self.flow.set_target(self.b)
        self.assertEqual([self.a, self.b], list(self.flow))
        self.assertEqual(({('a', 'b')}, set(), {'x', 'y'}), (
            links(self.flow), set(self.flow.requires), set(self.flow.provides)))

    def test_reset(self):
        self.flow.set_target(self.b)
        self.flow.reset_target()
        self.assertEqual(4, len(self.flow))

    def test_what_is_added_or_linked_later_counts(self):
        self.flow.set_target(self.b)
        self.assertEqual(2, len(self.flow))
        self.flow.link(self.other, self.b)
        self.assertEqual(3, len(self.flow))
        self.flow.add(item('p', '', 'z'))
        self.assertEqual(4, len(self.flow))

    def test_a_target_outside_is_refused(self):
        self.assertRaises(ValueError, self.flow.set_target, item('q'))
