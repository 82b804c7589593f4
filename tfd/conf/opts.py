# SPDX-License-Identifier: Apache-2.0
"""All options of tfd, for ``oslo-config-generator`` and for registration."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from cotyledon import oslo_config_glue
from oslo_config import cfg

from tfd.conf import client, conductor, coordination, database, default, healthz, reports, retention, secrets

__all__ = ['SECTIONS', 'list_opts']

#: Group and options of every section, in the order of the sample file.
SECTIONS: tuple[tuple[cfg.OptGroup, Sequence[cfg.Opt]], ...] = (
    (default.GROUP, [*default.OPTS, *oslo_config_glue.service_opts]),
    (database.GROUP, database.OPTS),
    (coordination.GROUP, coordination.OPTS),
    (conductor.GROUP, conductor.OPTS),
    (client.GROUP, client.OPTS),
    (retention.GROUP, retention.OPTS),
    (secrets.GROUP, secrets.OPTS),
    (healthz.GROUP, healthz.OPTS),
    (reports.GROUP, reports.OPTS),
)


def list_opts() -> list[tuple[cfg.OptGroup | str, list[cfg.Opt]]]:
    """Return copies of all options by section: the entry point ``tfd`` of ``oslo.config.opts``."""
    return [
        ('DEFAULT' if group.name == 'DEFAULT' else group, copy.deepcopy(list(options)))
        for group, options in SECTIONS
    ]
