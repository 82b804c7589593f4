# SPDX-License-Identifier: Apache-2.0
"""``tfd-manage``: what the operator of a database does."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator, Sequence

from tfd.cmd import imports, purge, secrets, shell
from tfd.conf import deployment

__all__ = ['main']


class _Database(shell.Silent):
    """A command on the database of ``[database] connection``."""

    @contextlib.contextmanager
    def backend(self) -> Iterator[deployment.JobBackend]:
        """Give the backend to a ``with`` block."""
        with contextlib.closing(deployment.make_backend(self.app.conf())) as backend:
            yield backend

    def say(self, text: str) -> None:
        """Print a line."""
        print(text, file=self.app.stdout)


class Sync(_Database):
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


class Version(_Database):
    """Print the revision of the schema that the database has, and the one that is expected."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Look at the database."""
        with self.backend() as backend:
            schema = backend.schema()
            self.say(f'found {schema.found() or "no schema"}, expected {schema.expected}')


class Check(_Database):
    """Check that the database can be used by this release; status 5 where it cannot."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Validate the schema."""
        with self.backend() as backend:
            backend.schema().check()
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
