# SPDX-License-Identifier: Apache-2.0
"""What is recorded of a flow comes back as it was, however the database's client is asked for it."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Sequence
from unittest import mock

from tests.functional.sql.cases import SqlTestCase
from tfd.persistence.record import AtomRecord, Change, DecisionRecord, Entry, FlowRecord
from tfd.testing.sql import StatementCounter
from tfd_drivers.sql import loading

_NAMES = (
    'plain', '"quoted" \'twice\' \\', 'a tab\t, a line\nand a return\r', '\x01\x08\x0c\x1f\x7f\x9f',
    '\u2028 \u2603 \U0001d11e', '[1, "x"]', 'null', '', ' blank ', '%s %(a)s :a {a}', '</script>', 'e\u0301', '\ufffd',
)
_VALUES = ('null', '1', '"\\u0000 \\"a\\" \\\\ \\n"', '{"$":["tuple",[1,2]]}', '', '[' * 200 + ']' * 200, None)


class _LoadingTest(SqlTestCase):

    def create(self, count: int) -> list[AtomRecord]:
        flow = str(uuid.uuid4())
        atoms = [
            AtomRecord(
                flow, number * 3, str(uuid.uuid4()), f'{_NAMES[number % len(_NAMES)]}{number}', 'task',
                result=_VALUES[number % len(_VALUES)], meta=_VALUES[number % 3])
            for number in range(count)]
        self.backend.journal().create(FlowRecord(flow, 'book', 'f'), atoms)
        return atoms

    def load(self, atoms: Sequence[AtomRecord]) -> Sequence[AtomRecord]:
        return self.backend.journal().load(atoms[0].flow).atoms

    def test_everything_comes_back_in_its_order(self) -> None:
        self.create(3)
        for count in (1, 2, loading._TOGETHER // 3 + 1, 501):
            atoms = self.create(count)
            self.assertEqual(atoms, self.load(atoms))

    def test_a_flow_without_atoms(self) -> None:
        self.backend.journal().create(FlowRecord('flow', 'book', 'f'), [])
        self.assertEqual([], self.backend.journal().load('flow').atoms)

    def test_decisions_come_with_it(self) -> None:
        atoms = self.create(2)
        decision = DecisionRecord(atoms[0].flow, 'subject', 2, 'RETRY')
        self.backend.journal().append(Entry(atoms[0].flow, decisions=[decision]))
        self.assertEqual([decision], self.backend.journal().load(atoms[0].flow).decisions)

    def test_values_that_do_not_go_together(self) -> None:
        atoms = self.create(5)
        large = '"' + 'x' * 700_000 + '"'
        self.backend.journal().append(Entry(atoms[0].flow, changes=[
            Change(atom.number, ('result',), (large,)) for atom in atoms[1:4]]))
        expected = [
            dataclasses.replace(atom, result=large) if index in (1, 2, 3) else atom for index, atom in enumerate(atoms)]
        self.assertEqual(expected, self.load(atoms))

    def test_few_statements_whatever_the_length(self) -> None:
        for count in (1, 900):
            atoms = self.create(count)
            with StatementCounter(self.backend.database.engine) as counter:
                self.load(atoms)
            self.assertLessEqual(len(counter.statements), 4)


class SqliteLoadingTest(_LoadingTest):

    kind = 'sqlite'


class MariaDBLoadingTest(_LoadingTest):

    kind = 'mariadb'

    def test_many_atoms_are_one_row_of_the_answer(self) -> None:
        atoms = self.create(500)
        with mock.patch.object(loading, '_unpacked', side_effect=loading._unpacked) as unpacked:
            self.load(atoms)
        (groups,) = unpacked.call_args.args
        self.assertEqual(500, sum(count for count, _ in groups))
        self.assertLessEqual(len(groups), 500 * 3 // loading._TOGETHER + 1)

    def test_one_that_was_cut_between_atoms_is_noticed(self) -> None:
        self.assertIsNone(loading._unpacked([(2, '["a"]')]))
        self.assertIsNone(loading._unpacked([(1, '["a",')]))
        self.assertIsNone(loading._unpacked([(1, None)]))


class PostgreSQLLoadingTest(_LoadingTest):

    kind = 'postgresql'


del _LoadingTest
