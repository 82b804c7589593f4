# SPDX-License-Identifier: Apache-2.0
"""Options of the section ``[coordination]``: how conductors agree on who runs which job."""

from __future__ import annotations

from oslo_config import cfg, types

__all__ = ['GROUP', 'OPTS']

GROUP = cfg.OptGroup('coordination', title='How conductors agree on who runs which job')

OPTS = [
    cfg.StrOpt(
        'backend', default='sql',
        help='The driver: sql keeps leases in the database and needs no other server; zookeeper '
             'keeps locks in a ZooKeeper ensemble. Any entry point of the group tfd.coordinators '
             'works.'),
    cfg.ListOpt(
        'hosts', default=['127.0.0.1:2181'],
        item_type=types.String(max_length=255),
        help='The ZooKeeper servers, as host:port (zookeeper only).'),
    cfg.StrOpt(
        'path', default='/tfd', regex=r'^/[^\s]*$',
        help='The node under which everything of this deployment lives (zookeeper only). Two '
             'deployments on one ensemble need two paths.'),
    cfg.FloatOpt(
        'session_timeout', default=10.0, min=1.0, max=3600.0,
        help='Seconds of silence after which a conductor counts as dead and its jobs are taken '
             'over. ZooKeeper may negotiate another value within its own limits (2 to 20 ticks).'),
    cfg.FloatOpt(
        'max_session_timeout', default=40.0, min=1.0, max=3600.0,
        help="The longest session that any member may have: ZooKeeper's maxSessionTimeout, 20 "
             'ticks by default. After ZooKeeper has lost its data nobody takes over a job for this '
             'long, since its owner may still believe in a session of the time before.'),
    cfg.FloatOpt(
        'connect_timeout', default=10.0, min=0.1, max=600.0,
        help='Seconds to wait for the first connection.'),
    cfg.ListOpt(
        'auth_data', secret=True, default=[], item_type=types.String(),
        help='Credentials given to ZooKeeper, as digest:user:password (zookeeper only).'),
    cfg.StrOpt(
        'acl', default='open', choices=['open', 'creator'],
        help='Who may touch the nodes that tfd makes: everybody, or whoever gives the same '
             'auth_data (zookeeper only).'),
    cfg.BoolOpt(
        'use_ssl', default=False,
        help='Whether to speak TLS (zookeeper only).'),
    cfg.StrOpt('ca', help='The file with the certificates of authorities (zookeeper only).'),
    cfg.StrOpt('certfile', help='The file with the own certificate (zookeeper only).'),
    cfg.StrOpt('keyfile', help='The file with its key (zookeeper only).'),
]
