# SPDX-License-Identifier: Apache-2.0
"""Kazoo's clients by a configuration, for callers who use kazoo themselves and hand them to a board."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kazoo import client as kazoo_client

from tfd_drivers.zookeeper.board.options import board_options

__all__ = ['finalize_client', 'make_client']


def make_client(conf: Mapping[str, Any]) -> Any:
    """Return a client of kazoo's, not started.

    :param conf: as of a board; what it says of paths is passed over.
    :raises BadConfiguration: an option cannot be used.
    """
    options = board_options({**conf, 'path': '/unused'})
    return kazoo_client.KazooClient(timeout=options.session_timeout, default_acl=options.acl, **options.client)


def finalize_client(client: Any) -> None:
    """Stop a client, and let go of what it holds; one that was not started, too."""
    client.stop()
    client.close()
