# SPDX-License-Identifier: Apache-2.0
"""Options of the section ``[DEFAULT]`` that are tfd's own; logging and shutdown add theirs."""

from __future__ import annotations

import socket

from oslo_config import cfg

__all__ = ['GROUP', 'OPTS']

GROUP = cfg.OptGroup('DEFAULT')

OPTS = [
    cfg.StrOpt(
        'host', default=socket.gethostname(), sample_default='<the name of this host>',
        regex=r'^[A-Za-z0-9._:-]+$', max_length=100,
        help='Under what name the conductors of this daemon appear in lists of members and owners. '
             'Several daemons of one host may share it: each of their sessions has an id of its '
             'own.'),
]
