# SPDX-License-Identifier: Apache-2.0
"""What has expired, and the pace at which it goes."""

from __future__ import annotations

import testtools

from tfd import states
from tfd.jobs.retention import Expiry, expiries, remove_all


class FakeRetention:
    """Expired jobs as mere numbers, by outcome."""

    def __init__(self, **expired: int) -> None:
        self.expired = expired

    def purge(self, expiry: Expiry, limit: int) -> int:
        removed = min(limit, self.expired.get(expiry.outcome, 0))
        if removed:
            self.expired[expiry.outcome] -= removed
        return removed


class ExpiriesTest(testtools.TestCase):

    def test_nothing_expires_that_was_given_no_days(self) -> None:
        self.assertEqual([], expiries({states.SUCCESS: 0.0, states.REVERTED: 0.0}, 1e9))

    def test_each_outcome_has_its_days(self) -> None:
        self.assertEqual(
            [Expiry(states.SUCCESS, 1e9 - 86400), Expiry(states.REVERTED, 1e9 - 43200)],
            expiries({states.SUCCESS: 1.0, states.REVERTED: 0.5}, 1e9))


class RemoveAllTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.kept = FakeRetention(SUCCESS=25, REVERTED=5)
        self.wanted = [Expiry(states.SUCCESS, 1.0), Expiry(states.REVERTED, 1.0)]

    def test_batch_by_batch(self) -> None:
        removed = list(remove_all(self.kept, self.wanted, 10, rest=lambda _: None))
        self.assertEqual([('SUCCESS', 10), ('SUCCESS', 10), ('SUCCESS', 5), ('REVERTED', 5)], removed)

    def test_rests_as_long_as_the_batch_before_took(self) -> None:
        times = iter((0.0, 2.0, 2.0, 3.0, 3.0, 103.0, 103.0, 104.0, 104.0))
        rests: list[float] = []
        list(remove_all(self.kept, self.wanted[:1], 10, rest=rests.append, clock=lambda: next(times)))
        self.assertEqual([2.0, 1.0, 5.0], rests)

    def test_stops_when_it_may_not_go_on(self) -> None:
        allowed = iter((True, True, False, False))
        removed = list(remove_all(self.kept, self.wanted, 10, lambda: next(allowed), rest=lambda _: None))
        self.assertEqual(20, sum(count for _, count in removed))
