# SPDX-License-Identifier: Apache-2.0
"""A row that cannot be read is told where it is looked at, and hides no other."""

from __future__ import annotations

import sqlalchemy as sa

from tests.functional.sql.cases import SqlTestCase, candidate_of, post
from tfd import exceptions, states
from tfd.jobs import record
from tfd.persistence.record import Fence, Settlement
from tfd_drivers.sql import tables


class UnreadableTest(SqlTestCase):

    kind = 'sqlite'

    def setUp(self) -> None:
        super().setUp()
        self.good, self.bad = post(self.backend, store={'a': 1}), post(self.backend)
        self.jobs = self.backend.jobs()
        jobs = tables.jobs
        self.candidate = candidate_of(self.backend, self.bad.id)
        self.backend.database.run(lambda connection: connection.execute(
            sa.update(jobs).where(jobs.c.id == self.bad.id).values(store='{"secret": ')))

    def test_a_list_has_it(self) -> None:
        found = {job.id: job for job in self.jobs.list(record.JobQuery())}
        self.assertEqual({'a': 1}, found[self.good.id].store)
        self.assertRaises(exceptions.InvalidFormat, dict, found[self.bad.id].store)
        self.assertNotIn('secret', repr(found[self.bad.id]))

    def test_it_can_be_looked_at_but_for_what_cannot_be_read(self) -> None:
        for found in (self.jobs.get(self.bad.id), self.jobs.find(self.bad.token)):
            self.assertEqual((self.bad.id, states.UNCLAIMED), (found.id, found.state))
            error = self.assertRaises(exceptions.InvalidFormat, dict, found.store)
            self.assertNotIn('secret', str(error))
            self.assertNotIn('secret', repr(found) + repr(found.store))

    def test_a_claim_of_it_is_told_and_can_be_settled(self) -> None:
        self.assertRaises(exceptions.InvalidFormat, self.jobs.claim, self.candidate, 'me', 'claim')
        self.assertEqual([self.bad.id], [job.id for job in self.jobs.owned('me')])
        self.jobs.settle(Fence(self.bad.id, self.candidate.epoch + 1), Settlement('claim', states.PARKED))
        (found,) = self.jobs.list(record.JobQuery(states=(states.PARKED,)))
        self.assertEqual(self.bad.id, found.id)
