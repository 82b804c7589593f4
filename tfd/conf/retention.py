# SPDX-License-Identifier: Apache-2.0
"""Options of the section ``[retention]``: how long is kept what is done with."""

from __future__ import annotations

from oslo_config import cfg

from tfd import states

__all__ = ['GROUP', 'OPTS', 'days']

GROUP = cfg.OptGroup('retention', title='How long is kept what is done with')

OPTS = [
    cfg.FloatOpt(
        'success_days', default=0.0, min=0.0, mutable=True,
        help='Days after which a job that ended in SUCCESS is removed, with everything that was '
             'recorded of it. 0: never. Its token is forgotten then too: posted again, it makes a '
             'new job.'),
    cfg.FloatOpt(
        'reverted_days', default=0.0, min=0.0, mutable=True,
        help='The same for a job whose flow failed and was REVERTED. Jobs that wait, run or are '
             'parked are never removed.'),
    cfg.FloatOpt(
        'conductors_days', default=90.0, min=0.0,
        help='Days after which a worker process of a conductor that was not seen again is '
             'forgotten, each time that one starts. 0: never.'),
    cfg.FloatOpt(
        'interval', default=600.0, min=1.0, mutable=True,
        help='Seconds between two looks for jobs to remove, by one worker of all conductors.'),
    cfg.IntOpt(
        'batch', default=100, min=1, max=10000, mutable=True,
        help='How many jobs one transaction removes at most; fewer where their flows are large.'),
]


def days(conf: cfg.ConfigOpts) -> dict[str, float]:
    """Return after how many days a job is removed, by its outcome; 0 for never."""
    return {
        states.SUCCESS: conf.retention.success_days,
        states.REVERTED: conf.retention.reverted_days,
    }
