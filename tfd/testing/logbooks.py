# SPDX-License-Identifier: Apache-2.0
"""What the logbooks of every persistence backend must keep, for a driver's test to mix in."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from tfd import exceptions, states
from tfd.jobs import record as jobs_record
from tfd.persistence import base, models
from tfd.persistence.record import AtomRecord, Change, DecisionRecord, Entry, Fence, FlowRecord, Settlement
from tfd.testing.persistence import BackendCase, Colour, failed

__all__ = ['ConnectionContract']


class ConnectionContract(BackendCase):
    """Tests of :class:`tfd.persistence.base.Connection`, for a :class:`testtools.TestCase` to mix in."""

    def setUp(self) -> None:
        """Store a book with a flow of a task and a retry."""
        super().setUp()
        self.connection = self.backend.get_connection()
        self.addCleanup(self.connection.close)
        self.book = models.LogBook('a-book')
        self.book.meta = {'kept': True}
        self.flow = models.FlowDetail('a-flow', str(uuid.uuid4()))
        self.flow.state = 'RUNNING'
        self.flow.meta = {'factory': {'name': 'f'}}
        self.task = models.TaskDetail('a-task', str(uuid.uuid4()))
        self.task.put(states.FAILURE, failed())
        self.task.version = '1.1'
        self.task.meta = {'progress': 0.5}
        self.retry = models.RetryDetail('a-retry', str(uuid.uuid4()))
        self.retry.put(states.SUCCESS, 5)
        self.retry.last_failures['a-task'] = failed()
        self.flow.add(self.task)
        self.flow.add(self.retry)
        self.book.add(self.flow)
        self.saved = self.connection.save_logbook(self.book)

    def read(self) -> base.Connection:
        """Return a connection of another backend of the same place."""
        connection = self.another().get_connection()
        self.addCleanup(connection.close)
        return connection

    def same_atom(self, expected: models.AtomDetail, found: models.AtomDetail | None) -> None:
        """Check that two details say the same."""
        assert found is not None
        self.assertIs(type(expected), type(found))
        self.assertEqual(expected.to_dict(), found.to_dict())

    def test_a_connection_knows_its_backend(self) -> None:
        self.assertIs(self.backend, self.connection.backend)

    def test_a_usable_backend_is_valid(self) -> None:
        self.connection.upgrade()
        self.assertIsInstance(self.connection.validate(), str)

    def test_a_book_comes_back(self) -> None:
        found = self.read().get_logbook(self.book.uuid)
        self.assertEqual(('a-book', {'kept': True}, 1), (found.name, found.meta, len(found)))
        assert found.created_at is not None and self.book.created_at is not None
        self.assertAlmostEqual(0, abs((found.created_at - self.book.created_at).total_seconds()), places=3)
        (flow,) = found
        self.assertEqual(('a-flow', 'RUNNING', {'factory': {'name': 'f'}}, 2), (flow.name, flow.state, flow.meta,
            len(flow)))
        self.same_atom(self.task, flow.find(self.task.uuid))
        self.same_atom(self.retry, flow.find(self.retry.uuid))

    def test_saving_returns_the_book_as_stored(self) -> None:
        self.assertEqual((self.book.uuid, 1), (self.saved.uuid, len(self.saved)))
        (flow,) = self.saved
        self.same_atom(self.task, flow.find(self.task.uuid))

    def test_what_is_read_is_a_copy(self) -> None:
        found = self.connection.get_logbook(self.book.uuid)
        found.meta['new'] = 1
        for flow in found:
            for atom in flow:
                atom.meta['progress'] = 1.0
        again = self.connection.get_logbook(self.book.uuid)
        self.assertEqual({'kept': True}, again.meta)
        self.same_atom(self.task, self.connection.get_atom_details(self.task.uuid))

    def test_progress_is_shown_where_no_task_told_any(self) -> None:
        shown = {}
        for state in (states.PENDING, states.SUCCESS, states.FAILURE, states.REVERTED):
            task = models.TaskDetail(state, str(uuid.uuid4()))
            task.state = state
            self.flow.add(task)
            shown[task.uuid] = {} if state == states.PENDING else {'progress': float(state != states.FAILURE)}
        self.connection.save_logbook(self.book)
        self.connection.save_logbook(self.read().get_logbook(self.book.uuid))
        (flow,) = self.read().get_logbook(self.book.uuid)
        self.assertEqual(
            {**shown, self.task.uuid: {'progress': 0.5}, self.retry.uuid: {}}, {atom.uuid: atom.meta for atom in flow})
        stored = self.backend.journal().load(self.flow.uuid).atoms
        self.assertEqual([self.task.uuid], [atom.uuid for atom in stored if atom.meta is not None])

    def test_nothing_else_can_be_stored(self) -> None:
        for call, what in (
                (self.connection.save_logbook, 'a logbook'), (self.connection.update_flow_details, 'a flow detail'),
                (self.connection.update_atom_details, 'an atom detail')):
            with self.assertRaises(TypeError) as caught:
                call(5)  # type: ignore[arg-type]  # The mistake that is meant.
            self.assertEqual(f'{what} can be stored here, not 5 (int)', str(caught.exception))

    def test_a_lazy_book_has_no_flows(self) -> None:
        self.assertEqual(0, len(self.connection.get_logbook(self.book.uuid, lazy=True)))

    def test_a_lazy_flow_has_no_atoms(self) -> None:
        self.assertEqual(0, len(self.connection.get_flow_details(self.flow.uuid, lazy=True)))
        self.assertEqual(2, len(self.connection.get_flow_details(self.flow.uuid)))
        self.assertEqual([0], [len(flow) for flow in self.connection.get_flows_for_book(self.book.uuid, lazy=True)])

    def test_every_book(self) -> None:
        other = models.LogBook('another')
        self.connection.save_logbook(other)
        self.assertEqual({self.book.uuid, other.uuid}, {book.uuid for book in self.read().get_logbooks()})
        self.assertEqual({0}, {len(book) for book in self.connection.get_logbooks(lazy=True)})

    def test_flows_of_a_book(self) -> None:
        self.assertEqual([self.flow.uuid], [flow.uuid for flow in self.read().get_flows_for_book(self.book.uuid)])
        self.assertEqual([], list(self.connection.get_flows_for_book(str(uuid.uuid4()))))

    def test_atoms_of_a_flow(self) -> None:
        found = {atom.uuid: atom for atom in self.read().get_atoms_for_flow(self.flow.uuid)}
        self.assertEqual({self.task.uuid, self.retry.uuid}, set(found))
        self.same_atom(self.retry, found[self.retry.uuid])
        self.assertEqual([], list(self.connection.get_atoms_for_flow(str(uuid.uuid4()))))

    def test_saving_again_merges(self) -> None:
        book = models.LogBook('renamed', uuid=self.book.uuid)
        book.meta = {'kept': False}
        book.add(models.FlowDetail('second', str(uuid.uuid4())))
        saved = self.connection.save_logbook(book)
        found = self.read().get_logbook(self.book.uuid)
        self.assertEqual(('a-book', {'kept': False}, 2, 2), (found.name, found.meta, len(found), len(saved)))

    def test_saving_again_updates_atoms_and_adds_new_ones(self) -> None:
        self.task.put(states.SUCCESS, [1])
        self.flow.state = 'SUCCESS'
        new = models.TaskDetail('new', str(uuid.uuid4()))
        self.flow.add(new)
        self.connection.save_logbook(self.book)
        found = self.read().get_flow_details(self.flow.uuid)
        self.assertEqual(('SUCCESS', 3), (found.state, len(found)))
        self.same_atom(self.task, found.find(self.task.uuid))
        self.same_atom(new, found.find(new.uuid))

    def test_updating_a_flow(self) -> None:
        flow = models.FlowDetail('a-flow', self.flow.uuid)
        flow.state, flow.meta = 'SUSPENDED', {'x': (1, 2)}
        self.connection.update_flow_details(flow)
        found = self.read().get_flow_details(self.flow.uuid)
        self.assertEqual(('SUSPENDED', {'x': (1, 2)}, 2), (found.state, found.meta, len(found)))
        self.assertEqual(1, len(self.connection.get_logbook(self.book.uuid)))

    def test_updating_an_atom(self) -> None:
        self.task.put(states.SUCCESS, {'id': b'7'})
        self.task.meta['progress'] = 1.0
        self.connection.update_atom_details(self.task)
        self.same_atom(self.task, self.read().get_atom_details(self.task.uuid))
        self.retry.reset(states.PENDING)
        self.same_atom(self.retry, self.connection.update_atom_details(self.retry))

    def test_an_atom_stays_what_it_is(self) -> None:
        other = models.FlowDetail('a-flow', self.flow.uuid)
        other.add(models.RetryDetail('a-task', self.task.uuid))
        book = models.LogBook('a-book', self.book.uuid)
        book.add(other)
        self.assertRaises(exceptions.NotImplementedError, self.connection.save_logbook, book)
        self.assertRaises(
            exceptions.NotImplementedError, self.connection.update_atom_details,
            models.RetryDetail('a-task', self.task.uuid))
        self.same_atom(self.task, self.read().get_atom_details(self.task.uuid))

    def test_what_does_not_exist(self) -> None:
        nothing = str(uuid.uuid4())
        connection = self.connection
        for call in (connection.get_logbook, connection.get_flow_details, connection.get_atom_details,
                     connection.destroy_logbook):
            self.assertRaises(exceptions.NotFound, call, nothing)
        self.assertRaises(exceptions.NotFound, connection.update_flow_details, models.FlowDetail('f', nothing))
        self.assertRaises(exceptions.NotFound, connection.update_atom_details, models.TaskDetail('t', nothing))

    def test_a_destroyed_book_is_gone_with_all_that_was_in_it(self) -> None:
        other = models.LogBook('another')
        other.add(models.FlowDetail('f', str(uuid.uuid4())))
        self.connection.save_logbook(other)
        self.connection.destroy_logbook(self.book.uuid)
        reader = self.read()
        self.assertEqual([other.uuid], [book.uuid for book in reader.get_logbooks()])
        self.assertRaises(exceptions.NotFound, reader.get_flow_details, self.flow.uuid)
        self.assertRaises(exceptions.NotFound, reader.get_atom_details, self.task.uuid)
        self.assertEqual(1, len(reader.get_logbook(other.uuid)))

    def test_clearing_removes_all_that_no_job_owns(self) -> None:
        self.connection.clear_all()
        reader = self.read()
        self.assertEqual([], list(reader.get_logbooks()))
        self.assertRaises(exceptions.NotFound, reader.get_atom_details, self.task.uuid)

    # -- whose the flow is -----------------------------------------------------------------------

    def own(self) -> jobs_record.Job:
        """Return a claimed job whose flow is recorded in its book; ``self.book`` is that book from now on."""
        job = self.claimed()
        self.book = models.LogBook('a job', uuid=job.book_uuid)
        self.flow = models.FlowDetail('a-flow', job.flow_uuid)
        atoms = [AtomRecord(job.flow_uuid, 0, str(uuid.uuid4()), 'a-task', 'task')]
        flow = FlowRecord(job.flow_uuid, job.book_uuid, 'a-flow', 'RUNNING')
        self.backend.journal().create(flow, atoms, Fence(job.id, job.epoch))
        return job

    def refused(self, job: jobs_record.Job, call: Callable[..., object], *args: object) -> None:
        """Check that a call is refused, and changes nothing."""
        before = self.backend.journal().load(job.flow_uuid), self.connection.get_logbook(job.book_uuid).meta
        with self.assertRaises(exceptions.InvalidState) as caught:
            call(*args)
        error = caught.exception
        assert isinstance(error, exceptions.FlowOwned)
        self.assertEqual((job.flow_uuid, job.id, job.owner), (error.flow, error.job, error.owner))
        after = self.backend.journal().load(job.flow_uuid), self.connection.get_logbook(job.book_uuid).meta
        self.assertEqual((before, job.epoch), (after, self.jobs.get(job.id).epoch))

    def test_a_flow_whose_job_is_claimed_is_its_owners(self) -> None:
        job = self.own()
        changed = self.connection.get_flow_details(job.flow_uuid)
        changed.state = 'SUCCESS'
        self.refused(job, self.connection.update_flow_details, changed)
        (task,) = self.connection.get_atoms_for_flow(job.flow_uuid)
        task.put(states.SUCCESS, 7)
        self.refused(job, self.connection.update_atom_details, task)
        self.refused(job, self.connection.destroy_logbook, job.book_uuid)

    def test_a_book_is_not_saved_with_changes_of_such_a_flow(self) -> None:
        job = self.own()
        for change in ('state', 'meta', 'atom', 'more'):
            book = self.connection.get_logbook(job.book_uuid)
            book.meta = {'changed': change}
            (flow,) = book
            if change == 'state':
                flow.state = 'SUCCESS'
            elif change == 'meta':
                flow.meta['new'] = 1
            elif change == 'atom':
                for task in flow:
                    task.put(states.SUCCESS, 7)
            else:
                flow.add(models.TaskDetail('new', str(uuid.uuid4())))
            self.refused(job, self.connection.save_logbook, book)

    def test_the_metadata_of_its_book_is_free(self) -> None:
        job = self.own()
        for lazy in (True, False):
            book = self.connection.get_logbook(job.book_uuid, lazy=lazy)
            book.meta = {'lazy': lazy}
            book.add(models.FlowDetail('another', str(uuid.uuid4())))
            self.connection.save_logbook(book)
            self.assertEqual({'lazy': lazy}, self.read().get_logbook(job.book_uuid).meta)
        fence = Fence(job.id, job.epoch)
        self.backend.journal().append(Entry(job.flow_uuid, fence, columns=('state',), values=('SUCCESS',)))

    def test_saving_it_as_it_is_does_nothing(self) -> None:
        job = self.own()
        fence = Fence(job.id, job.epoch)
        done = Change(0, ('state',), (states.SUCCESS,))
        self.backend.journal().append(Entry(job.flow_uuid, fence, [done]))
        seq = self.jobs.get(job.id).seq
        flow = self.connection.get_flow_details(job.flow_uuid)
        self.connection.update_flow_details(flow)
        for task in flow:
            self.connection.update_atom_details(task)
        self.connection.save_logbook(self.connection.get_logbook(job.book_uuid))
        self.assertEqual(seq, self.jobs.get(job.id).seq)

    def test_a_flow_that_its_owner_has_not_recorded_yet_is_the_owners_too(self) -> None:
        job = self.claimed()
        book = models.LogBook('b', uuid=job.book_uuid)
        book.add(models.FlowDetail('f', job.flow_uuid))
        with self.assertRaises(exceptions.FlowOwned) as caught:
            self.connection.save_logbook(book)
        self.assertEqual(job.id, caught.exception.job)
        self.assertRaises(exceptions.NotFound, self.connection.get_logbook, job.book_uuid)

    def test_it_can_be_changed_when_the_job_is_given_back(self) -> None:
        for state in (states.UNCLAIMED, states.PARKED, states.COMPLETE):
            job = self.own()
            self.jobs.settle(Fence(job.id, job.epoch), Settlement(job.claim_id, state))
            flow = self.connection.get_flow_details(job.flow_uuid)
            flow.state = 'SUSPENDED'
            self.connection.update_flow_details(flow)
            (task,) = flow
            task.put(states.SUCCESS, 7)
            self.connection.update_atom_details(task)
            self.assertEqual('SUSPENDED', self.read().get_flow_details(job.flow_uuid).state)
            self.connection.destroy_logbook(job.book_uuid)
            self.assertEqual((state, 1), (self.jobs.get(job.id).state, self.jobs.get(job.id).attempts))

    def test_a_value_that_cannot_be_stored_stores_nothing(self) -> None:
        if not self.encodes:
            self.skipTest('everything can be stored here')
        self.task.put(states.SUCCESS, Colour())
        self.flow.state = 'SUCCESS'
        self.assertRaises(exceptions.NotStorable, self.connection.save_logbook, self.book)
        self.assertEqual('RUNNING', self.read().get_flow_details(self.flow.uuid).state)

    def test_the_journal_and_the_connection_see_the_same(self) -> None:
        journal = self.backend.journal()
        number = next(a.number for a in journal.load(self.flow.uuid).atoms if a.uuid == self.task.uuid)
        value = journal.codec.encode([7], 'result')
        journal.append(Entry(self.flow.uuid, changes=[Change(number, ('state', 'result', 'failure'), ('SUCCESS', value,
            None))]))
        found = self.connection.get_atom_details(self.task.uuid)
        self.assertEqual(('SUCCESS', [7], None), (found.state, found.results, found.failure))

    def test_saving_keeps_what_only_the_journal_knows(self) -> None:
        journal = self.backend.journal()
        decision = DecisionRecord(self.flow.uuid, 's', 1, 'a')
        journal.append(Entry(self.flow.uuid, columns=('digest',), values=('d',), decisions=[decision]))
        self.connection.save_logbook(self.book)
        found = journal.load(self.flow.uuid)
        self.assertEqual(('d', [decision]), (found.flow.digest, list(found.decisions)))
