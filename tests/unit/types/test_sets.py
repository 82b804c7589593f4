# SPDX-License-Identifier: Apache-2.0
"""A set that keeps the order of its elements."""

from __future__ import annotations

import copy
import pickle

import testtools

from tfd.types.sets import OrderedSet


class OrderedSetTest(testtools.TestCase):
    def test_order_of_first_insertion(self):
        self.assertEqual(['c', 'a', 'b'], list(OrderedSet('cacab')))
        self.assertEqual("OrderedSet(['c', 'a'])", repr(OrderedSet('ca')))

    def test_it_is_a_set(self):
        self.assertEqual({'a', 'b'}, OrderedSet('ba'))
        self.assertEqual(OrderedSet('ab'), OrderedSet('ba'))
        self.assertEqual(hash(OrderedSet('ab')), hash(OrderedSet('ba')))
        self.assertIn('a', OrderedSet('ab'))
        self.assertEqual(2, len(OrderedSet('ab')))
        self.assertLess(OrderedSet('a'), {'a', 'b'})
        self.assertEqual({'b'}, OrderedSet('ab') - {'a'})
        self.assertEqual({'a', 'b', 'c'}, OrderedSet('ab') | {'c'})

    def test_operations_keep_the_order(self):
        self.assertEqual(['c', 'a', 'b'], list(OrderedSet('ca').union('ab')))
        self.assertEqual(['c', 'b'], list(OrderedSet('cab').intersection('bc', 'cba')))
        self.assertEqual(['c', 'b'], list(OrderedSet('cab').difference('a', 'x')))
        self.assertEqual(['c', 'a'], list(OrderedSet('ca').copy()))
        self.assertIsInstance(OrderedSet('ca') & {'c'}, OrderedSet)

    def test_subsets(self):
        self.assertTrue(OrderedSet('a').issubset('ab'))
        self.assertFalse(OrderedSet('ac').issubset('ab'))
        self.assertTrue(OrderedSet('ab').issuperset('a'))
        self.assertFalse(OrderedSet('ab').issuperset('c'))

    def test_it_can_be_copied_and_pickled(self):
        self.assertEqual(['c', 'a'], list(copy.deepcopy(OrderedSet('ca'))))
        self.assertEqual(['c', 'a'], list(pickle.loads(pickle.dumps(OrderedSet('ca')))))
