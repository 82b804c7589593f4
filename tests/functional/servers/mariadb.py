# SPDX-License-Identifier: Apache-2.0
"""A private MariaDB server."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Mapping, Sequence

from tests.functional.servers.process import HOST, Server

__all__ = ['MariaDB']

# Debian keeps the server out of the PATH of ordinary users.
_PATH = os.pathsep.join((os.environ.get('PATH', os.defpath), '/usr/sbin', '/sbin'))
_PROGRAMS = ('mariadbd', 'mariadb-install-db', 'my_print_defaults')
_USER = """\
CREATE USER IF NOT EXISTS 'tfd'@'%' IDENTIFIED BY 'tfd';
GRANT ALL ON *.* TO 'tfd'@'%' WITH GRANT OPTION;
"""


class MariaDB(Server):
    """A MariaDB server with one user, ``tfd``, who may do everything.

    :param settings: more options of ``mariadbd``, without their dashes.
    """

    kind = 'mariadb'

    def __init__(
        self, *, settings: Mapping[str, object] | None = None, fsync: bool = False
    ) -> None:
        super().__init__(fsync=fsync)
        self.settings = dict(settings or {})

    @property
    def url(self) -> str:
        """The server as an SQLAlchemy URL, without a database."""
        return f'mysql+pymysql://tfd:tfd@{HOST}:{self.port}/'

    @property
    def address(self) -> str:
        """The address that the tests share the server by."""
        return self.url

    @classmethod
    def missing(cls) -> str | None:
        """Name the program that is not installed, or None."""
        lacking = [name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None]
        return f'{lacking[0]} is not installed' if lacking else None

    def _initialise(self) -> None:
        (self.folder / 'user.sql').write_text(_USER)
        self._run(
            [
                'mariadb-install-db',
                *self._storage_options(),
                '--auth-root-authentication-method=normal',
                '--skip-test-db',
            ]
        )

    def _storage_options(self) -> list[str]:
        # A server that starts removes the temporary tables of any other one that has the same folder for them.
        options = [
            '--no-defaults', f'--datadir={self.data}', f'--tmpdir={self.folder}', '--innodb-log-file-size=16M']
        # It asks to be told that it is to run as root.
        return [*options, '--user=root'] if os.getuid() == 0 else options

    def _command(self) -> Sequence[str]:
        settings: dict[str, object] = {
            'bind-address': HOST,
            'port': self.port,
            'socket': self.folder / 'socket',
            'pid-file': self.folder / 'pid',
            'init-file': self.folder / 'user.sql',
            'character-set-server': 'utf8mb4',
            'innodb-buffer-pool-size': '64M',
            # 2: written at each commit, not synced.
            'innodb-flush-log-at-trx-commit': 1 if self.fsync else 2,
            'innodb-flush-method': 'fsync' if self.fsync else 'nosync',
            'max-connections': 400,
            'performance-schema': 'OFF',
            'skip-name-resolve': 'ON',
            **self.settings,
        }
        options = [f'--{name}={value}' for name, value in settings.items()]
        program = shutil.which('mariadbd', path=_PATH) or 'mariadbd'
        return [program, *self._storage_options(), *options]

    def _answers(self) -> bool:
        with socket.create_connection((HOST, self.port), 1) as connection:
            greeting = connection.recv(5)
        # Three bytes of length, the packet's number, and the version of the protocol.
        return greeting[4:] == b'\x0a'
