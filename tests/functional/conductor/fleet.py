# SPDX-License-Identifier: Apache-2.0
"""A deployment of its own for a test, and the processes that run its jobs."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import fixtures

from tests.functional import servers
from tfd.client import Client, Posting
from tfd.conf import deployment, load
from tfd.jobs import record

__all__ = ['Fleet', 'Process', 'alive', 'until']

_ROOT = pathlib.Path(__file__).resolve().parents[3]
_FLOWS = 'tests.functional.conductor.flows'
_PATIENCE = 60.0


class Process:
    """A process group that writes to a log of its own."""

    def __init__(self, command: Sequence[str], log: pathlib.Path) -> None:
        self._log = log
        with log.open('ab') as output:
            self._process = subprocess.Popen(
                [sys.executable, *command], cwd=_ROOT, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self.pid = self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(errors='replace')

    def terminate(self) -> None:
        self._process.terminate()

    def wait(self, timeout: float = _PATIENCE) -> int:
        return self._process.wait(timeout)

    def kill(self) -> None:
        """Send SIGKILL to the whole group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(_PATIENCE)


class Fleet(fixtures.Fixture):
    """Configuration, database, coordinator and client; its processes are killed at the end.

    :param database: ``sqlite``, ``mariadb`` or ``postgresql``.
    :param coordinator: ``sql`` or ``zookeeper``.
    :ivar ledger: the file that its flows write to.
    """

    def __init__(self, database: str = 'sqlite', coordinator: str = 'sql',
                 session_timeout: float = 2.0, **conductor: Any) -> None:
        super().__init__()
        self._database = database
        self._coordinator = coordinator
        self._session_timeout = session_timeout
        self._conductor = {'allow_import_paths': _FLOWS, 'max_jobs': 1, **conductor}
        self.processes: list[Process] = []

    def _setUp(self) -> None:
        self.dir = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.ledger = self.dir / 'ledger'
        self.file = self.dir / 'tfd.conf'
        self.file.write_text(self._text())
        self.conf = load.load(load.arguments([str(self.file)]))
        with contextlib.closing(deployment.make_backend(self.conf)) as backend:
            with contextlib.closing(backend.get_connection()) as connection:
                connection.upgrade()
        self.client = Client(self.conf)
        self.addCleanup(self.client.close)
        self.addCleanup(self._kill_all)

    def _text(self) -> str:
        url = self.useFixture(servers.Database(self._database)).url
        coordination = {'backend': self._coordinator, 'session_timeout': self._session_timeout}
        if self._coordinator == 'zookeeper':
            hosts, _, path = self.useFixture(servers.Chroot()).hosts.partition('/')
            coordination.update(hosts=hosts, path=f'/{path}')
        return '\n'.join((
            '[database]', f'connection = {url}',
            '[coordination]', *_lines(coordination), '[conductor]', *_lines(self._conductor), ''))

    def _kill_all(self) -> None:
        for process in self.processes:
            process.kill()

    def daemon(self, *options: str) -> Process:
        """Start the daemon."""
        code = 'import sys; from tfd.cmd import conductor; sys.exit(conductor.main(sys.argv[1:]))'
        return self._start('-c', code, '--config-file', str(self.file), *options)

    def host(self, workers: int) -> Process:
        """Start workers that die where their jobs tell them to."""
        return self._start('-m', 'tests.functional.conductor.host', str(self.file), str(workers))

    def _start(self, *command: str) -> Process:
        process = Process(command, self.dir / f'{len(self.processes)}.log')
        self.processes.append(process)
        return process

    def log(self) -> str:
        """Return what all processes have logged."""
        return ''.join(process.log for process in self.processes)

    def posting(self, flow: str, **options: Any) -> Posting:
        return Posting(f'{_FLOWS}.{flow}', {'options': {'ledger': str(self.ledger), **options}})

    def post(self, flow: str, **options: Any) -> record.Job:
        return self.client.post_many([self.posting(flow, **options)])[0]

    def wait(self, job: record.Job, timeout: float = _PATIENCE) -> record.Job:
        return self.client.wait(job.id, timeout)

    def lines(self, job: record.Job | None = None) -> list[list[str]]:
        """Return what is in the ledger, about a job or all: job, epoch, action, step, pid."""
        if not self.ledger.exists():
            return []
        lines = [line.split() for line in self.ledger.read_text().splitlines()]
        return [line for line in lines if job is None or line[0] == job.id]


def _lines(options: Mapping[str, Any]) -> list[str]:
    return [f'{name} = {value}' for name, value in options.items()]


def until(happened: Callable[[], Any], timeout: float = _PATIENCE) -> Any:
    """Return what ``happened`` returns once that is true.

    :raises TimeoutError: it does not come true in time.
    """
    deadline = time.monotonic() + timeout
    while not (found := happened()):
        if time.monotonic() > deadline:
            raise TimeoutError(f'{happened} is not true after {timeout:g} s')
        time.sleep(0.02)
    return found


def alive(pid: int) -> bool:
    """Return whether a process is there, and no zombie."""
    try:
        state = pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0]
    except OSError:
        return False
    return state != 'Z'
