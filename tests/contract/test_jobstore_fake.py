# SPDX-License-Identifier: Apache-2.0
"""The fake job store keeps the contract that the drivers keep."""

from __future__ import annotations

import testtools

from tfd.jobs.ports import JobStore
from tfd.testing.clock import FakeClock
from tfd.testing.jobs import FakeJobStore
from tfd.testing.jobstore import JobStoreContract


class FakeJobStoreTest(JobStoreContract, testtools.TestCase):
    shared = False
    encodes = False

    def make_store(self, clock: FakeClock) -> JobStore:
        return FakeJobStore(clock.wall)
