# SPDX-License-Identifier: Apache-2.0
"""``tfd-manage db sync|version|check``: what the operator of a database does."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator, Sequence

from tfd import exceptions
from tfd.cmd import shell
from tfd.conf import deployment
from tfd.persistence import base

__all__ = ['main']


class _Database(shell.Silent):
    """A command on the database of ``[database] connection``."""

    @contextlib.contextmanager
    def connection(self) -> Iterator[base.Connection]:
        """Give a connection to a ``with`` block."""
        with contextlib.closing(deployment.make_backend(self.app.conf())) as backend:
            with contextlib.closing(backend.get_connection()) as connection:
                yield connection

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, file=self.app.stdout)


class Sync(_Database):
    """Create the schema, or bring it to this release's revision; running it again does nothing."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Upgrade, and check that it worked."""
        with self.connection() as connection:
            connection.upgrade()
            connection.validate()
        self.say('the schema is up to date')


class Version(_Database):
    """Print the revision of the schema that the database has, and the one that is expected."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Look at the database."""
        with self.connection() as connection:
            try:
                found = expected = connection.validate()
            except exceptions.IncompatibleSchema as err:
                found, expected = err.found or 'no schema', err.expected
        self.say(f'found {found}, expected {expected}')


class Check(_Database):
    """Check that the database can be used by this release; status 5 where it cannot."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Validate the schema."""
        with self.connection() as connection:
            connection.validate()
        self.say('the schema is up to date')


COMMANDS: dict[str, type[_Database]] = {
    'db sync': Sync,
    'db version': Version,
    'db check': Check,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the status to end with, see :mod:`tfd.cmd.exits`."""
    return shell.run('tfd-manage', 'Look after the database of tfd.', COMMANDS, argv)
