# SPDX-License-Identifier: Apache-2.0
"""``tfd-manage secrets``."""

from __future__ import annotations

import contextlib

from tests.unit.cmd.commands import CommandTestCase
from tfd.client import Client
from tfd.cmd import exits, manage, tfd
from tfd.persistence import backends, models
from tfd.persistence.sealing import generate_key, key_id
from tfd.types.secret import Secret


class SecretsTest(CommandTestCase):

    def setUp(self) -> None:
        super().setUp()
        self.plain = self.deployment.file.read_text()
        self.old, self.new = generate_key(), generate_key()

    def configure(self, *lines: str) -> None:
        self.deployment.file.write_text('\n'.join((self.plain, '[secrets]', *lines, '')))

    def post(self) -> str:
        with Client(self.deployment.conf()) as client:
            store = {'password': 'hunter2', 'key': Secret('hunter3'), 'tfd': 1}
            return client.post('a-flow', store=store).id

    def test_a_generated_key_can_be_used(self) -> None:
        key = self.call(manage.main, 'secrets', 'generate-key').out.strip()
        self.configure(f'keys = {key}')
        self.assertEqual(
            f'key {key_id(key)} (encrypts): 0 secrets\n', self.call(manage.main, 'secrets', 'check').out)

    def test_rotate(self) -> None:
        self.configure(f'keys = {self.old}')
        job = self.post()
        self.configure(f'keys = {self.new},{self.old}')
        dry = self.call(manage.main, 'secrets', 'rotate', '--dry-run')
        self.assertEqual('2 secrets are encrypted with another key than the first\n', dry.out)
        self.assertEqual('encrypted 1 values anew\n', self.call(manage.main, 'secrets', 'rotate').out)
        self.assertEqual('encrypted 0 values anew\n', self.call(manage.main, 'secrets', 'rotate').out)
        self.configure(f'keys = {self.new}')
        self.assertEqual(
            f'key {key_id(self.new)} (encrypts): 2 secrets\n', self.call(manage.main, 'secrets', 'check').out)
        with Client(self.deployment.conf()) as client:
            self.assertEqual(('hunter2', Secret('hunter3')), tuple(client.get(job).store.values())[:2])

    def test_a_key_that_is_missing(self) -> None:
        self.configure(f'keys = {self.old}')
        job = self.post()
        self.configure(f'keys = {self.new}')
        for words in (('check',), ('rotate',)):
            ended = self.call(manage.main, 'secrets', *words)
            self.assertEqual(exits.Exit.SCHEMA, ended.status)
            self.assertIn(key_id(self.old), ended.out + ended.err)
        for words in (('show', job), ('history', job), ('list',)):
            ended = self.call(tfd.main, 'job', *words)
            self.assertEqual((0, ''), (ended.status, ended.err))

    def test_logbooks_in_a_directory(self) -> None:
        where = f'dir://{self.deployment.dir}/logbooks'

        def save(key: str) -> None:
            with contextlib.closing(backends.fetch({'connection': where, 'secret_keys': [key]})) as backend:
                book = models.LogBook('b')
                book.meta = {'a': Secret('hunter2')}
                backend.get_connection().save_logbook(book)

        save(self.old)
        self.configure(f'keys = {self.new},{self.old}')
        dry = self.call(manage.main, 'secrets', 'rotate', '--dry-run', '--connection', where)
        self.assertEqual('1 secrets are encrypted with another key than the first\n', dry.out)
        rotated = self.call(manage.main, 'secrets', 'rotate', '--connection', where)
        self.assertEqual((0, 'encrypted 1 values anew\n'), (rotated.status, rotated.out))
        checked = self.call(manage.main, 'secrets', 'check', '--connection', where)
        self.assertIn(f'key {key_id(self.new)} (encrypts): 1 secrets\n', checked.out)

    def test_logbooks_of_which_nothing_is_encrypted_or_known(self) -> None:
        for where in ('memory://', 'oracle://me:geheim@host', 'dir:nowhere'):
            ended = self.call(manage.main, 'secrets', 'check', '--connection', where)
            self.assertEqual(exits.Exit.CONFIGURATION, ended.status, where)
            self.assertIn('--connection', ended.err)
            self.assertNotIn('geheim', ended.err)

    def test_keys_of_a_file(self) -> None:
        path = self.deployment.dir / 'keys'
        path.write_text(f'# of this year\n{self.new}\n\n{self.old}\n')
        self.configure(f'keys_file = {path}')
        checked = self.call(manage.main, 'secrets', 'check').out
        self.assertEqual(
            f'key {key_id(self.new)} (encrypts): 0 secrets\nkey {key_id(self.old)} (decrypts): 0 secrets\n', checked)

    def test_what_is_no_key_is_refused_and_not_repeated(self) -> None:
        for line in ('keys = geheim', f'keys_file = {self.deployment.dir}/none'):
            self.configure(line)
            ended = self.call(manage.main, 'secrets', 'check')
            self.assertEqual(exits.Exit.CONFIGURATION, ended.status)
            self.assertIn('[secrets] key', ended.err)
            self.assertNotIn('geheim', ended.err)

    def test_without_a_key(self) -> None:
        self.assertEqual(exits.Exit.CONFIGURATION, self.call(manage.main, 'secrets', 'rotate').status)
        checked = self.call(manage.main, 'secrets', 'check')
        self.assertEqual((0, 'no key is configured, and no secret is stored\n'), (checked.status, checked.out))
