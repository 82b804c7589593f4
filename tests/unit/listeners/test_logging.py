# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging

import fixtures
import testtools

from tests.unit.listeners import engines
from tfd.listeners import logging as listeners


class LoggingListenerTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(
            level=logging.DEBUG, format='%(levelname)s %(name)s %(message)s'))

    def _lines(self, name: str) -> list[str]:
        return [line for line in self.log.output.splitlines() if name in line]

    def test_logs_at_debug_by_default(self) -> None:
        engine = engines.succeeding()
        with listeners.LoggingListener(engine):
            engine.run()
        lines = self._lines('tfd.listeners.logging')
        self.assertEqual(4, len(lines))
        self.assertEqual({'DEBUG'}, {line.split()[0] for line in lines})

    def test_logs_to_the_given_logger_at_the_given_level(self) -> None:
        engine = engines.succeeding()
        with listeners.LoggingListener(engine, log=logging.getLogger('mine'), level=logging.INFO):
            engine.run()
        self.assertEqual(4, len(self._lines('INFO mine')))
        self.assertEqual([], self._lines('tfd.listeners.logging'))

    def test_logs_the_traceback_of_a_failure(self) -> None:
        engine = engines.failing()
        with listeners.LoggingListener(engine):
            engines.run(engine)
        self.assertEqual(1, self.log.output.count('ValueError: no\n'
                                                  'DEBUG'))
        self.assertIn('Traceback (most recent call last)', self.log.output)
