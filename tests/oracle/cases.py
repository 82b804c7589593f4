# SPDX-License-Identifier: Apache-2.0
"""What tests that need TaskFlow are based on."""

from __future__ import annotations

import logging

import testtools

from tests.functional.servers import process
from tests.oracle import environment, pool

__all__ = ['OracleCase']


class OracleCase(testtools.TestCase):
    """Has processes with TaskFlow; skipped where there can be none, failed where CI says that there must be."""

    def setUp(self) -> None:
        super().setUp()
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)
        try:
            python = environment.python()
        except environment.NotMade as err:
            raise process.absent('TaskFlow', str(err)) from err
        self.workers = pool.Pool(python)
        self.addCleanup(self.workers.close)
