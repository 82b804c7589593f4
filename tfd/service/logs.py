# SPDX-License-Identifier: Apache-2.0
"""Where the log records of a process of the daemon go."""

from __future__ import annotations

from oslo_config import cfg
from oslo_log import log

from tfd import exceptions

__all__ = ['quieten', 'set_up']

#: What these libraries say below is about themselves; the conductor tells itself when ZooKeeper is away.
_QUIET = ('tfd_drivers.zookeeper.client.kazoo=ERROR', 'stevedore=WARNING', 'sqlalchemy=WARNING', 'alembic=WARNING')


def quieten() -> None:
    """Have libraries say less, by default: to be called before a configuration is read."""
    log.set_defaults(default_log_levels=[*log.get_default_log_levels(), *_QUIET])


def set_up(conf: cfg.ConfigOpts) -> None:
    """Send log records to where the configuration says.

    :raises BadConfiguration: that cannot be done.
    """
    try:
        log.setup(conf, 'tfd')
    except (OSError, log.LogConfigError) as err:
        raise exceptions.BadConfiguration(
            '[DEFAULT] options of logging', str(err), 'a place and a form for the log') from err
