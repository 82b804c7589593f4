# SPDX-License-Identifier: Apache-2.0
"""What the journal of every persistence backend must keep, for a driver's test to mix in; how such a test makes one."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import threading
import unittest
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tfd import exceptions, states
from tfd.jobs import ports
from tfd.jobs import record as jobs_record
from tfd.persistence import base
from tfd.persistence.record import (
    AtomRecord,
    Change,
    DecisionRecord,
    Entry,
    Fence,
    FlowRecord,
    Settlement,
    Snapshot,
)
from tfd.testing.clock import FakeClock
from tfd.types import failure as ft
from tfd.types.secret import Secret

__all__ = ['BackendCase', 'Colour', 'JournalContract', 'Volume', 'failed', 'storable_values']

if TYPE_CHECKING:
    _Base = unittest.TestCase
else:
    _Base = object


@dataclasses.dataclass(frozen=True)
class Volume:
    """A value of a user's own type, for tests."""

    name: str
    size: int = 1


class Colour:
    """A value that no codec knows, for tests."""


def failed(error: Exception | None = None) -> ft.Failure:
    """Return a failure with a traceback."""
    try:
        raise error or ValueError('it went wrong')
    except Exception:
        return ft.Failure()


def storable_values() -> list[Any]:
    """Return values that come back from every backend as equals, of the same type."""
    return [
        None, True, 0, -1, 2 ** 70, 1.5, float('inf'), '', 'text', 'a\0b', '\ud800', 'ünï😀', [], {},
        [1, [2, {'a': None}]], {'a': {'b': [1]}}, (), (1, (2, 3)), {1, 2}, frozenset((1,)),
        {1: 'a', None: 'b', (1, 2): 'c'},
        {'$': 1}, {'$': ['tuple', 1]}, {'a': {'$': {'$': []}}}, b'', b'\x00\xff', bytearray(b'x'),
        datetime.datetime(2026, 2, 3, 4, 5, 6, 7), datetime.datetime(2026, 2, 3, tzinfo=datetime.UTC),
        datetime.date(2026, 2, 3), datetime.time(1, 2, 3, 4), datetime.timedelta(-1, 2, 3), uuid.UUID(int=7),
        decimal.Decimal('1.10'), Volume('v', 3), [Volume('v'), {'k': (Volume('w', 2), b'1')}], 'x' * 100_000,
    ]


class BackendCase(_Base):
    """A backend, with a job store whose jobs guard it; see :mod:`tfd.testing.logbooks` for another contract of it.

    :cvar shared: several backends can be made of one place, which outlives each of them.
    :cvar fences: a job can own a flow, whose entries have a fence; without it every fence is lost.
    :cvar encodes: values go through a codec that copies them and refuses some.
    :cvar remembers: the steps of jobs are kept as a history.
    """

    shared = True
    remembers = True
    encodes = True
    fences = True

    def make_backend(self) -> base.Backend:
        """Return a backend whose schema is in place; called again in the same test, another one of the same place."""
        raise NotImplementedError

    def make_jobs(self, backend: base.Backend) -> ports.JobStore:
        """Return the job store whose claims the fences of this backend belong to."""
        raise NotImplementedError

    def setUp(self) -> None:
        """Make an empty backend, ``self.backend``."""
        super().setUp()
        self.clock = FakeClock()
        self.backend = self.make_backend()
        self.addCleanup(self.backend.close)

    def another(self) -> base.Backend:
        """Return another backend of the same place, where there can be one; else the same."""
        if not self.shared:
            return self.backend
        made = self.make_backend()
        self.addCleanup(made.close)
        return made

    def claimed(self, job: jobs_record.Job | None = None, owner: str = 'c/1/a') -> jobs_record.Job:
        """Return a job that was claimed: this one, or a new one."""
        jobs = self.jobs
        if job is None:
            job_id = str(uuid.uuid4())
            (job,) = jobs.post([jobs_record.NewJob(job_id, job_id, 'a job', 'a-flow')])
        now = jobs.get(job.id)
        candidate = jobs_record.Candidate(now.id, now.epoch, now.state, now.owner, now.flow, now.version, now.attempts)
        return jobs.claim(candidate, owner, str(uuid.uuid4())).job

    @property
    def jobs(self) -> ports.JobStore:
        """The job store; a test that asks for it is skipped where there are no fences."""
        if not self.fences:
            raise unittest.SkipTest('this backend knows no jobs')
        if not hasattr(self, '_jobs'):
            self._jobs = self.make_jobs(self.backend)
        return self._jobs


class JournalContract(BackendCase):
    """Tests of :class:`tfd.persistence.base.Journal`, for a :class:`testtools.TestCase` to mix in."""

    def setUp(self) -> None:
        """Record a flow of three tasks and a retry, which no job owns."""
        super().setUp()
        self.journal = self.backend.journal()
        self.flow = str(uuid.uuid4())
        self.create()

    # -- what tests are made of ------------------------------------------------------------------

    def atoms(self, flow: str, count: int = 4) -> list[AtomRecord]:
        """Return records of new atoms; the last is a retry."""
        return [
            AtomRecord(flow, number, str(uuid.uuid4()), f'atom-{number}', 'retry' if number == count - 1 else 'task')
            for number in range(count)
        ]

    def create(self, flow: str | None = None, fence: Fence | None = None, **values: Any) -> None:
        """Record a flow with atoms."""
        flow = flow or self.flow
        values = {'book': None, 'name': 'a-flow', 'digest': 'd1', **values}
        self.journal.create(FlowRecord(uuid=flow, **values), self.atoms(flow), fence)

    def load(self) -> Snapshot:
        """Return what another backend finds of the flow."""
        return self.another().journal().load(self.flow)

    def step(self, *changes: Change, **values: Any) -> Entry:
        """Return a step of the flow."""
        return Entry(self.flow, changes=changes, **values)

    def encoded(self, value: Any) -> Any:
        """Return the stored form of a value."""
        return self.journal.codec.encode(value, 'a value')

    # -- creating and loading --------------------------------------------------------------------

    def test_a_created_flow_is_loaded(self) -> None:
        flow = str(uuid.uuid4())
        meta = self.encoded({'factory': 'f'})
        atoms = self.atoms(flow)
        self.journal.create(FlowRecord(flow, None, 'name', 'PENDING', meta, 'd'), atoms)
        found = self.another().journal().load(flow)
        self.assertEqual(('name', 'PENDING', meta, 'd'), (
            found.flow.name, found.flow.state, found.flow.meta, found.flow.digest))
        self.assertEqual(atoms, list(found.atoms))
        self.assertEqual([], list(found.decisions))
        self.assertIsNotNone(found.flow.created_at)

    def test_creating_again_keeps_what_was_recorded(self) -> None:
        self.journal.append(self.step(Change(0, ('state',), ('SUCCESS',)), columns=('state',), values=('RUNNING',)))
        before = self.load()
        self.create(digest='d2', meta=self.encoded({'a': 1}), name='other', state='PENDING')
        found = self.load()
        self.assertEqual(('RUNNING', 'd2', {'a': 1}, 'a-flow'), (
            found.flow.state, found.flow.digest, self.journal.codec.decode(found.flow.meta), found.flow.name))
        self.assertEqual(list(before.atoms), list(found.atoms))

    def test_creating_again_adds_the_atoms_that_are_new(self) -> None:
        more = [*self.atoms(self.flow)[:3], *self.atoms(self.flow, 6)[4:]]
        self.journal.create(FlowRecord(self.flow, None, 'a-flow'), more)
        self.assertEqual(list(range(6)), [atom.number for atom in self.load().atoms])

    def test_atoms_are_loaded_by_number_whatever_the_order_of_creation(self) -> None:
        flow = str(uuid.uuid4())
        self.journal.create(FlowRecord(flow, None, 'f'), self.atoms(flow, 12)[::-1])
        self.assertEqual(list(range(12)), [atom.number for atom in self.journal.load(flow).atoms])

    def test_creating_a_flow_of_a_book_makes_the_book(self) -> None:
        book = str(uuid.uuid4())
        self.create(flow=str(uuid.uuid4()), book=book)
        self.create(flow=str(uuid.uuid4()), book=book)
        self.assertEqual(2, len(self.another().get_connection().get_logbook(book)))

    def test_no_such_flow_to_load(self) -> None:
        self.assertRaises(exceptions.NotFound, self.journal.load, str(uuid.uuid4()))

    def test_a_flow_of_many_atoms(self) -> None:
        flow = str(uuid.uuid4())
        self.journal.create(FlowRecord(flow, None, 'f'), self.atoms(flow, 3000))
        self.assertEqual(3000, len(self.another().journal().load(flow).atoms))

    # -- steps -----------------------------------------------------------------------------------

    def test_a_step_records_what_it_holds_and_nothing_else(self) -> None:
        before = self.load()
        result = self.encoded({'id': 7})
        self.journal.append(self.step(
            Change(1, ('state', 'result'), ('SUCCESS', result)), Change(2, ('state',), ('RUNNING',)),
            columns=('state',), values=('RUNNING',),
            decisions=[DecisionRecord(self.flow, 'retry:3', 1, 'RETRY')]))
        found = self.load()
        self.assertEqual('RUNNING', found.flow.state)
        self.assertEqual(before.flow.created_at, found.flow.created_at)
        self.assertEqual([before.atoms[0], before.atoms[3]], [found.atoms[0], found.atoms[3]])
        self.assertEqual(dataclasses.replace(before.atoms[1], state='SUCCESS', result=result), found.atoms[1])
        self.assertEqual(dataclasses.replace(before.atoms[2], state='RUNNING'), found.atoms[2])
        self.assertEqual([DecisionRecord(self.flow, 'retry:3', 1, 'RETRY')], list(found.decisions))

    def test_a_step_may_hold_every_column(self) -> None:
        values = {
            'state': 'FAILURE', 'intention': 'REVERT', 'result': self.encoded(1), 'failure': self.encoded(failed()),
            'revert_result': self.encoded([2]), 'revert_failure': self.encoded(failed()),
            'meta': self.encoded({'p': 0.5}),
            'version': '2.0',
        }
        self.journal.append(self.step(Change(0, tuple(values), tuple(values.values()))))
        self.assertEqual(dataclasses.replace(self.atoms(self.flow)[0], uuid='', **values),
                         dataclasses.replace(self.load().atoms[0], uuid=''))

    def test_a_value_is_forgotten_by_none(self) -> None:
        self.journal.append(self.step(Change(0, ('result',), (self.encoded(1),))))
        self.journal.append(self.step(Change(0, ('result', 'state'), (None, 'PENDING'))))
        self.assertIsNone(self.load().atoms[0].result)

    def test_a_step_twice_is_as_once(self) -> None:
        step = self.step(Change(0, ('state',), ('SUCCESS',)), columns=('state',), values=('SUCCESS',),
                         decisions=[DecisionRecord(self.flow, 's', 1, 'a')])
        self.journal.append(step)
        once = self.load()
        self.journal.append(step)
        found = self.load()
        self.assertEqual((list(once.atoms), list(once.decisions)), (list(found.atoms), list(found.decisions)))

    def test_many_changes_in_one_step(self) -> None:
        flow = str(uuid.uuid4())
        self.journal.create(FlowRecord(flow, None, 'f'), self.atoms(flow, 500))
        changes = [Change(number, ('state',), ('SUCCESS',)) for number in range(500)]
        self.journal.append(Entry(flow, changes=changes[::-1]))
        self.assertEqual({'SUCCESS'}, {atom.state for atom in self.journal.load(flow).atoms})

    def test_an_empty_step(self) -> None:
        before = self.load()
        self.journal.append(self.step())
        self.assertEqual(before, self.load())

    def test_decisions_replace_and_remove_each_other(self) -> None:
        for decisions in (
            [('s', 1, 'a'), ('t', 1, 'b')], [('s', 2, 'c'), ('u', 1, 'd')], [('t', 1, ''), ('nothing', 1, '')],
            [('S', 1, 'e')],
        ):
            self.journal.append(self.step(
                decisions=[DecisionRecord(self.flow, *values) for values in decisions]))
        found = {(d.subject, d.attempt, d.answer) for d in self.load().decisions}
        self.assertEqual({('s', 2, 'c'), ('u', 1, 'd'), ('S', 1, 'e')}, found)

    def test_the_last_of_several_decisions_on_a_subject_counts(self) -> None:
        self.journal.append(self.step(decisions=[
            DecisionRecord(self.flow, 's', 1, 'a'), DecisionRecord(self.flow, 's', 2, 'b')]))
        self.assertEqual([DecisionRecord(self.flow, 's', 2, 'b')], list(self.load().decisions))

    def test_long_words(self) -> None:
        decision = DecisionRecord(self.flow, 'é' * 300, 1, 'x' * 64)
        self.journal.append(self.step(decisions=[decision]))
        self.assertEqual([decision], list(self.load().decisions))

    def test_names_differ_by_case_and_blanks(self) -> None:
        flow = str(uuid.uuid4())
        names = ['a', 'A', 'a ', 'ä', 'a\u0308', '😀', 'x' * 255]
        atoms = [AtomRecord(flow, n, str(uuid.uuid4()), name, 'task') for n, name in enumerate(names)]
        self.journal.create(FlowRecord(flow, None, 'f'), atoms)
        self.assertEqual(names, [atom.name for atom in self.another().journal().load(flow).atoms])

    def test_a_step_of_no_such_atom_records_nothing(self) -> None:
        before = self.load()
        step = self.step(Change(0, ('state',), ('SUCCESS',)), Change(99, ('state',), ('SUCCESS',)))
        self.assertRaises(exceptions.NotFound, self.journal.append, step)
        self.assertEqual(before, self.load())

    def test_a_step_of_no_such_flow(self) -> None:
        flow = str(uuid.uuid4())
        for values in (
            {'changes': [Change(0, ('state',), ('SUCCESS',))]}, {'columns': ('state',), 'values': ('RUNNING',)},
            {'decisions': [DecisionRecord(flow, 's', 1, 'a')]},
        ):
            self.assertRaises(exceptions.NotFound, self.journal.append, Entry(flow, **values))

    def test_threads_record_steps_of_their_flows(self) -> None:
        flows = [str(uuid.uuid4()) for _ in range(4)]
        errors: list[BaseException] = []

        def run(flow: str) -> None:
            try:
                self.create(flow)
                for number in range(4):
                    self.journal.append(Entry(flow, changes=[Change(number, ('state',), ('SUCCESS',))]))
            except BaseException as err:
                errors.append(err)

        threads = [threading.Thread(target=run, args=(flow,)) for flow in flows]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual([], errors)
        self.assertEqual([['SUCCESS'] * 4] * 4, [[a.state for a in self.journal.load(flow).atoms] for flow in flows])

    # -- values ----------------------------------------------------------------------------------

    def test_values_come_back_as_they_were(self) -> None:
        codec = self.journal.codec
        for value in storable_values():
            self.journal.append(self.step(Change(0, ('result',), (codec.encode(value, 'result'),))))
            found = self.journal.codec.decode(self.load().atoms[0].result)
            self.assertEqual((type(value), value), (type(found), found))

    def test_a_failure_comes_back_saying_the_same(self) -> None:
        try:
            try:
                raise KeyError('inner')
            except KeyError as err:
                raise ValueError('outer', 3) from err
        except ValueError:
            failure = ft.Failure()
        self.journal.append(self.step(Change(0, ('failure',), (self.encoded(failure),))))
        found = self.journal.codec.decode(self.load().atoms[0].failure)
        self.assertTrue(failure.matches(found))
        self.assertEqual(KeyError, found.causes[0].check(KeyError))

    def test_a_failure_with_an_argument_that_cannot_be_stored(self) -> None:
        failure = failed(ValueError(Colour()))
        found = self.journal.codec.decode(self.encoded(failure))
        self.assertEqual(ValueError, found.check(ValueError))
        self.assertEqual(failure.exception_str, found.exception_str)

    def test_a_history_comes_back(self) -> None:
        history = [(1, {'a': failed()}), (2, {})]
        found = self.journal.codec.decode(self.encoded(history))
        self.assertEqual([1, 2], [value for value, _ in found])
        self.assertTrue(history[0][1]['a'].matches(found[0][1]['a']))

    def test_a_secret_is_not_stored_in_plain_text(self) -> None:
        """Without a key none is stored anywhere outside of the process."""
        if self.encodes:
            self.assertRaises(exceptions.NoSecretKey, self.encoded, {'a': [Secret('hunter2')]})
        else:
            self.assertEqual(Secret('hunter2'), self.journal.codec.decode(self.encoded(Secret('hunter2'))))

    def test_a_value_in_the_place_of_another(self) -> None:
        """Where it is the same, it is stored in the same form."""
        codec = self.journal.codec
        stored = codec.encode({'a': [1]}, 'a value')
        self.assertEqual(stored, codec.renewed({'a': [1]}, 'a value', stored))
        self.assertEqual([2], codec.decode(codec.renewed([2], 'a value', stored)))

    def test_a_value_that_cannot_be_stored_is_named(self) -> None:
        if not self.encodes:
            self.skipTest('everything can be stored here')
        with self.assertRaises(exceptions.NotStorable) as caught:
            self.journal.codec.encode({'a': [1, (2, Colour())]}, "result of 'x'")
        error = caught.exception
        self.assertEqual(("result of 'x'", "$['a'][1][1]"), (error.what, error.path))
        self.assertIn('Colour', error.type_name)

    def test_what_is_stored_does_not_change_with_the_value(self) -> None:
        if not self.encodes:
            self.skipTest('values are stored as they are here')
        value = {'a': [1]}
        stored = self.encoded(value)
        value['a'].append(2)
        self.assertEqual({'a': [1]}, self.journal.codec.decode(stored))

    # -- the fence -------------------------------------------------------------------------------

    def test_a_step_under_a_fence_counts(self) -> None:
        job = self.claimed()
        fence = Fence(job.id, job.epoch)
        for _ in range(2):
            self.journal.append(self.step(Change(0, ('state',), ('SUCCESS',)), fence=fence))
        found = self.jobs.get(job.id)
        self.assertEqual((job.seq + 2, job.epoch, states.CLAIMED), (found.seq, found.epoch, found.state))

    def test_a_zombie_records_nothing(self) -> None:
        job = self.claimed(owner='zombie')
        zombie = Fence(job.id, job.epoch)
        taken = self.claimed(job, owner='owner')
        before = self.load()
        for values in (
            {'changes': [Change(0, ('state',), ('SUCCESS',))]}, {'columns': ('state',), 'values': ('RUNNING',)},
            {'decisions': [DecisionRecord(self.flow, 's', 1, 'a')]}, {},
            {'settlement': Settlement(job.claim_id, states.COMPLETE, 'SUCCESS')},
        ):
            with self.assertRaises(exceptions.OwnershipLost) as caught:
                self.journal.append(Entry(self.flow, fence=zombie, **values))
            self.assertEqual((job.id, job.epoch), (caught.exception.job, caught.exception.epoch))
        self.assertRaises(exceptions.OwnershipLost, self.create, flow=str(uuid.uuid4()), fence=zombie)
        self.assertRaises(exceptions.OwnershipLost, self.create, digest='zombie', fence=zombie)
        self.assertEqual((before, taken), (self.load(), self.jobs.get(job.id)))

    def test_a_fence_of_no_such_job(self) -> None:
        entry = self.step(Change(0, ('state',), ('SUCCESS',)), fence=Fence(str(uuid.uuid4()), 1))
        before = self.load()
        self.assertRaises(exceptions.OwnershipLost, self.journal.append, entry)
        self.assertEqual(before, self.load())

    def test_a_refused_step_does_not_count(self) -> None:
        job = self.claimed()
        entry = self.step(Change(99, ('state',), ('SUCCESS',)), fence=Fence(job.id, job.epoch))
        self.assertRaises(exceptions.NotFound, self.journal.append, entry)
        if self.shared:
            self.assertEqual(job, self.jobs.get(job.id))

    def test_progress_is_what_a_later_claim_need_not_do_again(self) -> None:
        no_progress: Sequence[dict[str, Any]] = (
            {'changes': [Change(0, ('state',), ('RUNNING',))]}, {'columns': ('state',), 'values': ('RUNNING',)}, {},
            {'changes': [Change(0, ('state', 'result'), ('PENDING', None))]},
            {'changes': [Change(0, ('meta',), (self.encoded({'progress': 0.1}),))]},
        )
        progress: Sequence[dict[str, Any]] = (
            {'changes': [Change(0, ('state', 'result'), ('SUCCESS', self.encoded(1)))]},
            {'changes': [Change(0, ('state',), ('SUCCESS',))]}, {'changes': [Change(0, ('state',), ('REVERTED',))]},
            {'changes': [Change(0, ('failure',), (self.encoded(failed()),))]},
            {'decisions': [DecisionRecord(self.flow, 's', 1, 'a')]},
        )
        for expected, entries in ((2, no_progress), (1, progress)):
            for values in entries:
                job = self.claimed()
                self.journal.append(Entry(self.flow, fence=Fence(job.id, job.epoch), **values))
                self.assertEqual(expected, self.claimed(job).attempts, values)

    def test_creating_under_a_fence_is_no_progress(self) -> None:
        job = self.claimed()
        self.create(flow=str(uuid.uuid4()), fence=Fence(job.id, job.epoch))
        self.assertEqual(job.seq + 1, self.jobs.get(job.id).seq)
        self.assertEqual(2, self.claimed(job).attempts)

    # -- settling --------------------------------------------------------------------------------

    def last_step(self, job: jobs_record.Job, state: str = states.COMPLETE, **values: Any) -> Entry:
        """Return a step that gives the job back."""
        return self.step(
            Change(0, ('state',), ('SUCCESS',)), fence=Fence(job.id, job.epoch), columns=('state',), values=('SUCCESS',
                ),
            settlement=Settlement(job.claim_id, state, **values))

    def test_the_last_step_gives_the_job_back(self) -> None:
        job = self.claimed()
        self.journal.append(self.last_step(job, outcome='SUCCESS', reason='why'))
        found = self.jobs.get(job.id)
        self.assertEqual(
            (states.COMPLETE, 'SUCCESS', 'why', '', job.claim_id, job.epoch + 1, job.seq + 1),
            (found.state, found.outcome, found.reason, found.owner, found.claim_id, found.epoch, found.seq))
        loaded = self.load()
        self.assertEqual(('SUCCESS', 'SUCCESS'), (loaded.flow.state, loaded.atoms[0].state))

    def test_the_last_step_again_after_a_lost_answer_is_done(self) -> None:
        job = self.claimed()
        last = self.last_step(job, outcome='SUCCESS')
        self.journal.append(last)
        settled = self.jobs.get(job.id)
        self.journal.append(last)
        self.assertEqual(settled, self.jobs.get(job.id))

    def test_no_step_comes_after_the_last(self) -> None:
        job = self.claimed()
        self.journal.append(self.last_step(job))
        entry = self.step(Change(1, ('state',), ('SUCCESS',)), fence=Fence(job.id, job.epoch))
        self.assertRaises(exceptions.OwnershipLost, self.journal.append, entry)
        self.assertRaises(exceptions.OwnershipLost, self.journal.append, self.last_step(job, states.UNCLAIMED))

    # -- the history -----------------------------------------------------------------------------

    def test_a_history_has_each_step_once_and_in_order(self) -> None:
        job = self.claimed()
        for number in range(3):
            self.journal.append(self.step(
                Change(number % 2, ('state',), ('SUCCESS',)), fence=Fence(job.id, job.epoch)))
        last = self.last_step(job)
        for _ in range(2):
            self.journal.append(last)
        steps = self.journal.history(self.flow)
        if not self.remembers:
            self.assertEqual(0, len(steps))
            return
        self.assertEqual([job.seq + number for number in range(1, 5)], [step.seq for step in steps])
        self.assertEqual({(self.flow, job.id, job.epoch, job.owner)},
                         {(step.flow, step.job, step.epoch, step.owner) for step in steps})
        self.assertEqual(steps[2:3], self.journal.history(self.flow, after=steps[1].seq, limit=1))

    def test_a_graceful_hand_over_does_not_count(self) -> None:
        job = self.claimed()
        entry = Entry(self.flow, fence=Fence(job.id, job.epoch), columns=('state',), values=('SUSPENDED',),
                      settlement=Settlement(job.claim_id, states.UNCLAIMED, counts=False))
        self.journal.append(entry)
        self.assertEqual(1, self.claimed(job).attempts)
