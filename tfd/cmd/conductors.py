# SPDX-License-Identifier: Apache-2.0
"""``tfd conductor list``."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
from typing import Any

from tfd import exceptions
from tfd.client import Client
from tfd.cmd import arguments, shell
from tfd.jobs import placement, record

__all__ = ['COMMANDS']

_COLUMNS = ('conductor', 'worker', 'session', 'shards', 'hostname', 'pid', 'version', 'started_at', 'seen_at')


class ListConductors(shell.Lister):
    """List the worker processes of all conductors that live, and how many shards each prefers."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of this command's arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            '--all', action='store_true',
            help='Those too that live no more, the last that were seen; they prefer none.')
        parser.add_argument(
            '--limit', type=arguments.positive, default=100,
            help='How many to list at most that live no more (default: %(default)d).')
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Any]:
        """List them: who lives is said by the coordinator, the rest by the database."""
        with Client(self.app.conf()) as client:
            with client.coordinator() as coordinator:
                members = coordinator.members()
            seen: dict[str, record.Incarnation] = {}
            # In an outage of the database the living are listed all the same.
            with contextlib.nullcontext() if parsed_args.all else contextlib.suppress(exceptions.StorageUnavailable):
                seen = {one.incarnation: one for one in client.conductors(len(members) + parsed_args.limit)}
        gone = [name for name in seen if name not in members][:parsed_args.limit if parsed_args.all else 0]
        return _COLUMNS, [_row(name, members, seen.get(name)) for name in (*sorted(members), *gone)]


def _row(name: str, members: frozenset[str], seen: record.Incarnation | None) -> list[Any]:
    shards = len(placement.preferred(range(record.SHARDS), members, name)) if name in members else ''
    about = ('',) * 5 if seen is None else (
        seen.hostname, seen.pid, seen.version, arguments.time_text(seen.started_at), arguments.time_text(seen.seen_at))
    return [*name.split('/', 2), shards, *about]


COMMANDS = {'conductor list': ListConductors}
