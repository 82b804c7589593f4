# SPDX-License-Identifier: Apache-2.0
"""What can be configured of a database."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from tfd import exceptions
from tfd.persistence.sealing import Sealing

__all__ = ['Settings']

LOG = logging.getLogger(__name__)

_DRIVERS = {
    'sqlite': 'sqlite', 'sqlite+pysqlite': 'sqlite',
    'mysql': 'mysql+pymysql', 'mysql+pymysql': 'mysql+pymysql',
    'mariadb': 'mysql+pymysql', 'mariadb+pymysql': 'mysql+pymysql',
    'postgresql': 'postgresql+psycopg', 'postgresql+psycopg': 'postgresql+psycopg',
}


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """How a database is reached, and for how long anything there may take. All times are seconds.

    :ivar url: with the driver's name in it (``mysql://`` means PyMySQL, ``postgresql://`` psycopg 3).
    :ivar max_pool_size: connections that are kept open.
    :ivar max_overflow: further connections that may be opened for a while.
    :ivar pool_timeout: how long to wait for a free connection.
    :ivar connect_timeout: how long a new connection may take.
    :ivar statement_timeout: how long one statement may take, on the server and on the wire.
    :ivar session_timeout: the coordinator's session time-out. A transaction that is idle for a third of it is ended
        by the server, so that a stopped owner's locks are gone before its successor is due.
    :ivar lock_timeout: how long a statement may wait for a lock of another transaction.
    :ivar write_timeout: how long to wait for the other writers of an SQLite database.
    :ivar max_value_bytes: how large the stored form of one value may be: a result, a history, the inputs of a job. The
        server's own limit counts where it is less: half of MariaDB's ``max_allowed_packet``, or nearly.
    :ivar sealing: what is secret by its name, and the keys: of ``secret_names`` and ``secret_keys``.
    """

    url: sa.URL
    max_pool_size: int = 5
    max_overflow: int = 10
    pool_timeout: float = 10.0
    connect_timeout: float = 5.0
    statement_timeout: float = 15.0
    session_timeout: float = 10.0
    lock_timeout: float = 1.0
    write_timeout: float = 10.0
    max_value_bytes: int = 8 * 1024 * 1024
    sealing: Sealing = dataclasses.field(default_factory=Sealing)

    @property
    def idle_timeout(self) -> float:
        """Seconds after which the server ends a transaction that does nothing."""
        return self.session_timeout / 3

    @property
    def place(self) -> str:
        """The URL without its password, for messages."""
        return self.url.render_as_string(hide_password=True)

    @classmethod
    def from_conf(cls, conf: Mapping[str, Any] | str) -> Settings:
        """Return the settings that a mapping, or a URL alone, describes; unknown keys are logged and left aside.

        :raises BadConfiguration: there is no usable URL, or an option is not a positive number.
        """
        options = {'connection': conf} if isinstance(conf, str) else dict(conf)
        values: dict[str, Any] = {'url': _parsed(options.pop('connection', None)), 'sealing': Sealing.take(options)}
        known = {field.name: field.default for field in dataclasses.fields(cls) if field.name not in values}
        for key, value in options.items():
            if key not in known:
                LOG.warning('option %s means nothing to the SQL driver and is left aside', key)
                continue
            values[key] = _number(key, value, integer=isinstance(known[key], int))
        return cls(**values)


def _parsed(connection: Any) -> sa.URL:
    expected = 'a URL such as sqlite:////path, mysql://user:password@host/name or postgresql://user:password@host/name'
    try:
        url = sa.make_url(connection)
        driver = _DRIVERS[url.drivername]
    except (sa.exc.ArgumentError, ValueError, TypeError) as err:
        # The value may hold a password: the message does not repeat it.
        raise exceptions.BadConfiguration('connection', '…', expected) from err
    except KeyError as err:
        raise exceptions.BadConfiguration('connection', f'{url.drivername}://…', f'one of {sorted(_DRIVERS)}') from err
    return url.set(drivername=driver)


def _number(key: str, value: Any, integer: bool) -> float:
    try:
        number = int(value) if integer else float(value)
    except (TypeError, ValueError) as err:
        raise exceptions.BadConfiguration(key, value, 'a number') from err
    if number < 0 or (number == 0 and key != 'max_overflow'):
        raise exceptions.BadConfiguration(key, value, 'a positive number')
    return number
