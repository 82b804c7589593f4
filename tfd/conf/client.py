# SPDX-License-Identifier: Apache-2.0
"""Options of the section ``[client]``: how jobs are posted and waited for."""

from __future__ import annotations

from oslo_config import cfg

__all__ = ['GROUP', 'OPTS']

GROUP = cfg.OptGroup('client', title='How jobs are posted and waited for')

OPTS = [
    cfg.BoolOpt(
        'check_flows', default=False,
        help='Refuse to post a job whose flow factory is not installed where it is posted. Hosts '
             'of API services often have none, so this is off by default; a job that no conductor '
             'can run is then parked after [conductor] max_attempts claims.'),
    cfg.BoolOpt(
        'ring', default=True,
        help='Wake a conductor after a post. Off: conductors find the job at their next look at '
             'the board.'),
    cfg.FloatOpt(
        'ring_timeout', default=2.0, min=0.1, max=60.0,
        help='Seconds that a post may spend on its first connection to ring. A failure to ring '
             'never fails a post.'),
    cfg.FloatOpt(
        'wait_interval', default=0.5, min=0.01, max=60.0,
        help='The longest pause, in seconds, between two looks at a job that is waited for; the '
             'first ones are shorter.'),
]
