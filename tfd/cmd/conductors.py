# SPDX-License-Identifier: Apache-2.0
"""``tfd conductor list``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from tfd.client import Client
from tfd.cmd import shell
from tfd.jobs import placement, record

__all__ = ['COMMANDS']

_COLUMNS = ('conductor', 'worker', 'session', 'shards')


class ListConductors(shell.Lister):
    """List the worker processes of all conductors that live, and how many shards each prefers."""

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Any]:
        """List the members."""
        with Client(self.app.conf()) as client, client.coordinator() as coordinator:
            members = coordinator.members()
        shards = range(record.SHARDS)
        return _COLUMNS, [
            [*member.split('/', 2), len(placement.preferred(shards, members, member))]
            for member in sorted(members)
        ]


COMMANDS = {'conductor list': ListConductors}
