# SPDX-License-Identifier: Apache-2.0
"""Logbooks of TaskFlow are taken over from each database, and their flows go on where they were."""

from __future__ import annotations

from typing import Any

import fixtures
import sqlalchemy as sa

from tests.functional import servers
from tests.functional.sql.cases import SqlTestCase
from tests.functional.sql.taskflow_flows import CALLS, plain, with_retry
from tests.functional.sql.taskflow_rows import BOOK, FLOWS, fill
from tests.unit.cmd.commands import CommandTestCase
from tfd import engines, exceptions
from tfd.cmd import exits, manage
from tfd.persistence.foreign import LeftOut
from tfd.storage.imported import Outcome, take_over
from tfd_drivers.sql.taskflow import TaskFlowSource


class _TaskFlowTest(SqlTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.theirs = self.useFixture(servers.Database(self.kind)).url
        fill(self.theirs)
        CALLS.clear()

    def take_over(self, **options: Any) -> tuple[dict[str, Outcome], dict[str, LeftOut]]:
        source = TaskFlowSource(self.theirs)
        self.addCleanup(source.close)
        found = list(take_over(source.read(options.pop('book', None)), self.backend, **options))
        return (
            {item.flow: item for item in found if isinstance(item, Outcome)},
            {item.name: item for item in found if isinstance(item, LeftOut)})

    def resume(self, name: str, flow: Any) -> tuple[str, list[str]]:
        detail = self.backend.get_connection().get_flow_details(FLOWS[name])
        engine = engines.load(flow, flow_detail=detail, backend=self.backend)
        try:
            engine.run()
        except exceptions.WrappedFailure as err:
            self.assertEqual('ValueError', err.check('ValueError'))
        return engine.storage.get_flow_state(), CALLS

    # -- what is read ------------------------------------------------------------------------------

    def test_everything_that_can_be_read_is_taken_over(self) -> None:
        taken, left = self.take_over()
        self.assertEqual({'finished', 'suspended', 'retrying', 'reverting', 'crashed'}, set(taken))
        self.assertEqual({True}, {outcome.new for outcome in taken.values()})
        self.assertEqual(['finished'], [name for name, outcome in taken.items() if outcome.finished])
        self.assertIn("atom 'a': results is no JSON", left['pickled'].why)
        self.assertIn("unknown type 'TIMER_DETAIL'", left['unknown'].why)

    def test_values_are_those_that_were_recorded(self) -> None:
        self.take_over()
        connection = self.backend.get_connection()
        book = connection.get_logbook(BOOK)
        self.assertEqual(('book', {'m': 1}, 5), (book.name, book.meta, len(book)))
        self.assertEqual('2026-02-03T04:05:06', book.created_at.isoformat())
        atoms = {atom.name: atom for atom in connection.get_flow_details(FLOWS['reverting'])}
        self.assertEqual(('a!', 'undone b'), (atoms['a'].results, atoms['b'].revert_results))
        self.assertEqual(('no', ('no',)), (atoms['b'].failure.exception_str, tuple(atoms['b'].failure.exception_args)))
        retry = {atom.name: atom for atom in connection.get_flow_details(FLOWS['retrying'])}['r']
        self.assertEqual(['one'], [provided for provided, _ in retry.results])
        self.assertEqual('no', retry.results[0][1]['b'].exception_str)
        waiting = {atom.name: atom for atom in connection.get_flow_details(FLOWS['suspended'])}['b']
        self.assertEqual({'half': 'done'}, waiting.meta['progress_details']['details'])

    def test_again_changes_nothing(self) -> None:
        self.take_over()
        self.assertEqual(('SUCCESS', ['b']), self.resume('suspended', plain()))
        taken, _ = self.take_over()
        self.assertEqual({False}, {outcome.new for outcome in taken.values()})
        flow = self.backend.get_connection().get_flow_details(FLOWS['suspended'])
        self.assertEqual('SUCCESS', flow.state)

    def test_dry_run_records_nothing(self) -> None:
        taken, left = self.take_over(dry_run=True)
        self.assertEqual((5, 2), (len(taken), len(left)))
        self.assertEqual([], list(self.backend.get_connection().get_logbooks()))

    def test_one_book(self) -> None:
        self.assertRaises(exceptions.NotFound, self.take_over, book='none')
        self.assertEqual(5, len(self.take_over(book=BOOK)[0]))

    def test_what_was_broken_off_between_a_flow_and_its_decisions_goes_on(self) -> None:
        journal = self.backend.journal()
        with fixtures.MonkeyPatch('tfd_drivers.sql.journal.SqlJournal.append', _fail):
            self.assertRaises(_Killed, self.take_over)
        self.take_over()
        decided = journal.load(FLOWS['retrying']).decisions
        self.assertEqual([('scope:r', 'RETRY')], [(item.subject, item.answer) for item in decided])

    def test_a_database_without_logbooks(self) -> None:
        self.theirs = self.useFixture(servers.Database(self.kind)).url
        if self.kind == 'sqlite':
            sa.create_engine(self.theirs).connect().close()
        self.assertRaises(exceptions.InvalidFormat, self.take_over)

    # -- what is resumed ---------------------------------------------------------------------------

    def test_a_suspended_flow_goes_on(self) -> None:
        self.take_over()
        detail = self.backend.get_connection().get_flow_details(FLOWS['suspended'])
        engines.load_from_detail(detail, backend=self.backend).run()
        self.assertEqual(['b'], CALLS)

    def test_a_finished_flow_is_there_to_be_read(self) -> None:
        self.take_over()
        detail = self.backend.get_connection().get_flow_details(FLOWS['finished'])
        self.assertEqual('SUCCESS', detail.state)
        self.assertEqual([1, 'two'], {atom.name: atom for atom in detail}['a'].results)

    def test_a_retry_goes_on_reverting_and_then_tries_the_next(self) -> None:
        self.take_over()
        self.assertEqual(('SUCCESS', ['-a', 'a', 'b two', 'z']), self.resume('retrying', with_retry()))

    def test_a_revert_goes_on(self) -> None:
        self.take_over()
        self.assertEqual(('REVERTED', ['-a']), self.resume('reverting', plain()))

    def test_what_ran_when_it_crashed_runs_again(self) -> None:
        self.take_over()
        self.assertEqual(('SUCCESS', ['b two', 'z']), self.resume('crashed', with_retry()))


class _Killed(BaseException):
    """The process is gone."""


def _fail(*_: object) -> None:
    raise _Killed


class SqliteTaskFlowTest(_TaskFlowTest):
    kind = 'sqlite'


class MariaDBTaskFlowTest(_TaskFlowTest):
    kind = 'mariadb'


class PostgreSQLTaskFlowTest(_TaskFlowTest):
    kind = 'postgresql'


del _TaskFlowTest


class CommandTest(CommandTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.theirs = self.useFixture(servers.Database('sqlite')).url

    def test_lists_what_it_took_over_and_what_it_left_out(self) -> None:
        fill(self.theirs)
        ended = self.call(manage.main, 'import', 'taskflow', '--connection', self.theirs)
        self.assertEqual(exits.Exit.FAILED, ended.status)
        self.assertIn(f"taken over unfinished flow 'suspended' {FLOWS['suspended']} of logbook 'book'\n", ended.out)
        self.assertIn(f"left out flow 'pickled' {FLOWS['pickled']}: atom 'a': results is no JSON", ended.out)
        self.assertTrue(ended.out.endswith('5 taken over, 0 here already, 2 left out\n'))
        again = self.call(manage.main, 'import', 'taskflow', '--connection', self.theirs)
        self.assertTrue(again.out.endswith('0 taken over, 5 here already, 2 left out\n'))

    def test_a_database_that_is_not_there_is_not_made(self) -> None:
        for _ in range(2):
            ended = self.call(manage.main, 'import', 'taskflow', '--connection', self.theirs)
            self.assertEqual(exits.Exit.CONFIGURATION, ended.status)
