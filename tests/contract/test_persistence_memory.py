# SPDX-License-Identifier: Apache-2.0
"""The memory backend keeps the contract of a persistence backend."""

from __future__ import annotations

import testtools

from tfd.jobs.ports import JobStore
from tfd.persistence.base import Backend
from tfd.persistence.memory import MemoryBackend
from tfd.testing.jobs import FakeJobStore
from tfd.testing.logbooks import ConnectionContract
from tfd.testing.persistence import JournalContract


class _Memory:
    """Nothing is shared between two of them, nothing is encoded, and no history is kept."""

    shared = False
    encodes = False
    remembers = False

    def make_backend(self) -> Backend:
        self._store = FakeJobStore()
        return MemoryBackend({}, fences=self._store)

    def make_jobs(self, backend: Backend) -> JobStore:
        return self._store


class MemoryJournalTest(_Memory, JournalContract, testtools.TestCase):
    pass


class MemoryConnectionTest(_Memory, ConnectionContract, testtools.TestCase):
    pass
