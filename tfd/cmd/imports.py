# SPDX-License-Identifier: Apache-2.0
"""``tfd-manage import``: takes over what another library recorded."""

from __future__ import annotations

import argparse
import contextlib

from tfd import plugins
from tfd.cmd import database, exits
from tfd.persistence import foreign
from tfd.storage import imported

__all__ = ['COMMANDS']

_GROUP = 'tfd.imports'


class ImportTaskFlow(database.Command):
    """Take over the logbooks of a TaskFlow 6.5 database, unfinished flows included, so that tfd can resume them.

    Nothing may run them any more. A flow that is here already stays as it is, so it may be run again. What cannot be
    read is listed and left out; the status is 1 then.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of its options."""
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        parser.add_argument(
            '--connection', required=True, metavar='URL', help='The database that TaskFlow used, as SQLAlchemy reads '
            'it.')
        parser.add_argument('--book', metavar='UUID', help='Only this logbook.')
        parser.add_argument('--dry-run', action='store_true', help='Only say what there is.')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Take over, and say what became of each flow."""
        source: foreign.Source = plugins.load(_GROUP, 'taskflow')(parsed_args.connection)
        counts = {'taken over': 0, 'here already': 0, 'left out': 0}
        with contextlib.closing(source), self.checked_backend() as backend:
            for found in imported.take_over(source.read(parsed_args.book), backend, parsed_args.dry_run):
                if isinstance(found, foreign.LeftOut):
                    counts['left out'] += 1
                    self.say(f'left out {found.what} {found.name!r} {found.uuid}: {found.why}')
                    continue
                what = 'taken over' if found.new else 'here already'
                counts[what] += 1
                state = 'finished' if found.finished else 'unfinished'
                self.say(f'{what} {state} flow {found.flow!r} {found.uuid} of logbook {found.book!r}')
        self.say(', '.join(f'{count} {what}' for what, count in counts.items()))
        if counts['left out']:
            self.status = exits.Exit.FAILED


COMMANDS = {'import taskflow': ImportTaskFlow}
