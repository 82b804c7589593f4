# SPDX-License-Identifier: Apache-2.0
"""Secrets that are stored are encrypted anew in batches, and nothing newer is replaced."""

from __future__ import annotations

import contextlib
import uuid
from typing import Any
from unittest import mock

import sqlalchemy as sa

from tests.functional.sql.cases import SqlTestCase, candidate_of, post
from tfd import exceptions
from tfd.jobs import record
from tfd.persistence import codec
from tfd.persistence.record import AtomRecord, Change, Entry, FlowRecord
from tfd.persistence.sealing import Sealing, generate_key, key_id
from tfd.types.secret import Secret
from tfd_drivers.sql import tables

_PLAIN = 'correct horse'


class _RotationTest(SqlTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.old, self.new = generate_key(), generate_key()
        self.before = self.make(secret_keys=[self.old])
        self.both = self.make(secret_keys=[self.new, self.old])
        self.after = self.make(secret_keys=[self.new])
        self.flow = str(uuid.uuid4())
        self.encode = self.before.journal().codec.encode

    def record(self, count: int = 5) -> None:
        """Record a flow that has a secret wherever one can be, and a waiting job."""
        value = self.encode({'a': Secret(_PLAIN)}, 'a value')
        atoms = [
            AtomRecord(
                self.flow, number, str(uuid.uuid4()), f'a{number}', 'task', result=value, failure=value,
                revert_result=value, revert_failure=value, meta=value) for number in range(count)]
        self.before.journal().create(FlowRecord(self.flow, str(uuid.uuid4()), 'f', meta=value), atoms)
        self.before.database.run(lambda connection: connection.execute(
            sa.update(tables.logbooks).values(meta=value)))
        self.job = post(self.before, store={'a': Secret(_PLAIN)})

    def counts(self, backend: Any) -> tuple[dict[str, int], int, int]:
        """Rotate; return what was found, how much was changed, and how much was missed."""
        batches = list(backend.secrets().batches(2, rotate=True))
        found: dict[str, int] = {}
        for batch in batches:
            for key, count in batch.found.items():
                found[key] = found.get(key, 0) + count
        return found, sum(batch.changed for batch in batches), sum(batch.missed for batch in batches)

    def test_every_value_is_encrypted_anew_once(self) -> None:
        self.record()
        # Five values of each of five atoms, and the metadata of flow and logbook, and the store.
        self.assertEqual(({key_id(self.old): 28}, 28, 0), self.counts(self.both))
        self.assertEqual(({key_id(self.new): 28}, 0, 0), self.counts(self.both))
        snapshot = self.after.journal().load(self.flow)
        decode = self.after.journal().codec.decode
        self.assertEqual([{'a': Secret(_PLAIN)}] * 5, [decode(atom.revert_failure) for atom in snapshot.atoms])
        self.assertEqual({'a': Secret(_PLAIN)}, self.after.jobs().get(self.job.id).store)

    def test_broken_off_it_goes_on(self) -> None:
        self.record()
        with contextlib.closing(self.both.secrets().batches(2, rotate=True)) as batches:
            done = sum(next(batches).changed for _ in range(4))
        self.assertGreater(done, 0)
        self.assertEqual(({key_id(self.old): 28 - done, key_id(self.new): done}, 28 - done, 0), self.counts(self.both))

    def test_what_is_written_meanwhile_stays(self) -> None:
        self.record(1)
        sealed_anew = codec.sealed_anew

        def and_meanwhile(stored: str, keys: Sealing) -> str:
            newer = self.encode({'a': Secret('newer')}, 'a value')
            self.before.journal().append(Entry(self.flow, changes=[Change(0, ('result',), (newer,))]))
            return sealed_anew(stored, keys)

        with mock.patch.object(codec, 'sealed_anew', and_meanwhile):
            *_, last = self.both.secrets().batches(2, rotate=True)
        self.assertEqual((4, 1), (last.changed, last.missed))
        stored = self.both.journal().load(self.flow).atoms[0].result
        self.assertEqual({'a': Secret('newer')}, self.both.journal().codec.decode(stored))

    def test_what_no_key_decrypts_is_named_and_left(self) -> None:
        self.record(1)
        batches = list(self.after.secrets().batches(10, rotate=True))
        lines = [line for batch in batches for line in batch.unreadable]
        self.assertEqual(8, len(lines))
        self.assertTrue(all(key_id(self.old) in line and 'gAAAA' not in line for line in lines))
        self.assertEqual({'a': Secret(_PLAIN)}, self.before.jobs().get(self.job.id).store)

    def test_without_a_key(self) -> None:
        self.assertRaises(exceptions.BadConfiguration, list, self.backend.secrets().batches(10, rotate=True))
        self.assertEqual([], list(self.backend.secrets().batches(10, rotate=False)))

    def test_who_lacks_the_key_can_look_at_a_job_but_for_what_is_secret(self) -> None:
        self.record(1)
        jobs = self.after.jobs()
        for found in (jobs.get(self.job.id), jobs.find(self.job.token), *jobs.list(record.JobQuery())):
            self.assertEqual((self.job.id, 'UNCLAIMED'), (found.id, found.state))
            err = self.assertRaises(exceptions.UnknownKey, dict, found.store)
            self.assertEqual(key_id(self.old), err.key)
            self.assertNotIn(_PLAIN, repr(found.store))

    def test_a_claim_by_who_lacks_the_key_is_told(self) -> None:
        self.record(1)
        err = self.assertRaises(
            exceptions.UnknownKey, self.after.jobs().claim, candidate_of(self.before, self.job.id), 'me', 'claim')
        self.assertEqual(key_id(self.old), err.key)

    def test_a_book_is_saved_again_as_it_is(self) -> None:
        self.record(1)
        connection = self.before.get_connection()
        before = self.before.journal().load(self.flow)
        (book,) = connection.get_logbooks()
        connection.save_logbook(book)
        self.assertEqual(before.atoms, self.before.journal().load(self.flow).atoms)
        self.assertEqual(before.flow.meta, self.before.journal().load(self.flow).flow.meta)


class SqliteRotationTest(_RotationTest):
    """On a file."""


class MariaDBRotationTest(_RotationTest):
    """On a server."""

    kind = 'mariadb'


class PostgreSQLRotationTest(_RotationTest):
    """On a server."""

    kind = 'postgresql'


del _RotationTest
