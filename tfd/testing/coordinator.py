# SPDX-License-Identifier: Apache-2.0
"""The contract of :class:`tfd.jobs.ports.Coordinator`, as tests that every driver passes."""

from __future__ import annotations

import threading
import unittest
from collections.abc import Callable
from typing import TYPE_CHECKING

from tfd import exceptions
from tfd.jobs import placement
from tfd.jobs.ports import Capability, Coordinator, Lock, Ring, Session
from tfd.jobs.record import SHARDS
from tfd.types.clock import Clock

__all__ = ['CoordinatorContract']

if TYPE_CHECKING:
    _Base = unittest.TestCase
else:
    _Base = object


class CoordinatorContract(_Base):
    """Mix it into a test case and say, by the methods that raise ``NotImplementedError``, how to reach the driver.

    :cvar capabilities: what the driver must declare; tests of others are skipped.
    :cvar call_limit: seconds that one call may take at most.
    :cvar patience: seconds, on :attr:`clock`, until what must come has come.
    """

    capabilities: frozenset[Capability]
    call_limit: float = 5.0
    patience: float = 30.0
    #: The clock of the coordinators under test.
    clock: Clock

    # What a driver's tests say.

    def make(self, conductor: str) -> Coordinator:
        """Return a coordinator, not started, of the one board of this test; stop it in the end."""
        raise NotImplementedError

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        raise NotImplementedError

    def end_session(self, coordinator: Coordinator) -> None:
        """Have the service end the session of a member, which is not told."""
        raise NotImplementedError

    def cut(self, coordinator: Coordinator) -> None:
        """Let nothing pass between this member and the service; no connection is closed."""
        raise NotImplementedError

    def heal(self, coordinator: Coordinator) -> None:
        """Undo :meth:`cut`."""
        raise NotImplementedError

    def freeze(self) -> None:
        """Have the service answer nobody; no connection is closed."""
        raise NotImplementedError

    def thaw(self) -> None:
        """Undo :meth:`freeze`."""
        raise NotImplementedError

    def restart(self) -> None:
        """End the service and start it again with empty data."""
        raise NotImplementedError

    # Small words of these tests.

    def joined(self, conductor: str) -> Coordinator:
        """Return a coordinator that has a session."""
        coordinator = self.make(conductor)
        coordinator.start()
        return coordinator

    def session_of(self, coordinator: Coordinator) -> Session:
        """Return its session, which there must be."""
        session = coordinator.session()
        assert session is not None
        return session

    def take(self, coordinator: Coordinator, name: str) -> Lock:
        """Take a lock under the present session."""
        return coordinator.acquire(self.session_of(coordinator), name)

    def can_take(self, coordinator: Coordinator, name: str) -> bool:
        """Try to take a lock; whether it was free."""
        try:
            self.take(coordinator, name)
        except exceptions.LockHeld:
            return False
        return True

    def wins(self, coordinator: Coordinator, name: str) -> bool:
        """Whether this member takes a lock; one that a busy service left unanswered is tried again until it is told."""
        unanswered = False
        end = self.clock.now() + self.patience
        while True:
            try:
                self.take(coordinator, name)
            except exceptions.CoordinatorUnavailable:
                if self.clock.now() > end:
                    raise
                unanswered = True
            except exceptions.LockHeld as held:
                mine = unanswered and held.owner == self.session_of(coordinator).incarnation
                if not mine or self.clock.now() > end:
                    return False
            else:
                return True
            self.pass_time(0.01)

    def eventually(self, happened: Callable[[], bool], what: str) -> None:
        """Let time pass until something has happened."""
        end = self.clock.now() + self.patience
        while not happened():
            if self.clock.now() > end:
                self.fail(f'not within {self.patience} s: {what}')
            self.pass_time(0.01)

    def has_new_session(self, coordinator: Coordinator, old: Session) -> bool:
        """Whether there is a session that is not ``old``."""
        session = coordinator.session()
        return session is not None and session.incarnation != old.incarnation

    def needs(self, capability: Capability) -> None:
        """Skip the test where the driver does not declare this."""
        if capability not in self.capabilities:
            self.skipTest(f'no {capability.value}')

    def within_limit(self, call: Callable[[], object]) -> None:
        """Call; it must return, or say that it cannot be said, within the limit."""
        raised: list[BaseException] = []

        def _call() -> None:
            try:
                call()
            except (exceptions.CoordinatorUnavailable, exceptions.SessionLost):
                pass
            except BaseException as error:
                raised.append(error)

        thread = threading.Thread(target=_call, daemon=True)
        thread.start()
        thread.join(self.call_limit)
        self.assertFalse(thread.is_alive(), f'hangs for more than {self.call_limit} s: {call}')
        self.assertEqual([], raised)

    # Sessions and members.

    def test_capabilities_are_as_declared(self) -> None:
        self.assertEqual(self.capabilities, self.make('a').capabilities)

    def test_incarnation_names_conductor_worker_and_session(self) -> None:
        session = self.session_of(self.joined('a'))
        conductor, worker, number = session.incarnation.split('/')
        self.assertEqual(('a', '1'), (conductor, worker))
        self.assertNotEqual('', number)

    def test_there_is_no_session_before_start_and_after_stop(self) -> None:
        coordinator = self.make('a')
        self.assertIsNone(coordinator.session())
        self.assertRaises(exceptions.CoordinatorUnavailable, coordinator.members)
        coordinator.start()
        session = self.session_of(coordinator)
        coordinator.stop()
        coordinator.stop()
        self.assertIsNone(coordinator.session())
        self.assertLess(session.deadline(), self.clock.now())
        self.assertRaises(exceptions.CoordinatorUnavailable, coordinator.members)

    def test_two_sessions_of_one_worker_have_two_names(self) -> None:
        first = self.joined('a')
        before = self.session_of(first).incarnation
        first.stop()
        self.assertNotEqual(before, self.session_of(self.joined('a')).incarnation)

    def test_members_are_those_who_joined_and_did_not_leave(self) -> None:
        a, b = self.joined('a'), self.joined('b')
        both = {self.session_of(a).incarnation, self.session_of(b).incarnation}
        self.eventually(lambda: a.members() == b.members() == both, 'both are members')
        left = self.session_of(b).incarnation
        b.stop()
        self.eventually(lambda: a.members() == both - {left}, 'the one that stopped is gone')

    def test_session_goes_on_while_all_is_well(self) -> None:
        coordinator = self.joined('a')
        session = self.session_of(coordinator)
        first = session.deadline()
        self.pass_time(2.5 * session.timeout)
        self.assertIs(session, coordinator.session())
        self.assertGreater(session.deadline(), first)
        self.assertGreater(session.deadline(), self.clock.now())
        self.assertLessEqual(session.deadline(), self.clock.now() + session.timeout)

    def test_session_that_was_ended_is_followed_by_another(self) -> None:
        coordinator = self.joined('a')
        session = self.session_of(coordinator)
        self.end_session(coordinator)
        self.eventually(lambda: self.has_new_session(coordinator, session), 'a new session')
        self.assertLess(session.deadline(), self.clock.now())
        new = self.session_of(coordinator)
        self.eventually(
            lambda: coordinator.members() == {new.incarnation}, 'the old one is no member'
        )
        self.pass_time(session.timeout)
        self.assertIs(new, coordinator.session())
        self.assertLess(session.deadline(), self.clock.now())

    def test_session_ends_by_its_own_clock_when_nothing_is_heard(self) -> None:
        coordinator = self.joined('a')
        session = self.session_of(coordinator)
        self.cut(coordinator)
        ends = self.clock.now() + session.timeout
        self.eventually(lambda: coordinator.session() is None, 'its end')
        self.assertLess(self.clock.now(), ends + 1.0)
        self.assertLess(session.deadline(), self.clock.now())
        self.heal(coordinator)
        self.eventually(lambda: self.has_new_session(coordinator, session), 'a new session')
        self.assertLess(session.deadline(), self.clock.now())

    def test_start_without_the_service_raises_and_goes_on_trying(self) -> None:
        self.freeze()
        coordinator = self.make('a')
        self.assertRaises(exceptions.CoordinatorUnavailable, coordinator.start)
        self.assertIsNone(coordinator.session())
        self.thaw()
        self.eventually(lambda: coordinator.session() is not None, 'a session')

    # Locks.

    def test_lock_is_held_by_one(self) -> None:
        a, b = self.joined('a'), self.joined('b')
        session = self.session_of(a)
        self.assertEqual(Lock('job', session), a.acquire(session, 'job'))
        error = None
        try:
            self.take(b, 'job')
        except exceptions.LockHeld as held:
            error = held
        assert error is not None
        self.assertEqual(('job', session.incarnation), (error.name, error.owner))
        self.assertEqual(session.incarnation, a.holder('job'))
        self.assertEqual(session.incarnation, b.holder('job'))

    def test_lock_that_is_held_cannot_be_taken_again_by_its_holder(self) -> None:
        coordinator = self.joined('a')
        self.take(coordinator, 'job')
        self.assertRaises(exceptions.LockHeld, self.take, coordinator, 'job')

    def test_lock_that_nobody_took_has_no_holder(self) -> None:
        self.assertIsNone(self.joined('a').holder('job'))

    def test_release_lets_another_take_it(self) -> None:
        a, b = self.joined('a'), self.joined('b')
        a.release(self.take(a, 'job'))
        self.assertIsNone(b.holder('job'))
        self.take(b, 'job')
        self.assertEqual(self.session_of(b).incarnation, a.holder('job'))

    def test_second_release_leaves_the_successor_alone(self) -> None:
        a, b = self.joined('a'), self.joined('b')
        lock = self.take(a, 'job')
        a.release(lock)
        self.take(b, 'job')
        a.release(lock)
        self.assertEqual(self.session_of(b).incarnation, b.holder('job'))

    def test_any_text_is_the_name_of_a_lock(self) -> None:
        coordinator = self.joined('a')
        names = ['a/b', '/', '..', 'a b', '%2F', 'ü', 'a' * 200]
        for name in names:
            self.take(coordinator, name)
        me = self.session_of(coordinator).incarnation
        self.assertEqual([me] * len(names), [coordinator.holder(name) for name in names])

    def test_one_of_many_takes_each_lock(self) -> None:
        members = [self.joined('a'), self.joined('b')]
        names = [f'job-{number}' for number in range(5)]
        taken: list[str] = []

        def _take(coordinator: Coordinator) -> None:
            taken.extend(name for name in names if self.wins(coordinator, name))

        threads = [threading.Thread(target=_take, args=(member,)) for member in members * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(names, sorted(taken))

    def test_stop_gives_up_every_lock_at_once(self) -> None:
        a, b = self.joined('a'), self.joined('b')
        self.take(a, 'job')
        a.stop()
        self.assertIsNone(b.holder('job'))
        self.take(b, 'job')

    def test_lock_ends_with_its_session(self) -> None:
        a, b = self.joined('a'), self.joined('b')
        self.take(a, 'job')
        self.end_session(a)
        self.eventually(lambda: b.holder('job') is None, 'the lock is free')
        self.take(b, 'job')

    def test_release_under_an_ended_session_leaves_the_successor_alone(self) -> None:
        a, b = self.joined('a'), self.joined('b')
        lock = self.take(a, 'job')
        self.end_session(a)
        self.eventually(lambda: self.can_take(b, 'job'), 'the successor has it')
        a.release(lock)
        self.eventually(lambda: self.has_new_session(a, lock.session), 'a new session')
        a.release(lock)
        self.assertEqual(self.session_of(b).incarnation, b.holder('job'))

    def test_ended_session_takes_no_lock(self) -> None:
        a, b = self.joined('a'), self.joined('b')
        session = self.session_of(a)
        self.end_session(a)
        self.assertRaises(exceptions.SessionLost, a.acquire, session, 'job')
        self.eventually(lambda: self.has_new_session(a, session), 'a new session')
        self.assertRaises(exceptions.SessionLost, a.acquire, session, 'job')
        self.assertIsNone(b.holder('job'))

    def test_session_is_over_for_its_holder_before_another_has_the_lock(self) -> None:
        a, b = self.joined('a'), self.joined('b')
        lock = self.take(a, 'job')
        self.cut(a)
        self.eventually(lambda: self.can_take(b, 'job'), 'the successor has it')
        self.assertIsNone(a.session())
        self.assertLess(lock.session.deadline(), self.clock.now())
        self.heal(a)
        a.release(lock)
        self.eventually(lambda: self.has_new_session(a, lock.session), 'a new session')
        a.release(lock)
        self.assertRaises(exceptions.LockHeld, self.take, a, 'job')
        self.assertEqual(self.session_of(b).incarnation, b.holder('job'))

    # The service away.

    def test_no_call_hangs_while_the_service_is_frozen(self) -> None:
        coordinator = self.joined('a')
        session = self.session_of(coordinator)
        lock = self.take(coordinator, 'job')
        self.freeze()
        self.addCleanup(self.thaw)
        self.within_limit(lambda: coordinator.acquire(session, 'other'))
        self.within_limit(lambda: coordinator.release(lock))
        self.within_limit(lambda: coordinator.holder('job'))
        self.within_limit(coordinator.members)
        self.within_limit(coordinator.board_id)
        self.within_limit(lambda: coordinator.ring(1))
        self.within_limit(coordinator.session)
        self.within_limit(coordinator.stop)

    def test_what_was_tried_while_the_service_was_frozen_is_left_to_nobody(self) -> None:
        a, b = self.joined('a'), self.joined('b')
        lock = self.take(a, 'held')
        self.freeze()
        self.within_limit(lambda: a.acquire(lock.session, 'tried'))
        self.within_limit(lambda: a.release(lock))
        self.thaw()
        self.eventually(lambda: b.session() is not None, 'a session of the other')
        self.eventually(lambda: self._are_free(b, 'tried', 'held'), 'both are free')
        self.pass_time(lock.session.timeout)
        self.eventually(lambda: self._are_free(b, 'tried', 'held'), 'both are free still')

    def _are_free(self, coordinator: Coordinator, *names: str) -> bool:
        """Tell whether nobody holds these locks; False while it cannot be told."""
        try:
            return all(coordinator.holder(name) is None for name in names)
        except exceptions.CoordinatorUnavailable:
            return False

    def test_restart_with_empty_data_is_survived_by_a_new_session(self) -> None:
        a, b = self.joined('a'), self.joined('b')
        lock = self.take(a, 'job')
        before = self.session_of(b)
        self.restart()
        self.eventually(lambda: self.has_new_session(a, lock.session), 'a new session of a')
        self.eventually(lambda: self.has_new_session(b, before), 'a new session of b')
        self.take(b, 'job')
        a.release(lock)
        self.assertRaises(exceptions.LockHeld, self.take, a, 'job')
        both = {self.session_of(a).incarnation, self.session_of(b).incarnation}
        self.eventually(lambda: a.members() == b.members() == both, 'both are members')
        self.assertIsNone(a.board_id())

    # Rings.

    def test_ring_wakes_the_member_that_prefers_the_shard(self) -> None:
        self.needs(Capability.DOORBELL)
        a, b = self.joined('a'), self.joined('b')
        self.eventually(lambda: a.members() == b.members(), 'they know each other')
        me = self.session_of(a).incarnation
        shard = min(placement.preferred(range(SHARDS), a.members(), me))
        heard_a, heard_b = self.hear(a, Ring.DOORBELL), self.hear(b, Ring.DOORBELL)
        for count in range(3):
            self.pass_time(0.05)
            b.ring(shard)
            self.eventually(lambda: len(heard_a) > count, f'ring {count}')  # noqa: B023
        self.assertEqual([], heard_b)

    def test_ring_without_a_doorbell_does_nothing(self) -> None:
        if Capability.DOORBELL in self.capabilities:
            self.skipTest('has a doorbell')
        coordinator = self.joined('a')
        heard = self.hear(coordinator, Ring.DOORBELL)
        coordinator.ring(1)
        self.pass_time(0.05)
        self.assertEqual([], heard)

    def test_members_that_come_and_go_are_told(self) -> None:
        self.needs(Capability.WATCHED_MEMBERS)
        a = self.joined('a')
        self.pass_time(0.1)
        heard = self.hear(a, Ring.MEMBERS)
        b = self.joined('b')
        self.eventually(lambda: len(heard) > 0, 'a member came')
        self.eventually(lambda: len(a.members()) == 2, 'it is a member')
        count = len(heard)
        b.stop()
        self.eventually(lambda: len(heard) > count, 'a member went')

    def test_end_and_beginning_of_a_session_are_told(self) -> None:
        coordinator = self.make('a')
        heard = self.hear(coordinator, Ring.SESSION)
        coordinator.start()
        session = self.session_of(coordinator)
        self.eventually(lambda: len(heard) > 0, 'its beginning')
        count = len(heard)
        self.end_session(coordinator)
        self.eventually(lambda: self.has_new_session(coordinator, session), 'a new session')
        self.eventually(lambda: len(heard) > count, 'its end')

    def test_listener_that_blocks_or_fails_delays_no_heartbeat(self) -> None:
        coordinator = self.make('a')
        blocked = threading.Event()
        self.addCleanup(blocked.set)

        def _fail(ring: Ring) -> None:
            raise ValueError(ring)

        def _block(_ring: Ring) -> None:
            blocked.wait()

        coordinator.listen(_fail)
        coordinator.listen(_block)
        coordinator.start()
        session = self.session_of(coordinator)
        self.pass_time(2 * session.timeout)
        self.assertIs(session, coordinator.session())
        coordinator.release(self.take(coordinator, 'job'))

    def hear(self, coordinator: Coordinator, kind: Ring) -> list[Ring]:
        """Return a list that grows with every ring of a kind."""
        heard: list[Ring] = []

        def _hear(ring: Ring) -> None:
            if ring is kind:
                heard.append(ring)

        coordinator.listen(_hear)
        return heard

    # The board's id.

    def test_board_id_is_the_one_that_was_proposed_first(self) -> None:
        a, b = self.joined('a'), self.joined('b')
        self.assertIsNone(a.board_id())
        self.assertEqual('first', a.board_id('first'))
        self.assertEqual('first', b.board_id('second'))
        self.assertEqual('first', b.board_id())
