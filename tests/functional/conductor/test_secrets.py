# SPDX-License-Identifier: Apache-2.0
"""Nothing that is marked as secret is found in any table, log, znode or output; keys are rotated beside conductors."""

from __future__ import annotations

import base64
import contextlib
import pathlib
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
import testtools
from kazoo.client import KazooClient

from tests.functional.conductor import secret_flows
from tests.functional.conductor.fleet import Fleet, Process, until
from tfd import states
from tfd.client import Client
from tfd.conf import deployment, load
from tfd.jobs import record
from tfd.persistence.sealing import generate_key
from tfd.types.secret import Secret

_FLOW = f'{secret_flows.__name__}.careless'
_ENDS = {
    'success': (states.COMPLETE, states.SUCCESS), 'failure': (states.COMPLETE, states.REVERTED),
    'revert_failure': (states.PARKED, states.FAILURE),
}


def _forms(text: str) -> Iterator[bytes]:
    """Yield a text as it may be found in bytes: as it is, in hexadecimal digits, in base64 wherever it begins there."""
    plain = text.encode()
    yield plain
    yield plain[::-1]
    yield plain.hex().encode()
    yield plain.hex().upper().encode()
    for before in range(3):
        encoded = base64.b64encode(b'\0' * before + plain)
        # Less what depends on the bytes before and after it.
        yield encoded[4 if before else 0:len(encoded) // 4 * 4 - 4]


class _Fleet(Fleet):
    """A fleet with keys."""

    def configure(self, *keys: str) -> None:
        """Configure these keys, the first of which encrypts, for whatever is started from now on."""
        self.keys = keys
        text = self.file.read_text().partition('[secrets]')[0]
        self.file.write_text(f'{text}[secrets]\nkeys = {", ".join(keys)}\n[DEFAULT]\ndebug = True\n')
        self.conf = load.load(load.arguments([str(self.file)]))
        self.client.close()
        self.client = Client(self.conf)
        self.addCleanup(self.client.close)

    def command(self, program: str, *words: str) -> str:
        """Return what a command printed, all of it; it must end well."""
        code = f'import sys; from tfd.cmd import {program}; sys.exit({program}.main(sys.argv[1:]))'
        ended = subprocess.run(
            [sys.executable, '-c', code, '--config-file', str(self.file), *words], capture_output=True, text=True,
            check=False)
        if ended.returncode:
            raise AssertionError(f'{words}: {ended.returncode} {ended.stdout} {ended.stderr}')
        return ended.stdout + ended.stderr


class SecretsBase:
    """On one database; the class of each says which."""

    database = 'sqlite'
    coordinator = 'sql'

    def setUp(self) -> None:
        super().setUp()  # type: ignore[misc]
        self.old, self.new = generate_key(), generate_key()
        self.fleet = self.useFixture(_Fleet(  # type: ignore[attr-defined]
            self.database, self.coordinator, allow_import_paths=secret_flows.__name__, max_jobs=4, workers=1))
        self.fleet.configure(self.old)
        self.addOnException(lambda _: self.addDetail(  # type: ignore[attr-defined]
            'log', testtools.content.text_content(self.fleet.log()[-20000:])))
        # Made here, so that none is in this file, which logs may quote.
        self.secrets = {name: f'S{uuid.uuid4().hex}' for name in ('password', 'db', 'key', 'first', 'second')}
        self.printed: list[str] = []

    def inputs(self, ends: str) -> dict[str, Any]:
        return {
            'admin_password': self.secrets['password'], 'key': Secret(self.secrets['key']),
            'values': [Secret(self.secrets['first']), Secret(self.secrets['second'])],
            'options': {'ends': ends, 'folder': str(self.fleet.dir), 'login': {'db_password': self.secrets['db']}}}

    def post(self, ends: str, **options: Any) -> record.Job:
        return self.fleet.client.post(_FLOW, store=self.inputs(ends), name=ends, **options)

    def command(self, program: str, *words: str) -> str:
        printed = self.fleet.command(program, *words)
        self.printed.append(printed)
        return printed

    def start(self) -> Process:
        return self.fleet.daemon()

    # -- everything that is kept -------------------------------------------------------------------

    def kept(self) -> Iterator[tuple[str, bytes]]:
        yield from self.rows()
        yield from self.nodes()
        yield 'log', self.fleet.log().encode()
        yield 'output', '\n'.join(self.printed).encode()
        for path in pathlib.Path(self.fleet.dir).iterdir():
            yield str(path), path.read_bytes()

    def rows(self) -> Iterator[tuple[str, bytes]]:
        engine = sa.create_engine(self.fleet.conf.database.connection, poolclass=sa.NullPool)
        with engine.connect() as connection:
            for name in sa.inspect(connection).get_table_names():
                for row in connection.execute(sa.text(f'SELECT * FROM {name}')):
                    yield name, b'\0'.join(
                        value if isinstance(value, bytes) else str(value).encode() for value in row)
        database = engine.url.database
        if engine.dialect.name == 'sqlite' and database:
            for path in pathlib.Path(database).parent.glob('*'):
                yield str(path), path.read_bytes()

    def nodes(self) -> Iterator[tuple[str, bytes]]:
        if self.coordinator != 'zookeeper':
            return
        options = self.fleet.conf.coordination
        zookeeper = KazooClient(options.hosts)
        zookeeper.start()
        try:
            left = [options.path]
            while left:
                path = left.pop()
                data, _ = zookeeper.get(path)
                yield f'znode {path}', path.encode() + b'\0' + data
                left += [f'{path}/{child}' for child in zookeeper.get_children(path)]
        finally:
            zookeeper.stop()
            zookeeper.close()

    def assertNowhere(self) -> None:
        secrets = [*self.secrets.values(), *(secret_flows.derived(self.secrets[name]) for name in ('password', 'key'))]
        sought = {form for secret in secrets for form in _forms(secret)}
        places: set[str] = set()
        for place, data in self.kept():
            places.add(place)
            self.assertEqual([], [form for form in sought if form in data], place)  # type: ignore[attr-defined]
        expected = {'jobs', 'atoms', 'history', 'log', 'output'}
        self.assertLessEqual(expected, places)  # type: ignore[attr-defined]
        if self.coordinator == 'zookeeper':
            self.assertTrue(any(place.startswith('znode') for place in places))  # type: ignore[attr-defined]

    def assertRead(self, job: record.Job) -> None:
        """Check that what the flow was given and made can be read with the keys that are configured."""
        self.assertEqual(self.inputs(job.name), dict(self.fleet.client.get(job.id).store))  # type: ignore[attr-defined]
        with contextlib.closing(deployment.make_backend(self.fleet.conf)) as backend:
            with contextlib.closing(backend.get_connection()) as connection:
                atoms = {atom.name: atom for atom in connection.get_atoms_for_flow(job.flow_uuid)}
        if job.outcome == states.SUCCESS:
            made = Secret({'made': secret_flows.derived(self.secrets['key'])})
            token = (secret_flows.derived(self.secrets['password']), 'http://endpoint')
            self.assertEqual((made, token), (  # type: ignore[attr-defined]
                atoms['make'].results, atoms['token'].results))
            history = atoms['each'].results
            self.assertEqual(  # type: ignore[attr-defined]
                [Secret(self.secrets['first']), Secret(self.secrets['second'])], [value for value, _ in history])
            self.assertIn('*** ', history[0][1]['fail'].exception_str)  # type: ignore[attr-defined]

    # -- the test ----------------------------------------------------------------------------------

    def test_nowhere_in_plain_and_readable_with_a_new_key(self) -> None:
        waiting = self.post('waits')
        later = self.post('later', not_before=time.time() + 86400)
        ended = [self.post(ends) for ends in _ENDS]
        daemon = self.start()
        until(lambda: (self.fleet.dir / 'waits').exists())
        ended = [self.fleet.wait(job) for job in ended]
        self.assertEqual(  # type: ignore[attr-defined]
            list(_ENDS.values()), [(job.state, job.outcome) for job in ended])
        self.assertIn('***', ended[-1].reason)  # type: ignore[attr-defined]
        for job in ended:
            for words in (('show', job.id), ('history', job.id)):
                self.command('tfd', 'job', *words)
        self.assertIn('***', self.command('tfd', 'job', 'history', ended[1].id))  # type: ignore[attr-defined]
        self.command('tfd', 'job', 'list', '--long')
        self.assertNowhere()

        daemon.kill()
        self.rotate()
        self.assertNowhere()

        # Only the new key is known from here on.
        (self.fleet.dir / 'go on').touch()
        self.start()
        ended.append(self.fleet.wait(waiting))
        self.assertEqual(states.SUCCESS, ended[-1].outcome)  # type: ignore[attr-defined]
        for job in (*ended, later):
            self.assertRead(job)
        self.assertNowhere()

    def rotate(self) -> None:
        self.fleet.configure(self.new, self.old)
        self.assertNotIn('(encrypts): 0', self.command('manage', 'secrets', 'rotate', '--dry-run'))  # type: ignore
        self.command('manage', 'secrets', 'rotate', '--batch', '3')
        self.assertEqual(  # type: ignore[attr-defined]
            'encrypted 0 values anew\n', self.command('manage', 'secrets', 'rotate', '--batch', '3'))
        self.fleet.configure(self.new)
        self.assertNotIn('not configured', self.command('manage', 'secrets', 'check'))  # type: ignore[attr-defined]


class SqliteTest(SecretsBase, testtools.TestCase):
    """On the embedded board."""


class MariaDBTest(SecretsBase, testtools.TestCase):
    """With ZooKeeper."""

    database = 'mariadb'
    coordinator = 'zookeeper'


class PostgreSQLTest(SecretsBase, testtools.TestCase):
    """With ZooKeeper."""

    database = 'postgresql'
    coordinator = 'zookeeper'
