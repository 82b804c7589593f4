# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
from typing import Any

import testtools

from tfd import engines, exceptions, retry, states, task
from tfd.patterns import linear_flow
from tfd.persistence import backends, models
from tfd.storage import Storage
from tfd.types.failure import Failure


class Add(task.Task):
    """Adds what it is given."""

    def execute(self, a: int, b: int = 1) -> int:
        return a + b


class Refuse(task.Task):
    def execute(self) -> None:
        raise ValueError('no')


def _failure() -> Failure:
    return Failure.from_exception(ValueError('no'))


class StorageByHandTest(testtools.TestCase):
    """A storage that no engine has taken up, on a memory backend."""

    def setUp(self) -> None:
        super().setUp()
        self.backend = backends.fetch('memory')
        self.addCleanup(self.backend.close)
        self.detail = models.FlowDetail('f')
        self.storage = Storage(self.detail, self.backend)

    def _reloaded(self) -> Storage:
        """Return a storage of the same flow that knows nothing but what is recorded."""
        again = Storage(models.FlowDetail('f', self.detail.uuid), self.backend)
        again.ensure_atoms([Add('a', provides='sum'), retry.Times(2, 'r')])
        return again

    def _ensure(self) -> None:
        self.storage.ensure_atoms([Add('a', provides='sum'), retry.Times(2, 'r')])

    # -- atoms -------------------------------------------------------------------------------------

    def test_ensured_atoms_are_pending(self) -> None:
        self._ensure()
        self.assertEqual({'a': ('PENDING', 'EXECUTE')}, self.storage.get_atoms_states(['a']))

    def test_an_atom_is_ensured_once(self) -> None:
        first = self.storage.ensure_atom(Add('a'))
        self.assertEqual(first, self.storage.ensure_atom(Add('a')))
        self.assertEqual(1, len(self.detail))

    def test_atoms_ensured_later_leave_the_others_as_they_are(self) -> None:
        self._ensure()
        self.storage.save('a', 3)
        self.storage.ensure_atom(Add('b'))
        self.assertEqual(3, self.storage.get('a'))
        self.assertEqual('PENDING', self.storage.get_atom_state('b'))

    def test_ensures_from_many_threads(self) -> None:
        threads = [threading.Thread(target=self._ensure) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(2, len(self.detail))

    def test_a_task_is_no_retry_of_its_name(self) -> None:
        self._ensure()
        self.assertRaises(exceptions.Duplicate, self.storage.ensure_atom, retry.Times(1, 'a'))

    def test_details_that_were_added_are_seen(self) -> None:
        added = models.TaskDetail('old', 'an-uuid')
        added.state = states.FAILURE
        added.failure = _failure()
        self.detail.add(added)
        self.assertEqual('an-uuid', self.storage.get_atom_uuid('old'))
        self.assertEqual(['old'], list(self.storage.get_failures()))
        self.assertEqual('an-uuid', self.storage.ensure_atom(Add('old')))

    def test_an_unknown_atom_is_not_found(self) -> None:
        for call in (
                self.storage.get_atom_state, self.storage.reset, self.storage.get_atom_intention,
                lambda name: self.storage.save(name, 1), lambda name: self.storage.fetch_mapped_args({}, name)):
            error = self.assertRaises(exceptions.NotFound, call, 'nobody')
            self.assertIn("Unknown atom name 'nobody'", str(error))

    # -- results and states ------------------------------------------------------------------------

    def test_a_saved_result_is_recorded(self) -> None:
        self._ensure()
        self.storage.save('a', 3)
        again = self._reloaded()
        self.assertEqual((3, 3, 'SUCCESS'), (again.get('a'), again.fetch('sum'), again.get_atom_state('a')))

    def test_a_saved_failure_is_recorded(self) -> None:
        self._ensure()
        self.storage.save('a', _failure(), states.FAILURE)
        again = self._reloaded()
        self.assertTrue(_failure().matches(again.get('a')) or again.get('a').check(ValueError))
        self.assertEqual({'a'}, set(again.get_failures()))

    def test_a_saved_revert_is_no_result(self) -> None:
        self._ensure()
        self.storage.save('a', 'undone', states.REVERTED)
        self.assertEqual('undone', self.storage.get_revert_result('a'))
        self.assertRaises(exceptions.NotFound, self.storage.get, 'a')

    def test_a_failure_of_revert_is_saved(self) -> None:
        self._ensure()
        failure = _failure()
        self.storage.save('a', failure, states.REVERT_FAILURE)
        self.assertIs(failure, self.storage.get_revert_result('a'))

    def test_a_result_that_cannot_be_stored_is_refused(self) -> None:
        self._refuse()
        self.assertRaises(exceptions.NotStorable, self.storage.save, 'a', object())
        self.assertEqual('PENDING', self.storage.get_atom_state('a'))
        self.assertFalse(self.storage.has_failures())

    def test_metadata_that_cannot_be_stored_is_refused(self) -> None:
        self._refuse()
        error = self.assertRaises(
            exceptions.NotStorable, self.storage.update_atom_metadata, 'a', {'handle': object()})
        self.assertEqual("metadata of atom 'a'", error.what)
        self.assertEqual({}, self.storage.columns.progress_of(self.storage._node('a')))

    def _refuse(self) -> None:
        """Have a codec that stores nothing from now on."""
        self._ensure()

        def refuse(value: Any, what: str, secret: bool = False) -> Any:
            raise exceptions.NotStorable(what, '$', type(value).__name__)

        assert self.storage._recorder is not None
        self.patch(self.storage._recorder._journal.codec, 'encode', refuse)

    def test_states_are_recorded_those_that_begin_too(self) -> None:
        self._ensure()
        self.storage.set_atom_state('a', states.RUNNING)
        self.assertEqual('RUNNING', self.storage.get_atom_state('a'))
        self.assertEqual('RUNNING', self._reloaded().get_atom_state('a'))

    def test_there_are_no_other_states(self) -> None:
        self._ensure()
        self.assertRaises(ValueError, self.storage.set_atom_state, 'a', 'HAPPY')
        self.assertEqual('PENDING', self.storage.get_atom_state('a'))

    def test_reset_forgets(self) -> None:
        self._ensure()
        self.storage.save('a', 3)
        self.storage.reset('a')
        self.assertEqual('PENDING', self.storage.get_atom_state('a'))
        self.assertRaises(exceptions.NotFound, self.storage.get, 'a')

    def test_an_intention_lasts_until_the_state_changes(self) -> None:
        self._ensure()
        self.storage.set_atom_intention('a', states.IGNORE)
        self.assertEqual('IGNORE', self.storage.get_atom_intention('a'))
        self.storage.save('a', 3)
        self.assertEqual('EXECUTE', self.storage.get_atom_intention('a'))

    def test_there_are_no_other_intentions(self) -> None:
        self._ensure()
        self.assertRaises(ValueError, self.storage.set_atom_intention, 'a', 'HOPE')

    def test_changes_the_flows_state_where_it_may_go(self) -> None:
        self.assertEqual((True, 'PENDING'), self.storage.change_flow_state(states.RUNNING))
        self.assertEqual((False, 'RUNNING'), self.storage.change_flow_state(states.RUNNING))
        self.assertRaises(exceptions.InvalidState, self.storage.change_flow_state, states.PENDING)
        self.assertEqual('RUNNING', self.storage.get_flow_state())

    # -- retries -----------------------------------------------------------------------------------

    def test_a_retrys_attempts_are_recorded(self) -> None:
        self._ensure()
        self.storage.save('r', 1)
        self.storage.save_retry_failure('r', 'a', _failure())
        self.storage.save('r', 2)
        [(name, history)] = self._reloaded().get_retry_histories()
        self.assertEqual('r', name)
        self.assertEqual([1, 2], list(history.provided_iter()))
        self.assertEqual(['a'], list(history[0][1]))

    def test_a_retrys_history_is_cleaned_up(self) -> None:
        self._ensure()
        self.storage.save('r', 1)
        self.storage.cleanup_retry_history('r', states.REVERTED)
        self.assertEqual([], list(self.storage.get_retry_history('r')))
        self.assertEqual('REVERTED', self.storage.get_atom_state('r'))

    def test_a_task_has_no_attempts(self) -> None:
        self._ensure()
        self.assertRaises(TypeError, self.storage.save_retry_failure, 'a', 'b', _failure())
        self.assertRaises(TypeError, self.storage.cleanup_retry_history, 'a', states.REVERTED)

    # -- arguments and inputs ----------------------------------------------------------------------

    def test_inputs_show_in_the_flow_detail(self) -> None:
        self.storage.inject({'x': 1})
        self.storage.inject([('y', 2)])
        [detail] = self.detail
        self.assertEqual((self.storage.injector_name, {'x': 1, 'y': 2}), (detail.name, detail.results))
        self.assertEqual({'x': 1, 'y': 2}, Storage(self.detail).fetch_all())

    def test_inputs_are_recorded_once_atoms_are(self) -> None:
        self.storage.inject({'x': 1})
        self._ensure()
        self.assertEqual({'x': 1}, self._reloaded().fetch_all())

    def test_transient_inputs_are_not_recorded(self) -> None:
        self.storage.inject({'x': 1}, transient=True)
        self._ensure()
        self.assertEqual({'x': 1}, self.storage.fetch_all())
        self.assertEqual({}, self._reloaded().fetch_all())

    def test_inputs_can_be_taken_away(self) -> None:
        self.storage.inject({'x': 1})
        self._ensure()
        self.storage.save(self.storage.injector_name, {}, states.SUCCESS)
        self.assertEqual({}, self.storage.fetch_all())
        self.assertEqual({}, self._reloaded().fetch_all())

    def test_fetches_arguments_by_name(self) -> None:
        self.storage.inject({'x': 1})
        self.assertEqual({'a': 1}, self.storage.fetch_mapped_args({'a': 'x'}))
        self.assertEqual({}, self.storage.fetch_mapped_args(None))
        self.assertRaises(exceptions.NotFound, self.storage.fetch_mapped_args, {'a': 'y'})
        self.assertEqual({}, self.storage.fetch_mapped_args({'a': 'y'}, optional_args=['a']))

    def test_tells_what_is_missing(self) -> None:
        add = Add('a', rebind={'a': 'x'})
        self.storage.ensure_atom(add)
        self.assertEqual({'a'}, self.storage.fetch_unsatisfied_args('a', add.rebind, optional_args=add.optional))
        self.storage.inject_atom_args('a', {'x': 1})
        self.assertEqual(set(), self.storage.fetch_unsatisfied_args('a', add.rebind, optional_args=add.optional))

    def test_an_atoms_own_inputs_are_recorded_where_asked_for(self) -> None:
        self._ensure()
        self.storage.inject_atom_args('a', {'a': 1}, transient=False)
        self.storage.inject_atom_args('a', {'b': 2}, transient=True)
        self.assertEqual({'a': 1, 'b': 2}, self.storage.fetch_mapped_args({'a': 'a', 'b': 'b'}, atom_name='a'))
        again = self._reloaded()
        self.assertEqual({'a': 1}, again.fetch_mapped_args({'a': 'a', 'b': 'b'}, 'a', optional_args=['b']))

    def test_transient_inputs_of_an_atom_go_first(self) -> None:
        self._ensure()
        self.storage.inject_atom_args('a', {'a': 2}, transient=True)
        self.storage.inject_atom_args('a', {'a': 1}, transient=False)
        self.assertEqual({'a': 2}, self.storage.fetch_mapped_args({'a': 'a'}, atom_name='a'))

    # -- metadata ----------------------------------------------------------------------------------

    def test_metadata_are_recorded(self) -> None:
        self._ensure()
        self.storage.update_atom_metadata('a', {'k': 1})
        self.storage.update_atom_metadata('a', None)
        self.storage.update_flow_metadata({'q': 2})
        again = self._reloaded()
        detail = again._flowdetail.find(again.get_atom_uuid('a'))
        assert detail is not None
        self.assertEqual(({'k': 1}, {'q': 2}), (detail.meta, again.flow_meta))

    def test_progress_details_stay_until_told_anew(self) -> None:
        self._ensure()
        self.storage.set_task_progress('a', 0.5, {'at': 'x'})
        self.storage.set_task_progress('a', 0.6)
        self.assertEqual({'at_progress': 0.5, 'details': {'at': 'x'}}, self.storage.get_task_progress_details('a'))
        self.storage.set_task_progress('a', 0.7, {})
        self.assertIsNone(self.storage.get_task_progress_details('a'))


class EngineAfterwardsTest(testtools.TestCase):
    """What was done by hand, engines go on from."""

    def test_an_engine_does_not_execute_what_was_saved(self) -> None:
        flow = linear_flow.Flow('f').add(
            Add('a', provides='b', inject={'a': 1}), Add('c', rebind={'a': 'b'}, provides='d'))
        engine = engines.load(flow)
        engine.prepare()
        engine.storage.save('a', 10)
        engine.run()
        self.assertEqual(20, engine.storage.fetch('d'))

    def test_an_engine_reverts_what_was_saved_as_failed(self) -> None:
        engine = engines.load(linear_flow.Flow('f').add(Add('a', inject={'a': 1}), Refuse('b')))
        engine.prepare()
        engine.storage.save('a', 2)
        engine.storage.save('b', _failure(), states.FAILURE)
        self.assertRaises(ValueError, engine.run)
        self.assertEqual('REVERTED', engine.storage.get_atom_state('a'))

    def test_several_values_of_a_symbol_are_all_fetched(self) -> None:
        engine = engines.load(
            linear_flow.Flow('f').add(Add('p', provides='x'), Add('q', provides='x')), store={'x': 0, 'a': 1})
        engine.run()
        self.assertEqual([0, 2, 2], engine.storage.fetch_all()['x'])
        self.assertEqual(0, engine.storage.fetch('x'))
        self.assertEqual(3, engine.storage.fetch('x', many_handler=len))

    def test_an_engine_takes_up_what_was_recorded_by_hand(self) -> None:
        backend = backends.fetch('memory')
        self.addCleanup(backend.close)
        detail = models.FlowDetail('f')
        by_hand = Storage(detail, backend)
        by_hand.ensure_atom(Add('a'))
        by_hand.save('a', 5)
        flow = linear_flow.Flow('f').add(Add('a', provides='x', inject={'a': 1}), Add('b', inject={'a': 2}))
        engine = engines.load(
            flow, flow_detail=models.FlowDetail('f', detail.uuid), backend=backend, refuse_changed=True)
        engine.run()
        self.assertEqual((5, 3), (engine.storage.get('a'), engine.storage.get('b')))

    def test_nothing_is_known_of_the_atoms_of_an_engine_that_is_not_prepared(self) -> None:
        engine = engines.load(linear_flow.Flow('f').add(Add('a')), store={'a': 1})
        self.assertRaises(exceptions.NotFound, engine.storage.get_atom_state, 'a')
        self.assertEqual({'a': 1}, engine.storage.fetch_all())
