# SPDX-License-Identifier: Apache-2.0
"""Secrets in files are counted by their keys, and encrypted anew."""

from __future__ import annotations

import uuid
from typing import Any

import fixtures
import testtools

from tfd import exceptions
from tfd.persistence import backends
from tfd.persistence.record import AtomRecord, Change, Entry, FlowRecord
from tfd.persistence.sealing import generate_key, key_id
from tfd.types.secret import Secret
from tfd_drivers.directory.backend import DirectoryBackend

_FLOWS = ('0a' * 16, '0b' * 16)


class SecretsTest(testtools.TestCase):

    def setUp(self) -> None:
        super().setUp()
        self.path = self.useFixture(fixtures.TempDir()).path
        self.old, self.new = generate_key(), generate_key()
        self.before, self.both = self.make(self.old), self.make(self.new, self.old)
        self.after = self.make(self.new)
        value = self.before.journal().codec.encode({'a': Secret('hunter2')}, 'a value')
        for flow in _FLOWS:
            self.before.journal().create(FlowRecord(flow, 'book', 'f', meta=value), [
                AtomRecord(flow, number, str(uuid.uuid4()), f'a{number}', 'task', result=value) for number in range(2)])
            self.before.journal().append(Entry(flow, changes=[Change(0, ('revert_result',), (value,))]))

    def make(self, *keys: str) -> DirectoryBackend:
        made = backends.fetch({'connection': 'directory', 'path': self.path, 'secret_keys': keys})
        assert isinstance(made, DirectoryBackend)
        self.addCleanup(made.close)
        return made

    def rotate(self, backend: DirectoryBackend) -> tuple[dict[str, int], int]:
        found: dict[str, int] = {}
        changed = 0
        for batch in backend.secrets().batches(500, rotate=True):
            found = {key: found.get(key, 0) + batch.found.get(key, 0) for key in {*found, *batch.found}}
            changed += batch.changed
        return found, changed

    def values(self, backend: DirectoryBackend) -> list[Any]:
        decode = backend.journal().codec.decode
        return [
            decode(value) for flow in _FLOWS for atom in backend.journal().load(flow).atoms
            for value in (atom.result, atom.revert_result)]

    def test_every_value_is_encrypted_anew_once(self) -> None:
        expected = self.values(self.before)
        # The metadata, two results and what a revert returned, of each flow.
        self.assertEqual(({key_id(self.old): 8}, 8), self.rotate(self.both))
        self.assertEqual(({key_id(self.new): 8}, 0), self.rotate(self.both))
        self.assertEqual(expected, self.values(self.after))

    def test_who_records_meanwhile_goes_on_with_what_is_there(self) -> None:
        self.rotate(self.both)
        self.before.journal().append(Entry(_FLOWS[0], changes=[Change(1, ('state',), ('SUCCESS',))]))
        self.assertEqual('SUCCESS', self.after.journal().load(_FLOWS[0]).atoms[1].state)
        self.assertEqual(4, len(self.values(self.after)) // 2)

    def test_what_no_key_decrypts_is_named_and_left(self) -> None:
        lines = [line for batch in self.after.secrets().batches(500, rotate=True) for line in batch.unreadable]
        self.assertEqual(8, len(lines))
        self.assertIn(f"result of atom 'a0' of flow {_FLOWS[0]}: ", ' '.join(lines))
        self.assertTrue(all(key_id(self.old) in line and 'gAAAA' not in line for line in lines))
        self.assertEqual({'a': Secret('hunter2')}, self.values(self.before)[0])

    def test_without_a_key(self) -> None:
        plain = self.make()
        self.assertRaises(exceptions.BadConfiguration, list, plain.secrets().batches(10, rotate=True))
        found = [batch.found for batch in plain.secrets().batches(10, rotate=False)]
        self.assertEqual(8, sum(sum(counts.values()) for counts in found))
