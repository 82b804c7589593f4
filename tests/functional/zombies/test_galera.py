# SPDX-License-Identifier: Apache-2.0
"""A takeover on one node of a Galera cluster against a late write on another one, which lags behind.

The node of the owner has not applied the takeover yet, because it is busy with a bulk write; what it knows says that
the owner still owns. Locks do not travel between nodes. What is written does: of two transactions that write the same
row the second fails at its commit, wherever it comes from.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
import testtools
from testtools import content

from tests.functional import servers
from tests.functional.sql.databases import migrate
from tests.functional.zombies import guards
from tests.functional.zombies.races import End, Races, spread
from tfd.jobs import record as jobs_record
from tfd.persistence.record import Change, Entry, Fence
from tfd_drivers.sql.backend import SqlBackend

#: Races while the owner's node lags once, all at the same time; and how often it does.
_RACES = 50
_LAGS = 8
_SPREAD = 0.05
#: Rows of the bulk write. They have no key: the node that applies it looks for each among all of them.
_ROWS = 2500


class GaleraTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.cluster = self.useFixture(servers.Galera())
        self.url = self.useFixture(servers.Database('mariadb', self.cluster.first)).url
        migrate(self.url)
        self._bulk = f'{sa.make_url(self.url).database}.bulk'
        self.owner, self.successor = self._backend(self.cluster.first), self._backend(self.cluster.second)
        self.races = Races(self.owner, self.successor, _RACES)
        with self.successor.database.engine.begin() as connection:
            connection.exec_driver_sql('CREATE TABLE bulk (number INT, filling CHAR(100))')
            connection.exec_driver_sql(f"INSERT INTO bulk SELECT 0, 'x' FROM seq_1_to_{_ROWS}")

    def _backend(self, node: servers.MariaDB) -> SqlBackend:
        url = sa.make_url(self.url).set(port=node.port).render_as_string(hide_password=False)
        backend = SqlBackend({'connection': url, 'max_pool_size': _RACES + 2, 'statement_timeout': 60})
        self.addCleanup(backend.close)
        return backend

    def _written(self, node: servers.MariaDB) -> int:
        """Return how many bulk writes the node knows of."""
        with node.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f'SELECT number FROM {self._bulk} LIMIT 1')
            (number,) = cursor.fetchone()
        return int(number)

    def let_it_lag(self) -> None:
        """Give the owner's node something to do."""
        before = self._written(self.cluster.first)
        with self.successor.database.engine.begin() as connection:
            connection.exec_driver_sql('UPDATE bulk SET number = number + 1')
        self.assertEqual(before, self._written(self.cluster.first), 'the node does not lag')

    def run_races(self) -> list[End]:
        """Run races while the owner's node lags."""
        flows = self.races.prepare(_RACES)
        self.let_it_lag()
        # Of the first the write has been sent before it is taken over.
        return self.races.run(flows, self._step, spread(_RACES, _SPREAD, 10 * _SPREAD))

    def _step(self, job: jobs_record.Job, fence: Fence) -> Entry:
        return Entry(job.flow_uuid, fence, changes=[Change(0, ('state',), ('LATE',))])

    def judge(self, ends: Sequence[End]) -> int:
        """Return how many writes came late, once both nodes know of all of them."""
        for node in (self.cluster.first, self.cluster.second):
            with node.connect() as connection, connection.cursor() as cursor:
                cursor.execute('SET SESSION wsrep_sync_wait = 1')
                cursor.execute(f'SELECT number FROM {self._bulk} LIMIT 1')
        return self.races.judge(ends)

    def test_no_write_comes_late(self) -> None:
        ends = [end for _ in range(_LAGS) for end in self.run_races()]
        self.assertEqual(_RACES * _LAGS, len(ends))
        self.assertEqual(0, self.judge(ends))
        self.assertEqual({('done', 'done'), ('OwnershipLost', 'done')}, {end.both for end in ends})
        self.assertEqual([], [end for end in ends if (end.write == 'done') != (end.seen is not None)])

    def test_what_is_loaded_is_all_that_was_recorded(self) -> None:
        """A process that claims on one node and loads on another one waits for that."""
        ((job, fence),) = self.races.prepare(1)
        self.let_it_lag()
        self.successor.journal().append(self._step(job, fence))
        loaded = self.owner.journal().load(job.flow_uuid)
        self.assertEqual(['LATE', None], [atom.state for atom in loaded.atoms])

    def test_where_the_guard_is_none_writes_come_late(self) -> None:
        """Whoever has the row locked at the owner's node has it locked nowhere else."""
        late = {}
        for guard in (guards.nothing, guards.unlocked, guards.shared, guards.locked):
            with guards.instead(guard):
                late[guard.__name__] = self.judge(self.run_races())
        self.addDetail('late writes', content.text_content(f'of {_RACES} each: {late}'))
        self.assertEqual([], [name for name, count in late.items() if not count])
