# SPDX-License-Identifier: Apache-2.0
"""What the ZooKeeper driver promises beyond the contract: lost replies, its cost, its options, its clock."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from typing import Any

from kazoo.protocol import serialization

from tests.functional.zookeeper.cases import ServerTestCase
from tests.functional.zookeeper.proxy import Wire
from tfd import exceptions
from tfd.jobs import placement
from tfd.jobs.ports import Ring
from tfd.jobs.record import SHARDS
from tfd.testing.clock import FakeClock
from tfd.types.clock import BootClock
from tfd_drivers.zookeeper.coordinator import ZookeeperCoordinator

_SESSION = 1.0


class _ZookeeperTest(ServerTestCase):
    """Each test has a root of its own."""

    def setUp(self) -> None:
        super().setUp()
        self.root = f'/{uuid.uuid4().hex}'

    def conf(self, **options: Any) -> dict[str, Any]:
        return {
            'hosts': self.server.hosts, 'path': self.root, 'session_timeout': _SESSION, **options}

    def joined(self, conductor: str = 'a', **options: Any) -> ZookeeperCoordinator:
        clock = options.pop('clock', None)
        coordinator = ZookeeperCoordinator(
            self.conf(**options), conductor=conductor, worker='1', clock=clock)
        self.addCleanup(coordinator.stop)
        coordinator.start()
        return coordinator


def _is_multi(data: bytes) -> bool:
    """Whether there is the answer to a multi, which ends with a header of its own, among these bytes."""
    return serialization.multiheader_struct.pack(-1, True, -1) in data


class LostReplyTest(_ZookeeperTest):
    """A request that was performed, and whose answer never came."""

    def setUp(self) -> None:
        super().setUp()
        self.wire = self.useFixture(Wire(self.server.hosts))

    def test_lock_whose_answer_was_lost_is_found_to_be_held(self) -> None:
        a, b = self.joined('a', hosts=self.wire.hosts), self.joined('b')
        self.wire.lose_reply(_is_multi)
        lock = a.acquire(a.session(), 'job')
        self.assertTrue(self.wire.lost.is_set())
        self.assertEqual(a.session().incarnation, b.holder('job'))
        a.release(lock)
        self.assertIsNone(b.holder('job'))

    def test_refusal_whose_answer_was_lost_is_found_out(self) -> None:
        a, b = self.joined('a', hosts=self.wire.hosts), self.joined('b')
        b.acquire(b.session(), 'job')
        self.wire.lose_reply(_is_multi)
        self.assertRaises(exceptions.LockHeld, a.acquire, a.session(), 'job')
        self.assertTrue(self.wire.lost.is_set())

    def test_release_whose_answer_was_lost_is_settled(self) -> None:
        a, b = self.joined('a', hosts=self.wire.hosts), self.joined('b')
        lock = a.acquire(a.session(), 'job')
        self.wire.lose_reply(_is_multi)
        a.release(lock)
        self.assertTrue(self.wire.lost.is_set())
        b.acquire(b.session(), 'job')
        locks = a._keeper.membership().locks
        self.eventually(lambda: not locks.unresolved(), 'nothing is unresolved')
        self.assertEqual(b.session().incarnation, a.holder('job'))

    def test_lock_in_doubt_is_removed_under_the_same_session(self) -> None:
        timeout = 4.0
        a = self.joined('a', hosts=self.wire.hosts, session_timeout=timeout, request_timeout=0.3)
        b = self.joined('b')
        session = a.session()
        self.wire.hold_reply(_is_multi)
        self.assertRaises(exceptions.CoordinatorUnavailable, a.acquire, session, 'job')
        self.assertEqual(session.incarnation, b.holder('job'))
        self.wire.heal()
        self.eventually(lambda: b.holder('job') is None, 'it is removed')
        self.assertIs(session, a.session())

    def test_lock_in_doubt_can_be_taken_again(self) -> None:
        a = self.joined('a', hosts=self.wire.hosts, session_timeout=4.0, request_timeout=0.3)
        membership = a._keeper.membership()
        membership.locks._reconcile = lambda: None
        self.wire.hold_reply(_is_multi)
        self.assertRaises(exceptions.CoordinatorUnavailable, a.acquire, a.session(), 'job')
        self.wire.heal()
        a.acquire(a.session(), 'job')
        self.assertEqual(frozenset(), membership.locks.unresolved())
        self.assertEqual(a.session().incarnation, a.holder('job'))


class ClockTest(_ZookeeperTest):
    """Until when a session is believed in."""

    def test_negotiated_timeout_is_found_out(self) -> None:
        self.assertEqual(2.0, self.joined(session_timeout=30.0).session().timeout)
        self.assertEqual(0.2, self.joined(session_timeout=0.05).session().timeout)

    def test_half_of_the_timeout_is_left_at_any_time(self) -> None:
        coordinator = self.joined(session_timeout=2.0)
        session, clock = coordinator.session(), BootClock()
        time.sleep(1.1)
        left = []
        for _ in range(50):
            left.append(session.deadline() - clock.now())
            time.sleep(0.01)
        self.assertGreater(min(left), 0.75)
        self.assertLess(max(left), 1.6)

    def test_day_of_suspend_ends_the_session_at_once(self) -> None:
        clock = FakeClock()
        a, b = self.joined('a', clock=clock, session_timeout=2.0), self.joined('b')
        session = a.session()
        a.acquire(session, 'job')
        clock.advance(86400.0)
        self.assertIsNone(a.session())
        self.assertRaises(exceptions.SessionLost, a.acquire, session, 'other')
        self.eventually(lambda: a.session() is not None, 'a new session')
        self.assertNotEqual(session.incarnation, a.session().incarnation)
        # The old client was closed, and its session with it.
        self.eventually(lambda: b.holder('job') is None, 'the lock is free', patience=1.5)

    def test_broken_connections_alone_end_no_session(self) -> None:
        wire = self.useFixture(Wire(self.server.hosts))
        coordinator = self.joined(hosts=wire.hosts, session_timeout=2.0)
        session = coordinator.session()
        coordinator.acquire(session, 'job')
        for number in range(3):
            wire.drop()
            coordinator.release(coordinator.acquire(session, f'other-{number}'))
        time.sleep(1.0)
        self.assertIs(session, coordinator.session())
        self.assertEqual(session.incarnation, coordinator.holder('job'))

    def test_stopped_process_wakes_up_without_its_session(self) -> None:
        script = textwrap.dedent('''
            import sys, json
            from tfd_drivers.zookeeper.coordinator import ZookeeperCoordinator
            c = ZookeeperCoordinator(json.loads(sys.argv[1]), conductor='zombie', worker='1')
            c.start()
            session = c.session()
            lock = c.acquire(session, 'job')
            print('held', flush=True)
            sys.stdin.readline()
            believed = c.session() is session
            c.release(lock)
            print(json.dumps([believed, session.deadline()]), flush=True)
            sys.stdin.readline()
            c.stop()
        ''')
        child = subprocess.Popen(
            [sys.executable, '-c', script, json.dumps(self.conf())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)})
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        self.assertEqual('held\n', child.stdout.readline())
        peer = self.joined('peer')
        child.send_signal(signal.SIGSTOP)
        self.eventually(lambda: self._takes(peer, 'job'), 'the peer has the lock')
        child.stdin.write('\n')
        child.stdin.flush()
        child.send_signal(signal.SIGCONT)
        believed, deadline = json.loads(child.stdout.readline())
        self.assertFalse(believed)
        self.assertLess(deadline, BootClock().now())
        self.assertEqual(peer.session().incarnation, peer.holder('job'))

    def _takes(self, coordinator: ZookeeperCoordinator, name: str) -> bool:
        try:
            coordinator.acquire(coordinator.session(), name)
        except exceptions.LockHeld:
            return False
        return True


class CostTest(_ZookeeperTest):
    """How many requests are sent, and what is watched."""

    def test_idle_member_sends_heartbeats_alone(self) -> None:
        timeout = 2.0
        a, b = self.joined('a', session_timeout=timeout), self.joined('b')
        for number in range(50):
            b.acquire(b.session(), f'job-{number}')
        time.sleep(0.2)
        sent = self._record_requests(a)
        time.sleep(1.5 * timeout)
        self.assertEqual(
            {serialization.Sync, serialization.Exists}, {type(request) for request in sent})
        # Four heartbeats a time-out, of two requests each.
        self.assertLessEqual(len(sent), 2 * (6 + 1))

    def test_every_shard_is_watched_by_one_member_and_no_lock_is(self) -> None:
        members = [self.joined(name) for name in 'abc']
        self.eventually(lambda: len(members[0].members()) == 3, 'all are members')
        members[0].acquire(members[0].session(), 'job')
        self.eventually(lambda: self._watched(members) == SHARDS, 'every shard is watched')
        clients = [member._keeper.membership().client for member in members]
        everything = [path for client in clients for path in client._data_watchers]
        self.assertEqual(SHARDS, len(set(everything)))
        self.assertEqual([], [path for path in everything if '/locks/' in path])
        self.assertEqual(
            [[f'{self.root}/members']] * 3, [list(client._child_watchers) for client in clients])

    def test_lock_and_release_are_one_write_each(self) -> None:
        coordinator = self.joined(session_timeout=2.0)
        sent = self._record_requests(coordinator)
        coordinator.release(coordinator.acquire(coordinator.session(), 'job'))
        written = [request for request in sent if isinstance(request, serialization.Transaction)]
        self.assertEqual(2, len(written))

    def test_many_rings_of_a_shard_become_few(self) -> None:
        coordinator = self.joined(session_timeout=2.0)
        sent = self._record_requests(coordinator)
        for _ in range(1000):
            coordinator.ring(7)
        time.sleep(0.2)
        rings = [request for request in sent if isinstance(request, serialization.SetData)]
        self.assertLess(len(rings), 500)
        self.assertGreater(len(rings), 0)

    def _watched(self, members: list[ZookeeperCoordinator]) -> int:
        found = 0
        for member in members:
            membership = member._keeper.membership()
            mine = placement.preferred(
                range(SHARDS), member.members(), membership.session.incarnation)
            paths = {f'{self.root}/doorbells/{shard}' for shard in mine}
            found += len(paths & {path for path, who in membership.client._data_watchers.items() if who})
        return found

    def _record_requests(self, coordinator: ZookeeperCoordinator) -> list[Any]:
        connection = coordinator._keeper.membership().client._connection
        send, sent = connection._submit, []

        def _submit(request: Any, timeout: float, xid: int | None = None) -> None:
            if not isinstance(request, serialization.Ping):
                sent.append(request)
            send(request, timeout, xid)

        connection._submit = _submit
        return sent


class DoorbellTest(_ZookeeperTest):
    """Rings that come while the watch is being set again."""

    def test_last_ring_is_heard_after_it_was_sent(self) -> None:
        a, b = self.joined('a', session_timeout=2.0), self.joined('b', session_timeout=2.0)
        self.eventually(lambda: len(a.members()) == 2, 'they know each other')
        shard = min(placement.preferred(range(SHARDS), a.members(), a.session().incarnation))
        node = f'{self.root}/doorbells/{shard}'
        client = self.kazoo()
        heard: list[int] = []
        posted = 0

        def _listen(ring: Ring) -> None:
            if ring is Ring.DOORBELL:
                heard.append(posted)

        a.listen(_listen)
        b.ring(shard)
        self.eventually(lambda: client.exists(node), 'the first ring made the doorbell')
        for count in range(200):
            posted = count
            client.set(node, b'')
        self.eventually(lambda: heard and heard[-1] == 199, 'the last one is heard')

    def test_ring_while_the_connection_was_broken_is_heard(self) -> None:
        wire = self.useFixture(Wire(self.server.hosts))
        a = self.joined('a', hosts=wire.hosts, session_timeout=2.0)
        client = self.kazoo()
        a.ring(3)
        node = f'{self.root}/doorbells/3'
        self.eventually(lambda: client.exists(node), 'the first ring made the doorbell')
        watchers = a._keeper.membership().client._data_watchers
        self.eventually(lambda: watchers.get(node), 'it is watched')
        heard: list[Ring] = []
        a.listen(heard.append)
        time.sleep(0.1)
        heard.clear()
        wire.cut()
        client.set(node, b'')
        wire.drop()
        wire.heal()
        self.eventually(lambda: Ring.DOORBELL in heard, 'it is heard')


class OptionsTest(_ZookeeperTest):
    """What can be configured."""

    def test_chroot_is_made_and_honoured(self) -> None:
        self.joined(hosts=f'{self.server.hosts}{self.root}/deep', path='/one')
        self.assertEqual(1, len(self.kazoo().get_children(f'{self.root}/deep/one/members')))

    def test_deployments_do_not_see_each_other(self) -> None:
        a, b = self.joined(path=f'{self.root}/a'), self.joined(path=f'{self.root}/b')
        a.acquire(a.session(), 'job')
        b.acquire(b.session(), 'job')
        self.assertEqual({a.session().incarnation}, a.members())

    def test_nodes_can_be_kept_from_others(self) -> None:
        options = {'auth_data': ['digest:tfd:secret'], 'acl': 'creator'}
        a = self.joined('a', **options)
        a.acquire(a.session(), 'job')
        b = self.joined('b', **options)
        self.assertEqual(a.session().incarnation, b.holder('job'))
        stranger = ZookeeperCoordinator(
            self.conf(connect_timeout=0.5), conductor='x', worker='1')
        self.addCleanup(stranger.stop)
        error = self.assertRaises(exceptions.CoordinatorUnavailable, stranger.start)
        self.assertIn('NoAuth', str(error))

    def test_member_says_where_it_runs_in_less_than_a_kilobyte(self) -> None:
        self.joined()
        client = self.kazoo()
        [node] = client.get_children(f'{self.root}/members')
        data, _ = client.get(f'{self.root}/members/{node}')
        self.assertEqual(os.getpid(), json.loads(data)['pid'])
        self.assertLess(len(data), 1024)

    def test_observer_is_no_member_and_takes_no_locks(self) -> None:
        member = self.joined('a')
        observer = self.joined('poster', observer=True)
        self.assertEqual({member.session().incarnation}, observer.members())
        self.assertRaises(
            exceptions.InvalidState, observer.acquire, observer.session(), 'job')
        heard: list[Ring] = []
        member.listen(heard.append)
        self.eventually(lambda: observer.ring(1) or Ring.DOORBELL in heard, 'its ring is heard')
        session = observer.session()
        time.sleep(2 * _SESSION)
        self.assertIs(session, observer.session())

    def test_ring_just_before_stop_is_sent(self) -> None:
        member, observer = self.joined('a'), self.joined('poster', observer=True)
        client = self.kazoo()
        observer.ring(5)
        observer.stop()
        self.eventually(lambda: client.exists(f'{self.root}/doorbells/5'), 'it was rung')
        self.assertIsNotNone(member.session())

    def test_unreachable_server_is_named(self) -> None:
        coordinator = ZookeeperCoordinator(
            {'hosts': '127.0.0.1:9', 'connect_timeout': 0.2}, conductor='a', worker='1')
        self.addCleanup(coordinator.stop)
        error = self.assertRaises(exceptions.CoordinatorUnavailable, coordinator.start)
        self.assertIn('127.0.0.1:9', str(error))


class VandalTest(_ZookeeperTest):
    """What others do to the nodes."""

    def test_member_whose_node_is_removed_begins_anew(self) -> None:
        coordinator = self.joined()
        session = coordinator.session()
        coordinator.acquire(session, 'job')
        client = self.kazoo()
        [node] = client.get_children(f'{self.root}/members')
        client.delete(f'{self.root}/members/{node}')
        self.eventually(lambda: coordinator.session() not in (None, session), 'a new session')
        self.eventually(lambda: coordinator.holder('job') is None, 'its lock is gone')

    def test_garbage_among_the_members_is_passed_over(self) -> None:
        coordinator = self.joined()
        client = self.kazoo()
        client.create(f'{self.root}/members/garbage')
        client.create(f'{self.root}/members/a%2Fb', b'\xff' * 100)
        time.sleep(0.1)
        self.assertEqual({coordinator.session().incarnation}, coordinator.members())

    def test_garbage_in_a_lock_is_somebody_elses(self) -> None:
        coordinator = self.joined()
        self.kazoo().create(f'{self.root}/locks/job', b'\xff\x00', ephemeral=True)
        self.assertRaises(
            exceptions.LockHeld, coordinator.acquire, coordinator.session(), 'job')

    def test_node_that_no_session_stands_behind_is_removed(self) -> None:
        coordinator = self.joined()
        self.kazoo().create(f'{self.root}/locks/job', b'\xff\x00')
        coordinator.acquire(coordinator.session(), 'job')
        self.assertEqual(coordinator.session().incarnation, coordinator.holder('job'))

    def test_node_with_nodes_below_it_is_left_alone(self) -> None:
        coordinator = self.joined()
        self.kazoo().create(f'{self.root}/locks/job/below', makepath=True)
        self.assertRaises(
            exceptions.LockHeld, coordinator.acquire, coordinator.session(), 'job')

    def test_lock_removed_by_somebody_can_be_released(self) -> None:
        coordinator = self.joined()
        session = coordinator.session()
        lock = coordinator.acquire(session, 'job')
        self.kazoo().delete(f'{self.root}/locks/job')
        coordinator.release(lock)
        coordinator.release(coordinator.acquire(session, 'job'))
        self.assertIs(session, coordinator.session())
