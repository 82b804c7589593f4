# SPDX-License-Identifier: Apache-2.0
"""What a callable takes."""

from __future__ import annotations

import functools

import testtools

from tfd.types import signature


class SignatureTest(testtools.TestCase):
    def test_kinds_of_arguments(self):
        def function(a, b=1, *args, c, d=2, **kwargs):
            """Take all kinds."""

        found = signature.read(function)
        self.assertEqual((('a', 'c'), ('b', 'd'), True), (found.required, found.optional, found.open))
        self.assertEqual(('c',), signature.read(function, bound=True).required)

    def test_what_is_callable(self):
        class Callable:
            def __call__(self, x):
                """Take x."""

            def method(self, y):
                """Take y."""

        self.assertEqual(('x',), signature.read(Callable()).required)
        self.assertEqual(('y',), signature.read(Callable().method).required)
        self.assertEqual(('self', 'y'), signature.read(Callable.method).required)
        self.assertEqual(('y',), signature.read(functools.partial(lambda x, y: None, 1)).required)

    def test_what_cannot_be_hashed(self):
        class Unhashable:
            __hash__ = None

            def __call__(self, x):
                """Take x."""

        self.assertEqual(('x',), signature.read(Unhashable()).required)
        self.assertEqual(('x',), signature.read(Unhashable()).required)
