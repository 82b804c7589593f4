# SPDX-License-Identifier: Apache-2.0
"""Options of the section ``[database]``: where jobs and logbooks are kept."""

from __future__ import annotations

from oslo_config import cfg

__all__ = ['GROUP', 'OPTS']

GROUP = cfg.OptGroup('database', title='Where jobs and logbooks are kept')

OPTS = [
    cfg.StrOpt(
        'connection', secret=True, default='sqlite:////var/lib/tfd/tfd.sqlite',
        help='The URL of the database, as SQLAlchemy reads it: sqlite:////absolute/path, '
             'mysql+pymysql://user:password@host/name or postgresql+psycopg://user:password@host/'
             "name. A $ in it is written $$. Create the schema with 'tfd-manage db sync'."),
    cfg.IntOpt(
        'max_pool_size', default=5, min=1, max=1000,
        help='How many connections one worker process keeps open.'),
    cfg.IntOpt(
        'max_overflow', default=10, min=0, max=1000,
        help='How many connections one worker process may open for a while beyond max_pool_size.'),
    cfg.FloatOpt(
        'pool_timeout', default=10.0, min=0.1,
        help='Seconds to wait for a free connection of the pool.'),
    cfg.FloatOpt(
        'connect_timeout', default=5.0, min=1.0,
        help='Seconds to wait for a new connection to be answered.'),
    cfg.IntOpt(
        'max_value_bytes', default=8 * 1024 * 1024, min=1024, max=2 ** 29,
        help='How many bytes the stored form of one value may have: the result of a task, the '
             'inputs of a job. A task whose result is larger fails. Where the server takes less, '
             'that counts: on MariaDB and MySQL a value can have half of max_allowed_packet, less '
             '64 KiB, in which a quote or a backslash counts for two.'),
]
