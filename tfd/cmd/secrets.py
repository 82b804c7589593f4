# SPDX-License-Identifier: Apache-2.0
"""``tfd-manage secrets``: the keys that encrypt secrets in the database."""

from __future__ import annotations

import argparse
import collections
import contextlib
from collections.abc import Iterator

from tfd import exceptions
from tfd.cmd import arguments, database, exits, shell
from tfd.conf import deployment, secrets
from tfd.persistence import base, sealing

__all__ = ['COMMANDS']

_BATCH = 500


class GenerateKey(database.Command):
    """Print a new key, for [secrets] keys or a line of its keys_file; nothing is changed."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Make a key."""
        self.say(sealing.generate_key())


class _Stored(database.Command):
    """A command on secrets that are stored: in the database, or in other logbooks."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of its options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            '--connection', metavar='URL',
            help='Those in the logbooks there, as dir:///var/lib/mine/logbooks, in the place of [database] connection.')
        return parser

    @contextlib.contextmanager
    def secrets(self, connection: str | None) -> Iterator[base.Secrets]:
        """Give the secrets to a ``with`` block."""
        if connection is None:
            with self.checked_backend() as backend:
                yield backend.secrets()
            return
        with contextlib.closing(deployment.make_logbooks(self.app.conf(), connection)) as logbooks:
            logbooks.get_connection().validate()
            yield logbooks.secrets()


class Check(_Stored):
    """Count the secrets in the database by the key that encrypts them; status 5 where a key is not configured here.

    Keys are shown by their ids, as in errors.
    """

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Count them."""
        conf = self.app.conf()
        known = [sealing.key_id(key) for key in secrets.keys(conf)]
        found = collections.Counter(dict.fromkeys(known, 0))
        with self.secrets(parsed_args.connection) as stored:
            for batch in stored.batches(_BATCH, rotate=False):
                found.update(batch.found)
        for key, count in found.items():
            role = 'not configured' if key not in known else 'encrypts' if key == known[0] else 'decrypts'
            self.say(f'key {key} ({role}): {count} secrets')
        if not found:
            self.say('no key is configured, and no secret is stored')
        if found.keys() - set(known):
            self.status = exits.Exit.SCHEMA


class Rotate(_Stored):
    """Encrypt anew what is not encrypted with the first key, in small transactions beside a running system.

    Running it again does what is left. When it says that nothing is left, and every conductor and client has been
    restarted with the new first key, the old key can go.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of its options."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--batch', type=arguments.positive, default=_BATCH, metavar='ROWS',
            help='How many rows one transaction looks at (default: %(default)d).')
        parser.add_argument('--dry-run', action='store_true', help='Only say how many there are.')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Encrypt them, or count them."""
        conf = self.app.conf()
        keys = secrets.keys(conf)
        if not keys:
            raise exceptions.BadConfiguration('[secrets] keys', '', 'a key to encrypt with')
        old, changed, missed, unreadable = 0, 0, 0, 0
        with self.secrets(parsed_args.connection) as stored:
            for batch in stored.batches(parsed_args.batch, rotate=not parsed_args.dry_run):
                old += sum(count for key, count in batch.found.items() if key != sealing.key_id(keys[0]))
                changed, missed = changed + batch.changed, missed + batch.missed
                unreadable += len(batch.unreadable)
                for line in batch.unreadable:
                    print(line, file=self.app.stderr)
        if parsed_args.dry_run:
            self.say(f'{old} secrets are encrypted with another key than the first')
            return
        self.say(f'encrypted {changed} values anew')
        if missed:
            self.say(f'{missed} changed meanwhile: run it again')
        if unreadable:
            self.say(f'{unreadable} cannot be read with the keys that are configured')
            self.status = exits.Exit.SCHEMA


COMMANDS: dict[str, type[shell.Silent]] = {
    'secrets generate-key': GenerateKey,
    'secrets check': Check,
    'secrets rotate': Rotate,
}
