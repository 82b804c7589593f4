# SPDX-License-Identifier: Apache-2.0
"""``tfd-manage``: what the operator of a database does."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from tfd.cmd import database, imports, purge, secrets, shell

__all__ = ['main']


class Sync(database.Command):
    """Create the schema, or bring it to where this release needs it; running it again does nothing.

    Without an option: expand, and take away what the release before this one did without already (in a new database,
    all that this release does without).
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of its options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        phase = parser.add_mutually_exclusive_group()
        phase.add_argument(
            '--expand', action='store_const', dest='phase', const='expand',
            help='Only add what this release needs; the release before goes on beside it. Before the first host is '
                 'upgraded.')
        phase.add_argument(
            '--contract', action='store_const', dest='phase', const='contract',
            help='Only take away what this release does not need. After the last host is upgraded: the release before '
                 'stops working.')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Migrate, and check that it worked."""
        with self.backend() as backend:
            schema = backend.schema()
            phases = {'expand': schema.expand, 'contract': schema.contract, None: schema.sync}
            for revision in phases[parsed_args.phase]():
                self.say(f'applied {revision}')
            schema.check()
        self.say('the schema is up to date')


class Version(database.Command):
    """Print the revision of the schema that the database has, and the one that is expected."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Look at the database."""
        with self.backend() as backend:
            schema = backend.schema()
            self.say(f'found {schema.found() or "no schema"}, expected {schema.expected}')


class Check(database.Command):
    """Check that the database can be used by this release; status 5 where it cannot."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Validate the schema."""
        with self.checked_backend():
            pass
        self.say('the schema is up to date')


COMMANDS: dict[str, type[shell.Silent]] = {
    **imports.COMMANDS,
    **purge.COMMANDS,
    **secrets.COMMANDS,
    'db sync': Sync,
    'db version': Version,
    'db check': Check,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the status to end with, see :mod:`tfd.cmd.exits`."""
    return shell.run('tfd-manage', 'Look after the database of tfd.', COMMANDS, argv)
