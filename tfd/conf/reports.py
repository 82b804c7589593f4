# SPDX-License-Identifier: Apache-2.0
"""Options of the section ``[oslo_reports]``, as other services of OpenStack have it: where reports go."""

from __future__ import annotations

from oslo_config import cfg

__all__ = ['GROUP', 'OPTS']

GROUP = cfg.OptGroup('oslo_reports', title='What is written on SIGUSR2')

OPTS = [
    cfg.StrOpt(
        'log_dir', mutable=True,
        help='The directory for the reports that the processes of the daemon write on SIGUSR2, one file each. Without '
             'one they go to standard error, which systemd keeps in its journal.'),
]
