# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
import re
from typing import Any

import fixtures
import testtools

from tests.unit.listeners import engines
from tfd import formatters
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

    def test_what_cannot_log_is_refused(self) -> None:
        for make in (listeners.LoggingListener, listeners.DynamicLoggingListener):
            error = self.assertRaises(TypeError, make, engines.succeeding(), log=5)
            self.assertEqual('log must be a logger, not 5 (int)', str(error))
            error = self.assertRaises(TypeError, make, engines.succeeding(), level='x')
            self.assertEqual("level must be a number, as logging.INFO is, not 'x' (str)", str(error))
        self.assertRaises(TypeError, listeners.DynamicLoggingListener, engines.succeeding(), failure_level='x')

    def test_logs_the_traceback_of_a_failure(self) -> None:
        engine = engines.failing()
        with listeners.LoggingListener(engine):
            engines.run(engine)
        self.assertEqual(1, self.log.output.count('ValueError: no\n'
                                                  'DEBUG'))
        self.assertIn('Traceback (most recent call last)', self.log.output)


class DynamicLoggingListenerTest(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(
            'tfd.listeners', level=logging.DEBUG, format='%(levelname)s %(message)s'))

    def _run(self, engine: Any, **options: Any) -> list[str]:
        with listeners.DynamicLoggingListener(engine, **options):
            engines.run(engine)
        return str(self.log.output).splitlines()

    def test_logs_at_debug_while_all_goes_well(self) -> None:
        lines = self._run(engines.succeeding())
        self.assertEqual(['DEBUG'] * 4, [line.split()[0] for line in lines])
        self.assertIn("task 'a' (", lines[2])
        self.assertIn('with the result 1', lines[2])

    def test_logs_failures_and_reverts_at_warning(self) -> None:
        lines = [line for line in self._run(engines.failing()) if line.startswith('WARNING')]
        self.assertEqual(
            ["task 'b' is FAILURE", "task 'b' is REVERTED", "task 'a' is REVERTED", "flow 'f' is REVERTED"],
            [re.sub(r'^WARNING (.*) \(.*\) (is \w+) .*', r'\1 \2', line) for line in lines])

    def test_a_failure_comes_with_its_traceback_and_what_ran_before(self) -> None:
        output = '\n'.join(self._run(engines.failing()))
        self.assertEqual(1, output.count('\nValueError: no\n'))
        self.assertIn("predecessors, the nearest first:\n  task 'a' {", output)

    def test_levels_can_be_chosen(self) -> None:
        lines = self._run(engines.failing(), level=logging.INFO, failure_level=logging.ERROR)
        levels = {line.split()[0] for line in lines if line.split()[0].isupper()}
        self.assertEqual({'INFO', 'ERROR'}, levels)

    def test_masks_and_hides(self) -> None:
        self.assertIn('with the result ***', self._run(engines.succeeding(), mask_outputs_keys=['q'])[2])

    def test_hides_results(self) -> None:
        self.assertNotIn('result', '\n'.join(self._run(engines.succeeding(), hide_inputs_outputs_of=['a'])))

    def test_failures_can_be_put_into_other_words(self) -> None:
        class Short(formatters.FailureFormatter):
            def format(self, fail: Any, atom_matcher: Any) -> Any:
                return None, 'in other words'

        engine = engines.failing()
        output = '\n'.join(self._run(engine, fail_formatter=Short(engine)))
        self.assertIn('in other words', output)
        self.assertNotIn('Traceback', output)
