# SPDX-License-Identifier: Apache-2.0
"""Backends by name: what ``fetch`` makes of a configuration."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from tfd import exceptions, plugins
from tfd.persistence import base

__all__ = ['BACKEND_NAMESPACE', 'backend', 'fetch']

#: The entry-point group of persistence drivers.
BACKEND_NAMESPACE = 'tfd.persistence'


def fetch(
    conf: Mapping[str, Any] | str, namespace: str = BACKEND_NAMESPACE, **kwargs: Any
) -> base.Backend:
    """Return a new backend; the caller closes it.

    :param conf: a driver's name or a URL (``memory``, ``sqlite:////var/lib/tfd/tfd.db``,
        ``mysql://user:secret@host/tfd``), or a mapping that has it under ``connection``, with the driver's own
        options beside it.
    :param namespace: the entry-point group that drivers are looked up in, by the URL's scheme.
    :param kwargs: further arguments for the driver.
    :raises TypeError: the configuration is neither text nor a mapping.
    :raises BadConfiguration: there is no ``connection``, or it is not text.
    :raises UnknownPlugin: no driver of that name is installed.
    """
    if not isinstance(conf, str | Mapping):
        # It may have a password in it: the message does not repeat it.
        raise TypeError(f'the configuration of a backend must be a mapping or text, not a {type(conf).__name__}')
    options = {'connection': conf} if isinstance(conf, str) else dict(conf)
    connection = options.get('connection')
    if not isinstance(connection, str) or not connection:
        raise exceptions.BadConfiguration(
            'connection', connection and f'a {type(connection).__name__}', 'the name of a persistence driver, or a URL')
    scheme = connection.partition(':')[0]
    made: base.Backend = plugins.load(namespace, scheme.partition('+')[0].lower())(options, **kwargs)
    return made


@contextlib.contextmanager
def backend(
    conf: Mapping[str, Any] | str, namespace: str = BACKEND_NAMESPACE, **kwargs: Any
) -> Iterator[base.Backend]:
    """Give what :func:`fetch` returns to a ``with`` block, and close it at the block's end."""
    made = fetch(conf, namespace=namespace, **kwargs)
    with contextlib.closing(made):
        yield made
