# SPDX-License-Identifier: Apache-2.0
import logging

import fixtures
import testtools

from tfd.types import logger


class LazyLoggerTest(testtools.TestCase):

    def test_is_the_logger_of_its_name(self):
        log = self.useFixture(fixtures.FakeLogger('tfd.test_logger'))
        logger.LazyLogger('tfd.test_logger').warning('%s is late', 'it')
        self.assertEqual('it is late\n', log.output)
        self.assertEqual(logging.getLogger('tfd.test_logger').handlers, logger.LazyLogger('tfd.test_logger').handlers)

    def test_tells_where_something_was_logged(self):
        log = self.useFixture(fixtures.FakeLogger('tfd.test_logger', format='%(funcName)s'))
        logger.LazyLogger('tfd.test_logger').warning('here')
        self.assertEqual('test_tells_where_something_was_logged\n', log.output)
