# SPDX-License-Identifier: Apache-2.0
"""Conductors of boards by name: what ``fetch`` makes."""

from __future__ import annotations

from typing import Any

from tfd import plugins
from tfd.conductors import base
from tfd.jobs import base as jobs

__all__ = ['CONDUCTOR_NAMESPACE', 'fetch']

#: The entry-point group of conductors.
CONDUCTOR_NAMESPACE = 'tfd.conductors'


def fetch(
    kind: str, name: str, jobboard: jobs.JobBoard, namespace: str = CONDUCTOR_NAMESPACE, **kwargs: Any
) -> base.Conductor:
    """Return a new conductor.

    :param kind: ``blocking``, which runs one job at a time, or ``nonblocking``, which runs some beside each other.
    :param name: its name, under which it owns jobs.
    :param kwargs: further arguments for it.
    :raises UnknownPlugin: no such kind is installed.
    """
    made: base.Conductor = plugins.load(namespace, kind)(name, jobboard, **kwargs)
    return made
