# SPDX-License-Identifier: Apache-2.0
"""Who removes expired jobs, and until when."""

from __future__ import annotations

import threading
from typing import Any

from tests.unit.jobs.boards import BoardTestCase
from tests.unit.jobs.test_retention import FakeRetention
from tfd import exceptions, states
from tfd.conductors.housekeeper import LOCK, Housekeeper, Settings
from tfd.jobs.retention import Expiry
from tfd.testing.ensemble import FakeCoordinator

_DAYS = {states.SUCCESS: 1.0, states.REVERTED: 0.0}
_SETTINGS = Settings(_DAYS, interval=60.0, batch=10)


class _Resting(Housekeeper):
    """Does not rest."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stopping.wait = lambda timeout=None: self._stopping.is_set()  # type: ignore[method-assign]


class HousekeeperTest(BoardTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.kept = FakeRetention(SUCCESS=25, REVERTED=5)
        self.keeper = self.keep(self.member)

    def keep(self, member: FakeCoordinator) -> Housekeeper:
        return _Resting(
            self.kept, member, _SETTINGS, clock=self.clock, wall=lambda: 1e9)

    def test_removes_what_has_expired(self) -> None:
        self.keeper.look()
        self.assertEqual({'SUCCESS': 0, 'REVERTED': 5}, self.kept.expired)
        self.assertIn('removed jobs: SUCCESS=25', self.log.output)

    def test_one_of_all_is_elected(self) -> None:
        self.keeper.look()
        self.kept.expired['SUCCESS'] = 3
        self.keep(self.join('two')).look()
        self.assertEqual(3, self.kept.expired['SUCCESS'])
        self.assertEqual(self.me(), self.member.holder(LOCK))

    def test_another_is_elected_when_it_dies(self) -> None:
        other = self.keep(self.join('two'))
        self.keeper.look()
        self.ensemble.expire(self.me())
        self.kept.expired['SUCCESS'] = 3
        other.look()
        self.assertEqual(0, self.kept.expired['SUCCESS'])

    def test_stops_where_its_session_may_have_ended(self) -> None:
        purge = self.kept.purge

        def slow(expiry: Expiry, limit: int) -> int:
            self.ensemble.freeze()
            self.clock.advance(20.0)
            return purge(expiry, limit)

        self.kept.purge = slow  # type: ignore[method-assign]
        self.keeper.look()
        self.assertEqual(15, self.kept.expired['SUCCESS'])

    def test_stops_when_it_is_told_to_and_leaves_its_lock(self) -> None:
        keeper = Housekeeper(
            self.kept, self.member, Settings(_DAYS, 60.0, 100), clock=self.clock, wall=lambda: 1e9)
        thread = threading.Thread(target=keeper.run)
        thread.start()
        while not self.kept.expired['SUCCESS'] == 0:
            pass
        keeper.stop()
        thread.join(10)
        self.assertFalse(thread.is_alive())
        self.assertIsNone(self.member.holder(LOCK))

    def test_asks_nobody_where_nothing_expires(self) -> None:
        self.keeper.apply(Settings({states.SUCCESS: 0.0}, 60.0, 10))
        self.keeper.look()
        self.assertIsNone(self.member.holder(LOCK))

    def test_heeds_other_settings_at_once(self) -> None:
        keeper = Housekeeper(
            self.kept, self.member, Settings({}, 3600.0, 100), clock=self.clock, wall=lambda: 1e9)
        thread = threading.Thread(target=keeper.run)
        thread.start()
        self.addCleanup(thread.join, 10)
        self.addCleanup(keeper.stop)
        keeper.apply(_SETTINGS)
        while not self.kept.expired['SUCCESS'] == 0:
            pass

    def test_a_database_that_is_away_is_left_for_later(self) -> None:
        def away(expiry: Expiry, limit: int) -> int:
            self.keeper.stop()
            raise exceptions.StorageUnavailable('away')

        self.kept.purge = away  # type: ignore[method-assign]
        self.keeper.run()
        self.assertIn('left for later: away', self.log.output)
