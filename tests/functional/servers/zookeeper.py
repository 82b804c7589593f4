# SPDX-License-Identifier: Apache-2.0
"""A private, standalone ZooKeeper from Debian's jars."""

from __future__ import annotations

import os
import pathlib
import shutil
import socket
from collections.abc import Mapping, Sequence

from tests.functional.servers.process import HOST, Server

__all__ = ['ZooKeeper']

_JAVA_FOLDER = pathlib.Path('/usr/share/java')
# Its manifest names the jars that it needs.
_JAR = _JAVA_FOLDER / 'zookeeper.jar'
_LOG_JAR = _JAVA_FOLDER / 'slf4j-simple.jar'
_MAIN = 'org.apache.zookeeper.server.quorum.QuorumPeerMain'


class ZooKeeper(Server):
    """A standalone ZooKeeper.

    :param tick_time: seconds. A session time-out is at least two of them, unless ``settings``
        say ``minSessionTimeout``, and sessions end on a multiple of them.
    :param settings: more lines of ``zoo.cfg``.
    """

    kind = 'zookeeper'

    def __init__(
        self,
        *,
        tick_time: float = 0.5,
        settings: Mapping[str, object] | None = None,
        fsync: bool = False,
    ) -> None:
        super().__init__(fsync=fsync)
        self.tick_time = tick_time
        self._settings = dict(settings or {})

    @property
    def hosts(self) -> str:
        """The address, as kazoo's ``hosts`` takes it."""
        return f'{HOST}:{self.port}'

    @property
    def address(self) -> str:
        """The address that the tests share the server by."""
        return self.hosts

    @classmethod
    def missing(cls) -> str | None:
        """Name the program that is not installed, or None."""
        if shutil.which('java') is None:
            return 'java is not installed'
        return None if _JAR.exists() else f'{_JAR} does not exist'

    def _initialise(self) -> None:
        self.data.mkdir()

    def _command(self) -> Sequence[str]:
        return [
            'java',
            '-Xmx256m',
            '-XX:+UseSerialGC',
            '-XX:TieredStopAtLevel=1',
            # A folder hsperfdata_<user> beside everybody's temporary files.
            '-XX:-UsePerfData',
            # In KiB; the default is 64 MiB, written at the first change.
            '-Dzookeeper.preAllocSize=1024',
            '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
            '-cp',
            os.pathsep.join(map(str, (_JAR, _LOG_JAR))),
            _MAIN,
            str(self._write_configuration()),
        ]

    def _write_configuration(self) -> pathlib.Path:
        settings: dict[str, object] = {
            'tickTime': round(self.tick_time * 1000),
            'dataDir': self.data,
            'clientPort': self.port,
            'clientPortAddress': HOST,
            'maxClientCnxns': 0,
            'admin.enableServer': 'false',
            'forceSync': 'yes' if self.fsync else 'no',
            **self._settings,
        }
        path = self.folder / 'zoo.cfg'
        path.write_text(''.join(f'{name}={value}\n' for name, value in settings.items()))
        return path

    def _answers(self) -> bool:
        with socket.create_connection((HOST, self.port), 1) as connection:
            connection.sendall(b'srvr')
            answer = b''.join(iter(lambda: connection.recv(4096), b''))
        return b'Mode: standalone' in answer
