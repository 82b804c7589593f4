# SPDX-License-Identifier: Apache-2.0
"""A private Galera cluster of two MariaDB servers."""

from __future__ import annotations

import os
import pathlib
import shutil
import time
import uuid
from collections.abc import Callable

import fixtures
import pymysql

from tests.functional.servers.mariadb import MariaDB
from tests.functional.servers.process import HOST, ServerError, absent, free_port

__all__ = ['Galera', 'GaleraNode']

_PROVIDERS = ('/usr/lib/galera/libgalera_smm.so', '/usr/lib64/galera-4/libgalera_smm.so')
_SECONDS = 20.0
_POLL_SECONDS = 0.05


def _provider() -> str | None:
    return next((path for path in _PROVIDERS if pathlib.Path(path).exists()), None)


class GaleraNode(MariaDB):
    """A MariaDB server that is a node of a cluster.

    It applies what comes from other nodes one after the other, and lets them go on however far it is behind.

    :ivar member: its address for other nodes.
    """

    kind = 'galera'

    def __init__(self) -> None:
        super().__init__()
        self.member = f'{HOST}:{free_port()}'

    @classmethod
    def missing(cls) -> str | None:
        """Name what is not installed, or None."""
        return super().missing() or (None if _provider() else 'libgalera_smm.so is not installed')

    def join(self, *members: str) -> None:
        """Be a node from the next start on, of a cluster with these members; without them, alone."""
        port = self.member.rpartition(':')[2]
        options = {
            'base_host': HOST, 'base_port': port, 'gmcast.listen_addr': f'tcp://{self.member}',
            'gcache.size': '16M',
            # Others are asked to wait for this node when so many of their transactions are waiting here.
            'gcs.fc_limit': 100_000, 'gcs.fc_factor': '1.0',
        }
        self.settings |= {
            'wsrep-on': 'ON', 'wsrep-provider': _provider(), 'wsrep-cluster-address': f'gcomm://{",".join(members)}',
            'wsrep-provider-options': ';'.join(f'{name}={value}' for name, value in options.items()),
            'wsrep-node-address': self.member, 'wsrep-slave-threads': 1, 'binlog-format': 'ROW',
            'innodb-autoinc-lock-mode': 2,
        }

    def status(self, name: str) -> str:
        """Return a status variable; '' where there is none."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute('SHOW GLOBAL STATUS LIKE %s', (name,))
            found = cursor.fetchone()
        return str(found[1]) if found else ''

    def connect(self) -> pymysql.Connection:
        """Return a connection; the caller closes it."""
        return pymysql.connect(host=HOST, port=self.port, user='tfd', password='tfd', autocommit=True)


def _views(count: int) -> list[str]:
    """Return what each of so many nodes would remember of a cluster of theirs that went down as a whole.

    They come up as the same cluster when all are there, without one that would have to begin.
    """
    members = [str(uuid.uuid4()) for _ in range(count)]
    lines = ['#vwbeg', f'view_id: 3 {members[0]} {count}', 'bootstrap: 0']
    lines += [f'member: {member} 0' for member in members]
    return ['\n'.join([f'my_uuid: {member}', *lines, '#vwend', '']) for member in members]


class Galera(fixtures.Fixture):
    """Two nodes; ``first`` and ``second`` are the servers.

    :raises ServerError: they did not find together.
    """

    def _setUp(self) -> None:
        reason = GaleraNode.missing()
        if reason is not None:
            raise absent(GaleraNode.kind, reason)
        nodes = self.first, self.second = GaleraNode(), GaleraNode()
        for node in nodes:
            self.addCleanup(node.destroy)
        # Alone at first. Then both with the same data, of which both know that it is: nothing has to be transferred,
        # for which there are other programs.
        self.first.join()
        self.first.start()
        self.first.stop()
        shutil.copytree(self.first.data, self.second.data)
        for node, view in zip(nodes, _views(len(nodes)), strict=True):
            node.join(*[each.member for each in nodes])
            (node.data / 'gvwstate.dat').write_text(view)
            # The account is in the data.
            node.settings['init-file'] = os.devnull
            node.launch()
        for node in nodes:
            node.wait_until_ready()
            self._wait(lambda node=node: node.status('wsrep_local_state_comment') == 'Synced')

    def _wait(self, happens: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _SECONDS
        while not happens():
            if time.monotonic() > deadline:
                raise ServerError(f'no cluster:\n{self.first.log()}\n{self.second.log()}')
            time.sleep(_POLL_SECONDS)
