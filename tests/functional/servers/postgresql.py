# SPDX-License-Identifier: Apache-2.0
"""A private PostgreSQL server."""

from __future__ import annotations

import os
import pathlib
import pwd
import shutil
import signal
from collections.abc import Mapping, Sequence

import psycopg

from tests.functional.servers.process import HOST, Server

__all__ = ['PostgreSQL']

_DEBIAN_FOLDER = pathlib.Path('/usr/lib/postgresql')
# PostgreSQL refuses to run as root.
_ACCOUNT = 'postgres'


def _program(name: str) -> str | None:
    """The newest installed one, which Debian keeps out of the PATH."""
    found = _DEBIAN_FOLDER.glob(f'*/bin/{name}')
    versions = sorted(found, key=lambda path: float(path.parts[-3]), reverse=True)
    return str(versions[0]) if versions else shutil.which(name)


class PostgreSQL(Server):
    """A PostgreSQL server with one user, ``tfd``, who may do everything.

    :param settings: more settings of ``postgresql.conf``.
    """

    kind = 'postgresql'
    # A fast shutdown: it does not wait for clients.
    stop_signal = signal.SIGINT
    abort_signal = signal.SIGQUIT

    def __init__(
        self, *, settings: Mapping[str, object] | None = None, fsync: bool = False
    ) -> None:
        super().__init__(fsync=fsync)
        self._settings = dict(settings or {})

    @property
    def url(self) -> str:
        """The server as an SQLAlchemy URL; its database is ``postgres``."""
        return f'postgresql+psycopg://tfd@{HOST}:{self.port}/postgres'

    @property
    def address(self) -> str:
        """The address that the tests share the server by."""
        return self.url

    @classmethod
    def missing(cls) -> str | None:
        """Name the program that is not installed, or None."""
        lacking = [name for name in ('postgres', 'initdb') if _program(name) is None]
        if lacking:
            return f'{lacking[0]} is not installed'
        if os.getuid() == 0:
            try:
                pwd.getpwnam(_ACCOUNT)
            except KeyError:
                return f'there is no account {_ACCOUNT}, and it does not run as root'
        return None

    def _credentials(self) -> Sequence[str]:
        if os.getuid() != 0:
            return ()
        return (f'--reuid={_ACCOUNT}', f'--regid={_ACCOUNT}', '--clear-groups')

    def _initialise(self) -> None:
        if os.getuid() == 0:
            account = pwd.getpwnam(_ACCOUNT)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self._run(
            [
                _program('initdb') or 'initdb',
                f'--pgdata={self.data}',
                '--username=tfd',
                '--auth=trust',
                '--encoding=UTF8',
                '--no-locale',
                '--no-sync',
            ]
        )

    def _command(self) -> Sequence[str]:
        durable = 'on' if self.fsync else 'off'
        settings: dict[str, object] = {
            'listen_addresses': HOST,
            'port': self.port,
            'unix_socket_directories': '',
            'max_connections': 400,
            'shared_buffers': '64MB',
            'fsync': durable,
            'full_page_writes': durable,
            **self._settings,
        }
        options = [part for item in settings.items() for part in ('-c', '{}={}'.format(*item))]
        return [_program('postgres') or 'postgres', '-D', str(self.data), *options]

    def _answers(self) -> bool:
        try:
            psycopg.connect(
                host=HOST, port=self.port, user='tfd', dbname='postgres', connect_timeout=2
            ).close()
        except psycopg.OperationalError:
            return False
        return True
