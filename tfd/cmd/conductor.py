# SPDX-License-Identifier: Apache-2.0
"""``tfd-conductor``: the daemon; see :mod:`tfd.service` for what it does on which signal."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Sequence

from oslo_config import cfg
from oslo_log import log

from tfd import exceptions
from tfd.cmd import exits
from tfd.conf import load
from tfd.service import daemon

__all__ = ['main']

_PROGRAM = 'tfd-conductor'
_ABOUT = 'Claims jobs from the board and runs their flows, in several worker processes.'
#: What these libraries say below is about themselves; the conductor tells itself when ZooKeeper is away.
_QUIET = ('tfd_drivers.zookeeper.client.kazoo=ERROR', 'stevedore=WARNING', 'sqlalchemy=WARNING', 'alembic=WARNING')


def main(argv: Sequence[str] | None = None) -> int:
    """Run the daemon; return the status to end with, see :mod:`tfd.cmd.exits`."""
    try:
        # Before anything is read: values are kept.
        log.set_defaults(default_log_levels=[*log.get_default_log_levels(), *_QUIET])
        conf = load.load(
            sys.argv[1:] if argv is None else argv, prog=_PROGRAM, description=_ABOUT,
            version=importlib.metadata.version('tfd'))
        _set_up_logging(conf)
        daemon.preflight(conf)
        return daemon.run(conf)
    except exceptions.TaskFlowException as err:
        return exits.report(_PROGRAM, err)


def _set_up_logging(conf: cfg.ConfigOpts) -> None:
    """Send log records to where the configuration says.

    :raises BadConfiguration: that cannot be done.
    """
    try:
        log.setup(conf, 'tfd')
    except (OSError, log.LogConfigError) as err:
        raise exceptions.BadConfiguration(
            '[DEFAULT] options of logging', str(err), 'a place and a form for the log') from err
