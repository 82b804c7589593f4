# SPDX-License-Identifier: Apache-2.0
"""``tfd-conductor``: the daemon; see :mod:`tfd.service` for what it does on which signal."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Sequence

from tfd import exceptions
from tfd.cmd import exits
from tfd.conf import load
from tfd.service import daemon, logs

__all__ = ['main']

_PROGRAM = 'tfd-conductor'
_ABOUT = 'Claims jobs from the board and runs their flows, in several worker processes.'


def main(argv: Sequence[str] | None = None) -> int:
    """Run the daemon; return the status to end with, see :mod:`tfd.cmd.exits`."""
    try:
        logs.quieten()
        conf = load.load(
            sys.argv[1:] if argv is None else argv, prog=_PROGRAM, description=_ABOUT,
            version=importlib.metadata.version('tfd'))
        logs.set_up(conf)
        daemon.preflight(conf)
        return daemon.run(conf)
    except exceptions.TaskFlowException as err:
        return exits.report(_PROGRAM, err)
