# SPDX-License-Identifier: Apache-2.0
"""What the memory backend does otherwise than the contract lets expect."""

from __future__ import annotations

import threading

import testtools

from tfd import exceptions
from tfd.persistence import models
from tfd.persistence.memory import MemoryBackend
from tfd.persistence.record import AtomRecord, Change, Entry, Fence, FlowRecord


class MemoryBackendTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.backend = MemoryBackend()
        self.journal = self.backend.journal()
        self.journal.create(FlowRecord('f', None, 'f'), [AtomRecord('f', 0, 'u', 'a', 'task')])

    def test_a_journal_keeps_the_object_itself(self) -> None:
        value = [threading.Lock()]
        stored = self.journal.codec.encode(value, 'a value')
        self.journal.append(Entry('f', changes=[Change(0, ('result',), (stored,))]))
        self.assertIs(value, self.journal.codec.decode(self.journal.load('f').atoms[0].result))

    def test_a_connection_gives_copies_and_shares_what_cannot_be_copied(self) -> None:
        lock, value = threading.Lock(), [1]
        for result in (lock, value):
            self.journal.append(Entry('f', changes=[Change(0, ('result',), (result,))]))
            found = self.backend.get_connection().get_atom_details('u').results
            self.assertEqual(result, found)
            self.assertEqual(result is lock, found is result)

    def test_a_loaded_snapshot_does_not_change(self) -> None:
        before = self.journal.load('f')
        self.journal.append(Entry('f', changes=[Change(0, ('state',), ('SUCCESS',))]))
        self.assertIsNone(before.atoms[0].state)

    def test_without_a_job_store_every_fence_is_lost(self) -> None:
        entry = Entry('f', fence=Fence('job', 1))
        self.assertRaises(exceptions.OwnershipLost, self.journal.append, entry)

    def test_a_failed_save_is_undone(self) -> None:
        connection = self.backend.get_connection()
        book, flow = models.LogBook('b'), models.FlowDetail('f2', 'f2')
        book.add(flow)

        class Bad(models.TaskDetail):
            @property
            def state(self) -> str:
                raise ValueError('no state')

            @state.setter
            def state(self, value: object) -> None:
                pass

        flow.add(models.TaskDetail('good'))
        flow.add(Bad('bad'))
        self.assertRaises(ValueError, connection.save_logbook, book)
        self.assertEqual([], list(connection.get_logbooks()))
        self.assertRaises(exceptions.NotFound, connection.get_flow_details, 'f2')
