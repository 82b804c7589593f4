# SPDX-License-Identifier: Apache-2.0
"""Logbooks, flow details and atom details as their users know them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator

import testtools

from tfd import exceptions, states
from tfd.persistence import models
from tfd.testing.persistence import failed


class _Source:
    """An engine's storage: it keeps columns, and makes details when somebody looks."""

    def __init__(self, **states_by_name: str) -> None:
        self.states = states_by_name
        self.made = 0

    def __len__(self) -> int:
        return len(self.states)

    def _detail(self, name: str) -> models.AtomDetail:
        self.made += 1
        detail = models.TaskDetail(name, f'uuid-{name}')
        detail.state = self.states[name]
        return detail

    def __iter__(self) -> Iterator[models.AtomDetail]:
        return (self._detail(name) for name in self.states)

    def find(self, uuid: str) -> models.AtomDetail | None:
        name = uuid.removeprefix('uuid-')
        return self._detail(name) if name in self.states else None


class LogBookTest(testtools.TestCase):

    def test_a_uuid_is_made_once(self) -> None:
        book = models.LogBook('b')
        self.assertEqual(book.uuid, book.uuid)
        self.assertNotEqual(book.uuid, models.LogBook('b').uuid)

    def test_flows_are_found(self) -> None:
        book, flow = models.LogBook('b'), models.FlowDetail('f', 'u')
        book.add(flow)
        self.assertEqual(([flow], 1), (list(book), len(book)))
        self.assertIs(flow, book.find('u'))
        self.assertIsNone(book.find('other'))

    def test_an_empty_book_is_true(self) -> None:
        self.assertTrue(models.LogBook('b'))

    def test_it_survives_its_dictionary(self) -> None:
        book = models.LogBook('b')
        book.meta = {'a': 1}
        for marshal in (False, True):
            found = models.LogBook.from_dict(book.to_dict(marshal_time=marshal), unmarshal_time=marshal)
            self.assertEqual(book.to_dict(), found.to_dict())

    def test_times_are_dictionaries_where_asked_for(self) -> None:
        found = models.LogBook('b').to_dict(marshal_time=True)['created_at']
        self.assertEqual({'year', 'month', 'day', 'hour', 'minute', 'second', 'microsecond'}, set(found))

    def test_merging_takes_metadata_and_keeps_flows(self) -> None:
        mine, other = models.LogBook('b', 'u'), models.LogBook('other', 'u')
        other.meta = {'a': [1]}
        other.add(models.FlowDetail('f', 'f'))
        self.assertIs(mine, mine.merge(other, deep_copy=True))
        self.assertEqual(('b', {'a': [1]}, 0), (mine.name, mine.meta, len(mine)))
        self.assertIsNot(other.meta['a'], mine.meta['a'])

    def test_a_copy_shares_its_flows_or_has_none(self) -> None:
        book = models.LogBook('b')
        book.add(models.FlowDetail('f', 'u'))
        clone = book.copy()
        clone.meta['new'] = 1
        self.assertEqual((book.uuid, {}, list(book)), (clone.uuid, book.meta, list(clone)))
        self.assertEqual(0, len(book.copy(retain_contents=False)))

    def test_it_can_be_pickled(self) -> None:
        book, flow, task = models.LogBook('b'), models.FlowDetail('f', 'u'), models.TaskDetail('t', 't')
        task.put(states.FAILURE, failed())
        flow.add(task)
        book.add(flow)
        self.assertEqual(book.pformat(), pickle.loads(pickle.dumps(book)).pformat())
        self.assertEqual(book.pformat(), copy.deepcopy(book).pformat())

    def test_it_changes_when_a_flow_is_added(self) -> None:
        book = models.LogBook('b')
        self.assertIsNone(book.updated_at)
        book.add(models.FlowDetail('f', 'fu'))
        self.assertIsNotNone(book.updated_at)

    def test_it_is_printed_with_all_that_it_contains(self) -> None:
        book, flow, task = models.LogBook('b', 'bu'), models.FlowDetail('f', 'fu'), models.TaskDetail('t', 'tu')
        flow.add(task)
        book.add(flow)
        book.meta = {'z': 1}
        task.meta = {'b': 1, 'a': {'x': 2}}
        text = book.pformat(indent=2).split('\n')
        self.assertEqual(["  LogBook: 'b'", '   - uuid = bu', '   - metadata:', '     + z = 1'], text[:4])
        self.assertEqual(
            ["   FlowDetail: 'f'", '    - uuid = fu', '    - state = None', "    TaskDetail: 't'"], text[6:10])
        self.assertEqual(['     - metadata:', "       + a = {'x': 2}", '       + b = 1'], text[-3:])


class FlowDetailTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.flow = models.FlowDetail('f', 'u')
        self.source = _Source(a='SUCCESS', b='RUNNING')

    def test_added_atoms_are_found(self) -> None:
        task = models.TaskDetail('t', 'tu')
        self.flow.add(task)
        self.flow.add(task)
        self.assertEqual(([task], 1), (list(self.flow), len(self.flow)))
        self.assertIs(task, self.flow.find('tu'))
        self.assertIsNone(self.flow.find('other'))

    def test_an_attached_source_is_shown_live(self) -> None:
        self.flow.attach(self.source)
        self.assertEqual(2, len(self.flow))
        self.source.states |= {'a': 'REVERTED', 'c': 'PENDING'}
        self.assertEqual(['REVERTED', 'RUNNING', 'PENDING'], [atom.state for atom in self.flow])
        self.assertEqual('PENDING', self.flow.find('uuid-c').state)
        self.assertIsNone(self.flow.find('uuid-d'))

    def test_attaching_a_source_makes_no_detail(self) -> None:
        self.flow.attach(self.source)
        len(self.flow)
        iter(self.flow)
        self.assertEqual(0, self.source.made)

    def test_added_atoms_and_a_source_are_shown_together(self) -> None:
        self.flow.attach(self.source)
        self.flow.add(models.TaskDetail('own', 'own'))
        old = models.TaskDetail('a', 'uuid-a')
        old.state = 'FAILURE'
        self.flow.add(old)
        self.assertEqual((3, ['own', 'a', 'b']), (len(self.flow), [atom.name for atom in self.flow]))
        self.assertIsNot(old, self.flow.find('uuid-a'))
        self.assertNotIn('FAILURE', [atom.state for atom in self.flow])

    def test_a_source_that_is_taken_away_is_gone(self) -> None:
        self.flow.attach(self.source)
        self.flow.attach(None)
        self.assertEqual([], list(self.flow))

    def test_updating_takes_everything(self) -> None:
        other = models.FlowDetail('other', 'u')
        other.state, other.meta = 'SUCCESS', {'a': 1}
        other.attach(self.source)
        self.flow.add(models.TaskDetail('t', 't'))
        self.assertIs(self.flow, self.flow.update(other))
        self.assertEqual(('SUCCESS', {'a': 1}, ['a', 'b'], 'f'), (
            self.flow.state, self.flow.meta, [atom.name for atom in self.flow], self.flow.name))
        self.assertIs(self.flow, self.flow.update(self.flow))

    def test_merging_keeps_atoms(self) -> None:
        other = models.FlowDetail('other', 'u')
        other.state, other.meta = 'SUCCESS', {'a': 1}
        self.flow.add(models.TaskDetail('t', 't'))
        self.assertIs(self.flow, self.flow.merge(other))
        self.assertEqual(('SUCCESS', {'a': 1}, 1), (self.flow.state, self.flow.meta, len(self.flow)))

    def test_a_copy_shares_its_atoms_or_has_none(self) -> None:
        self.flow.attach(self.source)
        self.flow.add(models.TaskDetail('t', 't'))
        self.assertEqual(3, len(self.flow.copy()))
        self.assertEqual((0, 'u'), (len(self.flow.copy(retain_contents=False)), self.flow.copy().uuid))

    def test_it_survives_its_dictionary(self) -> None:
        self.flow.state, self.flow.meta = 'SUCCESS', {'a': 1}
        self.assertEqual(self.flow.to_dict(), models.FlowDetail.from_dict(self.flow.to_dict()).to_dict())


class AtomDetailTest(testtools.TestCase):

    kinds = (models.TaskDetail, models.RetryDetail)

    def test_a_new_detail(self) -> None:
        for kind in self.kinds:
            atom = kind('a')
            self.assertEqual((None, 'EXECUTE', None, None, None, None, {}), (
                atom.state, atom.intention, atom.version, atom.failure, atom.revert_results, atom.revert_failure,
                atom.meta))
            self.assertEqual(36, len(atom.uuid))

    def test_putting_says_whether_something_changed(self) -> None:
        task = models.TaskDetail('t')
        self.assertEqual([True, False, True], [task.put('SUCCESS', result) for result in (1, 1, 2)])
        retry = models.RetryDetail('r')
        self.assertEqual([True, True], [retry.put('SUCCESS', result) for result in (1, 1)])

    def test_putting_what_cannot_be_compared(self) -> None:
        class Odd:
            def __eq__(self, other: object) -> bool:
                raise ValueError('which one?')
            __hash__ = None

        task = models.TaskDetail('t')
        task.put('SUCCESS', Odd())
        self.assertTrue(task.put('SUCCESS', Odd()))

    def test_a_task_keeps_its_latest_outcome(self) -> None:
        task, failure = models.TaskDetail('t'), failed()
        task.put('SUCCESS', 1)
        self.assertEqual((1, 1, None), (task.results, task.last_results, task.failure))
        task.put('FAILURE', failure)
        self.assertEqual((None, failure), (task.results, task.failure))
        task.put('SUCCESS', 2)
        self.assertEqual((2, None), (task.results, task.failure))

    def test_reverting_keeps_what_executing_gave(self) -> None:
        for kind in self.kinds:
            atom, failure = kind('a'), failed()
            atom.put('SUCCESS', 1)
            before = atom.results
            atom.put('REVERT_FAILURE', failure)
            self.assertEqual((before, None, failure), (atom.results, atom.revert_results, atom.revert_failure))
            atom.put('REVERTED', 2)
            self.assertEqual((before, 2, None), (atom.results, atom.revert_results, atom.revert_failure))

    def test_other_states_keep_the_results(self) -> None:
        for kind in self.kinds:
            atom = kind('a')
            atom.put('SUCCESS', 1)
            before = atom.results
            self.assertTrue(atom.put('REVERTING', 5))
            self.assertEqual(('REVERTING', before), (atom.state, atom.results))

    def test_a_retry_keeps_its_history(self) -> None:
        retry, failure = models.RetryDetail('r'), failed()
        retry.put('SUCCESS', 1)
        retry.last_failures['a'] = failure
        retry.put('SUCCESS', 2)
        self.assertEqual([(1, {'a': failure}), (2, {})], retry.results)
        self.assertEqual((2, {}), (retry.last_results, retry.last_failures))
        retry.put('FAILURE', failure)
        self.assertEqual((2, failure), (len(retry.results), retry.failure))

    def test_a_retry_without_attempts(self) -> None:
        retry = models.RetryDetail('r')
        self.assertRaises(exceptions.NotFound, getattr, retry, 'last_results')
        self.assertRaises(exceptions.NotFound, getattr, retry, 'last_failures')

    def test_resetting_forgets_all_but_metadata_and_version(self) -> None:
        for kind in self.kinds:
            atom = kind('a', 'u')
            atom.version, atom.meta, atom.intention = '1.1', {'m': 1}, 'REVERT'
            atom.put('SUCCESS', 1)
            atom.put('REVERT_FAILURE', failed())
            atom.reset('PENDING')
            new = kind('a', 'u')
            new.version, new.meta, new.state = '1.1', {'m': 1}, 'PENDING'
            self.assertEqual(new.to_dict(), atom.to_dict())

    def full(self, kind: type[models.AtomDetail]) -> models.AtomDetail:
        atom = kind('a', 'u')
        atom.version, atom.meta, atom.intention = '1.1', {'m': 1}, 'REVERT'
        atom.put('SUCCESS', [1])
        atom.put('REVERT_FAILURE', failed())
        atom.failure = failed()
        if isinstance(atom, models.RetryDetail):
            atom.last_failures['x'] = failed()
            atom.put('SUCCESS', 2)
        return atom

    def test_it_survives_its_dictionary(self) -> None:
        for kind in self.kinds:
            atom = self.full(kind)
            found = kind.from_dict(atom.to_dict())
            self.assertEqual(atom.to_dict(), found.to_dict())
            self.assertTrue(atom.revert_failure.matches(found.revert_failure))

    def test_a_reloaded_history_is_what_it_was(self) -> None:
        retry = self.full(models.RetryDetail)
        found = models.RetryDetail.from_dict(retry.to_dict())
        self.assertEqual([[1], 2], [value for value, _ in found.results])
        self.assertEqual([{'x'}, set()], [set(failures) for _, failures in found.results])
        self.assertTrue(retry.results[0][1]['x'].matches(found.results[0][1]['x']))

    def test_updating_and_merging_take_everything(self) -> None:
        for kind in self.kinds:
            for take in ('update', 'merge'):
                atom, other = kind('a', 'mine'), self.full(kind)
                self.assertIs(atom, getattr(atom, take)(other))
                self.assertEqual({**other.to_dict(), 'uuid': 'mine'}, atom.to_dict())
                self.assertIs(other, getattr(other, take)(other))

    def test_merging_keeps_a_failure_that_says_the_same(self) -> None:
        mine = self.full(models.TaskDetail)
        failure = mine.failure
        mine.merge(models.TaskDetail.from_dict(mine.to_dict()))
        self.assertIs(failure, mine.failure)

    def test_merging_copies_where_asked_for(self) -> None:
        mine, other = models.TaskDetail('t', 'u'), self.full(models.TaskDetail)
        mine.merge(other, deep_copy=True)
        self.assertEqual(other.results, mine.results)
        self.assertIsNot(other.results, mine.results)

    def test_merging_with_another_kind_is_refused(self) -> None:
        task = models.TaskDetail('t', 'u')
        self.assertRaises(NotImplementedError, task.merge, models.RetryDetail('t', 'u'))

    def test_a_history_is_never_shared(self) -> None:
        for take in ('update', 'merge'):
            mine, other = models.RetryDetail('r', 'u'), self.full(models.RetryDetail)
            getattr(mine, take)(other)
            mine.last_failures['new'] = failed()
            self.assertEqual({}, other.last_failures)
        clone = other.copy()
        clone.last_failures['new'] = failed()
        self.assertEqual({}, other.last_failures)

    def test_a_copy_has_its_own_metadata(self) -> None:
        task = self.full(models.TaskDetail)
        clone = task.copy()
        clone.meta['new'] = 1
        self.assertEqual(({'m': 1}, 'u'), (task.meta, clone.uuid))

    def test_kinds_have_names(self) -> None:
        for name, kind in zip(models.ATOM_TYPES, (models.RetryDetail, models.TaskDetail), strict=True):
            self.assertIs(kind, models.atom_detail_class(name))
            self.assertEqual(name, models.atom_detail_type(kind('a')))
        self.assertRaises(TypeError, models.atom_detail_class, 'OTHER')
        self.assertRaises(TypeError, models.atom_detail_type, models.AtomDetail('a'))
