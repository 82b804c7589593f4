# SPDX-License-Identifier: Apache-2.0
"""Boards by name: what ``fetch`` makes of a configuration."""

from __future__ import annotations

import contextlib
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

from tfd import plugins
from tfd.jobs import base

__all__ = ['BACKEND_NAMESPACE', 'backend', 'fetch']

#: The entry-point group of boards.
BACKEND_NAMESPACE = 'tfd.jobboards'


def fetch(name: str, conf: Mapping[str, Any] | str, namespace: str = BACKEND_NAMESPACE, **kwargs: Any) -> base.JobBoard:
    """Return a new board, not connected; the caller closes it.

    :param name: what the board is called.
    :param conf: the kind of board (``zookeeper``), a URL whose query has its options (``zookeeper://?path=/a``), or a
        mapping of options that has either under ``board``.
    :param kwargs: further arguments for the board: ``persistence``, the backend of the jobs' logbooks; ``client``.
    :raises UnknownPlugin: no such kind of board is installed.
    """
    options: dict[str, Any] = {'board': conf} if isinstance(conf, str) else dict(conf)
    kind = str(options['board'])
    if ':' in kind:
        url = urllib.parse.urlsplit(kind)
        kind = url.scheme
        options = {**dict(urllib.parse.parse_qsl(url.query)), **options, 'board': kind}
        if url.netloc:
            options.setdefault('hosts', url.netloc.rpartition('@')[2])
    made: base.JobBoard = plugins.load(namespace, kind)(name, options, **kwargs)
    return made


@contextlib.contextmanager
def backend(
    name: str, conf: Mapping[str, Any] | str, namespace: str = BACKEND_NAMESPACE, **kwargs: Any
) -> Iterator[base.JobBoard]:
    """Give what :func:`fetch` returns to a ``with`` block, connected, and close it at the block's end."""
    board = fetch(name, conf, namespace=namespace, **kwargs)
    with contextlib.closing(board):
        board.connect()
        yield board
