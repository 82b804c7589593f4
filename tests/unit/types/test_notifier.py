# SPDX-License-Identifier: Apache-2.0
"""Notifiers: who is told of what."""

from __future__ import annotations

import logging
from typing import Any

import testtools

from tfd.types import notifier


class _WithNotifier(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.told: list[Any] = []
        self.notifier = notifier.Notifier()
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)

    def listen(self, event: str, *args: Any, **kwargs: Any) -> None:
        self.told.append((event, args, kwargs))


class NotifierTest(_WithNotifier):
    def test_the_event_and_the_details_are_told(self):
        self.notifier.register('e', self.listen)
        self.notifier.notify('e', {'a': 1})
        self.notifier.notify('other', {})
        self.assertEqual([('e', (), {'details': {'a': 1}})], self.told)

    def test_extra_arguments_are_passed_on(self):
        self.notifier.register('e', self.listen, args=[1, 2], kwargs={'k': 3})
        self.notifier.notify('e', {})
        self.assertEqual([('e', (1, 2), {'k': 3, 'details': {}})], self.told)

    def test_any(self):
        self.notifier.register(notifier.Notifier.ANY, self.listen)
        for event in ('e', 'f'):
            self.notifier.notify(event, {})
        self.assertEqual(['e', 'f'], [item[0] for item in self.told])

    def test_any_is_no_event(self):
        self.notifier.register(notifier.Notifier.ANY, self.listen)
        self.notifier.notify(notifier.Notifier.ANY, {})
        self.assertEqual([], self.told)

    def test_a_filter_on_details(self):
        self.notifier.register('e', self.listen, details_filter=lambda details: details['n'] > 1)
        for number in range(4):
            self.notifier.notify('e', {'n': number})
        self.assertEqual([2, 3], [item[2]['details']['n'] for item in self.told])

    def test_each_listener_has_details_of_its_own(self):
        self.notifier.register('e', lambda event, details: details.clear())
        self.notifier.register('e', self.listen)
        details = {'a': 1}
        self.notifier.notify('e', details)
        self.assertEqual([{'a': 1}], [item[2]['details'] for item in self.told])
        self.assertEqual({'a': 1}, details)

    def test_what_a_listener_raises_is_left_aside(self):
        self.notifier.register('e', lambda event, details: 1 // 0)
        self.notifier.register('e', self.listen)
        self.notifier.notify('e', {})
        self.assertEqual(1, len(self.told))

    def test_a_listener_that_takes_no_details_is_left_aside(self):
        self.notifier.register('e', lambda event, other: None)
        self.notifier.notify('e', {})

    def test_what_is_wrong_is_refused(self):
        register = self.notifier.register
        self.assertRaises(ValueError, register, 'e', 5)
        self.assertRaises(ValueError, register, 'e', self.listen, details_filter=5)
        self.assertRaises(KeyError, register, 'e', self.listen, kwargs={'details': 1})
        for wrong in ({'args': 5}, {'kwargs': 5}, {'kwargs': 'ab'}):
            error = self.assertRaises(TypeError, register, 'e', self.listen, **wrong)
            self.assertIn('args and kwargs of an event callback must be a list and a mapping', str(error))
        self.assertEqual(0, len(self.notifier))
        register('e', self.listen)
        self.assertRaisesRegex(ValueError, 'already registered', register, 'e', self.listen)
        register('f', self.listen)
        register('e', self.listen, details_filter=bool)

    def test_deregister(self):
        self.notifier.register('e', self.listen)
        self.assertTrue(self.notifier.is_registered('e', self.listen))
        self.assertFalse(self.notifier.deregister('f', self.listen))
        self.assertFalse(self.notifier.deregister('e', self.listen, details_filter=bool))
        self.assertTrue(self.notifier.deregister('e', self.listen))
        self.assertFalse(self.notifier.deregister('e', self.listen))
        self.assertFalse(self.notifier.is_registered('e', self.listen))
        self.assertEqual(0, len(self.notifier))

    def test_deregister_event_and_reset(self):
        self.notifier.register('e', self.listen)
        self.notifier.register('e', print)
        self.notifier.register('f', print)
        self.assertEqual(3, len(self.notifier))
        self.assertEqual(2, self.notifier.deregister_event('e'))
        self.assertEqual(0, self.notifier.deregister_event('e'))
        self.notifier.reset()
        self.assertEqual(0, len(self.notifier))

    def test_a_listener_may_deregister_itself(self):
        def once(event: str, details: Any) -> None:
            self.told.append(event)
            self.notifier.deregister('e', once)

        self.notifier.register('e', once)
        self.notifier.register('e', self.listen)
        for _ in range(2):
            self.notifier.notify('e', {})
        self.assertEqual(3, len(self.told))

    def test_copy(self):
        self.notifier.register('e', self.listen)
        other = self.notifier.copy()
        other.register('e', print)
        self.assertTrue(other.is_registered('e', self.listen))
        self.assertFalse(self.notifier.is_registered('e', print))

    def test_listeners(self):
        self.notifier.register('e', self.listen, args=[1], kwargs={'k': 2}, details_filter=bool)
        [(event, [listener])] = list(self.notifier.listeners_iter())
        self.assertEqual(('e', (1,), {'k': 2}, bool),
                         (event, listener.args, listener.kwargs, listener.details_filter))
        self.assertEqual(self.listen, listener.callback)
        self.assertEqual(listener, notifier.Listener(self.listen, details_filter=bool))
        self.assertNotEqual(listener, notifier.Listener(self.listen))
        self.assertNotEqual(listener, 5)
        self.assertIn('listen', repr(listener))


class ForAWhileTest(_WithNotifier):
    def test_a_listener_listens_for_as_long_as_the_statement_lasts(self):
        with notifier.register_deregister(self.notifier, 'e', self.listen, args=[1], details_filter=bool):
            self.notifier.notify('e', {})
            self.notifier.notify('e', {'a': 1})
        self.notifier.notify('e', {'a': 2})
        self.assertEqual([('e', (1,), {'details': {'a': 1}})], self.told)

    def test_also_where_that_ends_badly(self):
        def end_badly() -> None:
            with notifier.register_deregister(self.notifier, 'e', self.listen):
                raise OSError

        self.assertRaises(OSError, end_badly)
        self.assertFalse(self.notifier)

    def test_nobody_may_listen(self):
        with notifier.register_deregister(self.notifier, 'e'):
            self.assertFalse(self.notifier)


class RestrictedTest(testtools.TestCase):
    def test_only_its_events(self):
        restricted = notifier.RestrictedNotifier(['e'])
        restricted.register('e', print)
        restricted.register(notifier.Notifier.ANY, print)
        self.assertRaisesRegex(ValueError, "'f'", restricted.register, 'f', print)
        self.assertEqual(['e'], list(restricted.events_iter()))

    def test_any_may_be_refused(self):
        restricted = notifier.RestrictedNotifier(['e'], allow_any=False)
        self.assertRaises(ValueError, restricted.register, notifier.Notifier.ANY, print)
