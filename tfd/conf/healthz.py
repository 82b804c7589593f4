# SPDX-License-Identifier: Apache-2.0
"""Options of the section ``[healthz]``: who may ask the daemon how it is."""

from __future__ import annotations

from oslo_config import cfg

__all__ = ['GROUP', 'OPTS']

GROUP = cfg.OptGroup('healthz', title='Who may ask the daemon how it is')

OPTS = [
    cfg.StrOpt(
        'bind', default='', regex=r'^$|^unix:/.+$|^.+:\d{1,5}$',
        help='Where GET /healthz is answered: host:port ([::1]:port for IPv6), or unix:/path of a socket. Empty: '
             'nowhere. There is neither encryption nor a password: bind it to an address that the monitoring alone '
             'reaches. The answer names servers that are away, and nothing of jobs but their number.'),
    cfg.IntOpt(
        'max_connections', default=32, min=1, max=1000,
        help='How many requests are answered at once. One more is closed unanswered.'),
    cfg.FloatOpt(
        'timeout', default=5.0, min=0.1, max=60.0,
        help='Seconds that a client may take for its request and the answer.'),
    cfg.FloatOpt(
        'max_silence', default=60.0, min=2.0, max=3600.0, mutable=True,
        help='Seconds after which a worker whose loop did not come around counts as hung: /healthz says so, and '
             'systemd is not told any more that the daemon is alive. Longer than any server may take to answer: see '
             'connect_timeout in [database] and [coordination].'),
]
