# SPDX-License-Identifier: Apache-2.0
"""A deployment of a test's own, and its daemons."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import fixtures
import psutil
from kazoo import client as kazoo_client

from tests.functional import servers
from tests.functional.fleet import backend as instrumented
from tests.functional.fleet import ledger, points
from tfd import client
from tfd.conf import deployment, load
from tfd.jobs import record

__all__ = ['FLOW', 'Daemon', 'Fleet', 'until']

FLOW = 'fleet.six'

_ROOT = pathlib.Path(__file__).resolve().parents[3]
_PATIENCE = 60.0
_DAEMON = 'import sys; from tfd.cmd import conductor; sys.exit(conductor.main(sys.argv[1:]))'
_ENTRY_POINTS = """\
[tfd.flows]
{flow} = tests.functional.fleet.flows:six

[tfd.persistence]
fleet = tests.functional.fleet.backend:Backend
"""

_R = TypeVar('_R')


def until(happens: Callable[[], _R], timeout: float = _PATIENCE, what: str = 'it') -> _R:
    """Return what ``happens`` returns, once that is true.

    :raises TimeoutError: it does not come true.
    """
    deadline = time.monotonic() + timeout
    while not (found := happens()):
        if time.monotonic() > deadline:
            raise TimeoutError(f'{what} did not happen in {timeout:g} s')
        time.sleep(0.01)
    return found


def _runs(pid: int) -> bool:
    """Return whether a process is there and has not ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


class Daemon:
    """A tfd-conductor with its workers: one process group, one log.

    :ivar host: what it is called on the board.
    :ivar pid: that of the parent, which is the number of the group too.
    """

    def __init__(
        self, host: str, command: list[str], environment: Mapping[str, str], log: pathlib.Path,
    ) -> None:
        self.host = host
        self._log = log
        with log.open('ab') as output:
            self._process = subprocess.Popen(
                command, cwd=_ROOT, env=environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self.pid = self._process.pid

    def log(self) -> str:
        """Return all that it has logged."""
        return self._log.read_text(errors='replace')

    def is_alive(self) -> bool:
        """Whether the parent has not ended."""
        return self._process.poll() is None

    def workers(self) -> list[int]:
        """Return the process ids of the workers that live."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return [child.pid for child in psutil.Process(self.pid).children()
                    if child.status() != psutil.STATUS_ZOMBIE]
        return []

    def terminate(self) -> None:
        """Send SIGTERM to the parent, as a service manager does first."""
        self._process.terminate()

    def wait(self, timeout: float = _PATIENCE) -> int:
        """Return the exit status of the parent, once it has ended."""
        return self._process.wait(timeout)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the parent and all workers."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL to the parent and all workers; return when the parent has ended."""
        self.signal(signal.SIGKILL)
        self._process.wait(_PATIENCE)


class Fleet(fixtures.Fixture):
    """A database, a board and a client; daemons are killed at the end.

    :param database: ``sqlite``, ``mariadb`` or ``postgresql``.
    :param zookeeper: where the board is; a chroot on the server that all tests share where None.
    :param server: where the database is; the server that all tests share where None.
    :param embedded: whether the board is in the database itself, as it is for ``sqlite``.
    :param points: whether the daemons reach their database through the driver with the points.
    :param options: of the section ``[conductor]``; one job at a time and worker unless it says
        otherwise, so that what happens to a worker happens to one job.
    :ivar conf: the configuration as the client has it.
    :ivar client: a client of the board.
    :ivar hosts: where the board is in ZooKeeper: the address with the root node, '' without it.
    """

    def __init__(
        self, database: str, zookeeper: servers.ZooKeeper | None = None,
        session_timeout: float = 2.0, points: bool = True,
        server: servers.MariaDB | servers.PostgreSQL | None = None, embedded: bool = False, **options: Any,
    ) -> None:
        super().__init__()
        self.session_timeout = session_timeout
        self.daemons: list[Daemon] = []
        self.hosts = ''
        self._database = database
        self._zookeeper = zookeeper
        self._embedded = embedded or database == 'sqlite'
        self._points = points
        self._server = server
        self._conductor = {'workers': 1, 'max_jobs': 1, **options}

    def _setUp(self) -> None:
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.ledger = ledger.Ledger(self.folder)
        self.world = ledger.World(self.folder)
        self.points = points.Points(self.folder)
        self.url = self.useFixture(servers.Database(self._database, self._server)).url
        coordination = self._coordination()
        for name, url in ('client.conf', self.url), ('daemon.conf', self._daemon_url()):
            self._write(name, {'database': {'connection': url, 'connect_timeout': 2},
                               'coordination': coordination, 'conductor': self._conductor})
        self._install()
        self.conf = load.load(load.arguments([str(self.folder / 'client.conf')]))
        with contextlib.closing(deployment.make_backend(self.conf)) as backend:
            with contextlib.closing(backend.get_connection()) as connection:
                connection.upgrade()
        self.client = client.Client(self.conf)
        self.addCleanup(self.client.close)
        self.addCleanup(self._kill_all)

    def _coordination(self) -> dict[str, Any]:
        options: dict[str, Any] = {'session_timeout': self.session_timeout}
        if self._embedded:
            return {'backend': 'sql', **options}
        self.hosts = self.useFixture(servers.Chroot(self._zookeeper)).hosts
        address, _, path = self.hosts.partition('/')
        return {'backend': 'zookeeper', 'hosts': address, 'path': f'/{path}', **options}

    def _daemon_url(self) -> str:
        # The leases of the embedded board are in the same database, which they know by its URL.
        instrument = self._points and not self._embedded
        return f'{instrumented.PREFIX if instrument else ""}{self.url}'

    def _write(self, name: str, sections: Mapping[str, Mapping[str, Any]]) -> pathlib.Path:
        path = self.folder / name
        path.write_text('\n'.join(
            line for section, options in sections.items() for line in (
                f'[{section}]', *(f'{key} = {value}' for key, value in options.items()), '')))
        return path

    def _install(self) -> None:
        """Make the flow and the driver known to whoever has the folder on its path."""
        info = self.folder / 'plugins' / 'tfd_test_fleet-1.dist-info'
        info.mkdir(parents=True)
        (info / 'METADATA').write_text('Metadata-Version: 2.1\nName: tfd-test-fleet\nVersion: 1\n')
        (info / 'entry_points.txt').write_text(_ENTRY_POINTS.format(flow=FLOW))

    def _kill_all(self) -> None:
        for daemon in self.daemons:
            daemon.kill()

    def daemon(self, host: str, **options: Any) -> Daemon:
        """Start a daemon.

        :param host: its name, one that no living daemon has.
        :param options: of the section ``[conductor]``, where they are not those of the fleet.
        """
        own = self._write(f'{host}.conf', {'DEFAULT': {'host': host}, 'conductor': options})
        path = os.pathsep.join((str(self.folder / 'plugins'), str(_ROOT)))
        command = [sys.executable, '-c', _DAEMON, '--config-file', str(self.folder / 'daemon.conf'),
                   '--config-file', str(own)]
        made = Daemon(
            host, command, {**os.environ, 'PYTHONPATH': path}, self.folder / f'{host}.log')
        self.daemons.append(made)
        return made

    def members(self) -> list[str]:
        """Return the incarnations that are on the board."""
        with self.client.coordinator() as coordinator:
            return sorted(coordinator.members())

    def conductors(self) -> list[int]:
        """Return the process ids of the workers that live and have begun to look for jobs."""
        begun = [int(line.split()[2]) for line in self.log().splitlines()
                 if ' conductor starts: ' in line]
        return [pid for pid in begun if _runs(pid)]

    def log(self) -> str:
        """Return what all daemons have logged, one after the other."""
        return ''.join(f'== {path.name}\n{path.read_text(errors="replace")}'
                       for path in sorted(self.folder.glob('*.log')))

    def posting(
        self, points: Mapping[str, str] | None = None, fails: int = 0, pause: float = 0.0,
        flow: str = FLOW, **options: Any,
    ) -> client.Posting:
        """Return a job to post.

        :param points: what happens at which point of the first run; see :mod:`.points`.
        :param fails: the number of the step that fails after its effect; 0 for none.
        :param pause: seconds that each step takes.
        """
        store = {'fleet': {'folder': str(self.folder), 'points': dict(points or {}),
                           'fails': fails, 'pause': pause}}
        return client.Posting(flow, store, **options)

    def post(self, points: Mapping[str, str] | None = None, **options: Any) -> record.Job:
        """Post a job; the arguments are those of :meth:`posting`."""
        return self.client.post_many([self.posting(points, **options)])[0]

    def get(self, job: record.Job) -> record.Job:
        """Return the job as it is now."""
        return self.client.get(job.id)

    def wait(self, job: record.Job, timeout: float = _PATIENCE) -> record.Job:
        """Return the job once it is complete or parked."""
        return self.client.wait(job.id, timeout)

    def locks(self) -> list[str]:
        """Return the names of the locks that are held on the board."""
        zookeeper = kazoo_client.KazooClient(hosts=self.hosts, timeout=10)
        zookeeper.start(timeout=10)
        try:
            return list(zookeeper.get_children('/locks'))
        finally:
            zookeeper.stop()
            zookeeper.close()
