# SPDX-License-Identifier: Apache-2.0
"""A server process of a test: its port, its data, its life."""

from __future__ import annotations

import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from collections.abc import Sequence
from typing import ClassVar

import fixtures
import psutil

__all__ = ['HOST', 'Server', 'ServerError', 'ServerMissing', 'absent', 'free_port', 'is_ci']

HOST = '127.0.0.1'

# Below the ports that Linux gives to outgoing connections (32768 and up): a client that
# keeps trying to reconnect to a stopped server could otherwise be given the server's port.
_PORTS = range(15000, 32000)
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.02


class ServerError(Exception):
    """A server did not start, or its tools failed; the message ends with its log."""


class ServerMissing(Exception):
    """The programs of a server are not installed."""


def absent(kind: str, reason: str) -> Exception:
    """The exception that a test without its server raises: a skip at home, a failure in CI."""
    if is_ci():
        return AssertionError(f'{kind} is needed in CI: {reason}')
    return unittest.SkipTest(f'no {kind}: {reason}')


def is_ci() -> bool:
    """Whether the environment says ``CI=true``, where every server is needed."""
    return os.environ.get('CI', '').lower() in ('true', '1')


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on."""
    for port in random.sample(_PORTS, 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise ServerError(f'no free port in {_PORTS}')


class Server(fixtures.Fixture):
    """A server of its own: private port and data, ended by its own process id.

    As a fixture it is started by ``useFixture`` and removed with its data at the end of the test.
    Without one, call :meth:`start` and, in the end, :meth:`destroy`.

    The port and the data outlive :meth:`stop`, :meth:`kill` and :meth:`restart`. The kernel
    kills the server when the *thread* that started it ends, so that nothing is left of a test
    process that was killed: start servers in the main thread.

    :param fsync: whether the server waits for the disk. Without it a killed server still keeps
        what it had acknowledged; only a crash of the machine would lose it.
    """

    kind: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    # Ends the server at once, and the processes that it started with it.
    abort_signal: ClassVar[signal.Signals] = signal.SIGKILL

    def __init__(self, *, fsync: bool = False) -> None:
        super().__init__()
        self.fsync = fsync
        self.port = free_port()
        self._folder: pathlib.Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    # What a kind of server says of itself.

    @classmethod
    def missing(cls) -> str | None:
        """Name the program that is not installed, or None."""
        raise NotImplementedError

    def _initialise(self) -> None:
        """Make the data folder of a server that has none."""

    def _command(self) -> Sequence[str]:
        """The command that runs the server in the foreground."""
        raise NotImplementedError

    def _answers(self) -> bool:
        """Whether the server serves clients now; may raise OSError."""
        raise NotImplementedError

    def _credentials(self) -> Sequence[str]:
        """Options of setpriv, for a server that does not run as the present user."""
        return ()

    # The life of a server.

    def _setUp(self) -> None:
        reason = self.missing()
        if reason is not None:
            raise absent(self.kind, reason)
        self.addCleanup(self.destroy)
        self.start()

    @property
    def folder(self) -> pathlib.Path:
        """The folder that holds everything of this server."""
        if self._folder is None:
            self._folder = pathlib.Path(tempfile.mkdtemp(prefix=f'tfd-{self.kind}-'))
        return self._folder

    @property
    def data(self) -> pathlib.Path:
        """The folder of the server's data."""
        return self.folder / 'data'

    @property
    def pid(self) -> int:
        """The process id of the running server.

        :raises ServerError: it is not running.
        """
        if self._process is None:
            raise ServerError(f'{self.kind} is not running')
        return self._process.pid

    def start(self) -> None:
        """Return when the server answers.

        :raises ServerMissing: its programs are not installed.
        :raises ServerError: it did not start; nothing is left running.
        """
        self.prepare()
        self.launch()
        self.wait_until_ready()

    def prepare(self) -> None:
        """Make the data folder, unless it exists. May be called from any thread."""
        reason = self.missing()
        if reason is not None:
            raise ServerMissing(reason)
        if not self.data.exists():
            self._initialise()

    def launch(self) -> None:
        """Start the process, without waiting for it."""
        command = ['setpriv', '--pdeathsig', 'KILL', *self._credentials(), '--', *self._command()]
        with open(self.folder / 'log', 'ab') as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        """Return when the launched server answers.

        :raises ServerError: it ended, or did not answer in a minute; it was killed.
        """
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_ready():
            status = self._process.poll() if self._process else 'not started'
            if status is not None or time.monotonic() > deadline:
                self.kill()
                raise ServerError(f'{self.kind} did not start (status {status}):\n{self.log()}')
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """End the server as an operator does; killed if that takes too long."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End the server as a crash does, with SIGKILL to each of its processes."""
        if self._process is None:
            return
        for process in self._processes():
            _signal(process, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def pause(self) -> None:
        """Freeze every process of the server: its connections stay open and hear nothing.

        Returns when they are frozen.
        """
        for process in self._processes():
            _signal(process, signal.SIGSTOP)
        while not all(map(_is_frozen, self._processes())):
            time.sleep(_POLL_SECONDS)

    def resume(self) -> None:
        """Let a frozen server run on; nothing happens to one that is not frozen."""
        for process in self._processes():
            _signal(process, signal.SIGCONT)

    def restart(self, *, wipe: bool = False) -> None:
        """Stop the server and start it again on the same port.

        :param wipe: with empty data.
        """
        self.stop()
        if wipe:
            shutil.rmtree(self.data)
        self.start()

    def destroy(self) -> None:
        """End the server at once and remove its data."""
        self._end(self.abort_signal)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def log(self) -> str:
        """The last 4,000 characters of what the server printed."""
        path = self.folder / 'log'
        return path.read_text(errors='replace')[-4000:] if path.exists() else ''

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self.resume()
        self._process.send_signal(number)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def _is_ready(self) -> bool:
        try:
            return self._answers()
        except OSError:
            return False

    def _processes(self) -> list[psutil.Process]:
        """The server's processes, the first one first: it starts no more once it is signalled."""
        if self._process is None or self._process.poll() is not None:
            return []
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]

    def _run(self, command: Sequence[str]) -> None:
        """Run a tool of the server to its end, as the user that the server runs as.

        :raises ServerError: it failed.
        """
        done = subprocess.run(
            ['setpriv', *self._credentials(), '--', *command],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            raise ServerError(f'{command[0]} failed ({done.returncode}):\n{done.stdout[-4000:]}')


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        pass


def _is_frozen(process: psutil.Process) -> bool:
    try:
        return process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
