# SPDX-License-Identifier: Apache-2.0
"""What happens in the demo, in order."""

from __future__ import annotations

import contextlib
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import types
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import Any

from demo_stage import (
    backends,
    board,
    cloud,
    environment,
    leftovers,
    options,
    processes,
    screen,
    verdict,
)

__all__ = ['main']

JOBS = 30
REFUSED_EVERY = 6
DAEMONS = ['conductor-1', 'conductor-2']
#: The share of the whole work after which a daemon is killed.
KILL_AT = 0.5
#: Seconds between two looks at the jobs.
LOOK = 0.25
#: Seconds that ending everything may take.
STOP_LIMIT = 15.0
#: Seconds that one command, or one request, may take.
COMMAND_LIMIT = 60.0
REQUEST_LIMIT = 5.0
#: Ends one process that was kept; a zombie, which nobody may have reaped, has no executable.
_STOP = """
echo stopping {name}
kill -TERM {pid}
for i in $(seq 100); do readlink /proc/{pid}/exe > /dev/null || break; sleep 0.1; done
"""


class _Broken(Exception):
    """The show cannot go on; the message says why."""


def main(args: options.Options) -> int:
    """Run the show; return 0 if every job and the cloud ended as they should."""
    work = args.work or pathlib.Path(tempfile.mkdtemp(prefix='tfd-demo-'))
    work.mkdir(parents=True, exist_ok=True)
    work = work.resolve()
    sweeper = None if args.work else leftovers.Sweeper(work)
    running = processes.Processes(work, args.keep, [sweeper.token] if sweeper else [])
    status = 1
    kept = False
    try:
        with _limited(args.limit):
            stage = _Stage(args, work, running)
            status = stage.play()
        kept = args.keep
        if kept:
            _tell_how_to_talk(stage)
    except (_Broken, processes.ProcessDied, OSError, subprocess.SubprocessError) as err:
        print(f'\ntools/demo: {err}', file=sys.stderr)
    except KeyboardInterrupt:
        print('\ntools/demo: interrupted', file=sys.stderr)
        status = 130
    finally:
        if not kept:
            _clean_up(running, work, remove=status == 0 and args.work is None)
        if sweeper:
            sweeper.dismiss()
    return status


@contextlib.contextmanager
def _limited(limit: float) -> Iterator[None]:
    """Break off the body after ``limit`` seconds, and when this process is told to end."""
    def late(number: int, frame: types.FrameType | None) -> None:
        raise TimeoutError(f'not done after {limit:.0f} s')

    def told(number: int, frame: types.FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, late)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, told)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _clean_up(running: processes.Processes, work: pathlib.Path, remove: bool) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    running.stop(STOP_LIMIT)
    if remove:
        shutil.rmtree(work, ignore_errors=True)
    else:
        print(f'configuration, data and logs are in {work}')


class _Stage:
    """Everything that takes part, and the acts in their order."""

    def __init__(
        self, args: options.Options, work: pathlib.Path, running: processes.Processes
    ) -> None:
        self.work = work
        self.running = running
        self.configuration = work / 'tfd.conf'
        self.cloud_url = ''
        self._args = args
        self._screen = screen.choose(args.plain)
        self._expected = {
            _job_name(number): 'REVERTED' if number % REFUSED_EVERY == 0 else 'SUCCESS'
            for number in range(1, JOBS + 1)}
        self._killed = ''
        self._killed_at = 0.0
        self._stranded: set[str] = set()
        self._taken_over = False

    def play(self) -> int:
        """Return the exit status."""
        began = time.monotonic()
        self._set_up()
        with board.Board(self.configuration) as jobs:
            self._post(jobs)
            views = self._watch(jobs)
        return self._judge(views, time.monotonic() - began)

    def _set_up(self) -> None:
        if self._args.zookeeper:
            self._screen.note('starting a private MariaDB and a private ZooKeeper')
            backend = backends.private_servers(self.running)
        else:
            backend = backends.embedded(self.work)
        self.configuration, own = board.write_configuration(self.work, backend, DAEMONS)
        self._screen.note(f'{backend.title}: tfd-manage db sync')
        _command('tfd-manage', '--config-file', str(self.configuration), 'db', 'sync')
        self.cloud_url = self._start_cloud()
        self._screen.note(f'a cloud, slow on purpose, is at {self.cloud_url}')
        for name in DAEMONS:
            pid = self.running.start(name, [
                _program('tfd-conductor'), '--config-file', str(self.configuration),
                '--config-file', str(own[name])], {})
            self._screen.note(f'{name}: tfd-conductor with {board.WORKERS} workers, '
                              f'process group {pid}')

    def _start_cloud(self) -> str:
        url_file = self.work / 'cloud.url'
        self.running.start(
            'cloud', [sys.executable, '-m', 'demo_stage.cloud_server', '--url-file', str(url_file)],
            {'PYTHONPATH': str(environment.ROOT / 'tools')})
        while not url_file.exists():
            self.running.check()
            time.sleep(0.05)
        return url_file.read_text().strip()

    def _post(self, jobs: board.Board) -> None:
        for name in self._expected:
            jobs.post(name, {'cloud_url': self.cloud_url, 'name': name, 'size': 1})
        refused = sum(outcome == 'REVERTED' for outcome in self._expected.values())
        self._screen.note(f'posted {JOBS} jobs; {refused} of them will not be able to attach')

    def _watch(self, jobs: board.Board) -> list[board.View]:
        """Show the jobs until all are settled, and kill a daemon half-way."""
        while True:
            views = jobs.look()
            self._screen.show(views)
            self._tell_takeover(views)
            if len(views) == JOBS and all(view.settled for view in views):
                return views
            if not self._killed and sum(view.progress for view in views) >= KILL_AT * JOBS:
                self._kill(jobs, views)
            self.running.check()
            time.sleep(LOOK)

    def _kill(self, jobs: board.Board, views: list[board.View]) -> None:
        """Kill the daemon that has most jobs, if one has any."""
        owners = Counter(view.daemon for view in views if view.state == 'running')
        if not owners:
            return
        self._killed = owners.most_common(1)[0][0]
        if self._killed not in DAEMONS:
            raise _Broken(f'a job is owned by {self._killed!r}, which is none of {DAEMONS}')
        group = self.running.groups()[self._killed]
        self.running.kill(self._killed)
        self._killed_at = time.monotonic()
        self._stranded = {view.name for view in jobs.look()
                          if view.state == 'running' and view.daemon == self._killed}
        self._screen.note(f'SIGKILL to process group {group}: {self._killed} is dead, '
                          f'and leaves {len(self._stranded)} running jobs')

    def _tell_takeover(self, views: list[board.View]) -> None:
        """Say, once, when the peer has claimed all that the killed daemon left."""
        waited = [view for view in views if view.name in self._stranded and view.claims < 2]
        if self._stranded and not waited and not self._taken_over:
            self._taken_over = True
            seconds = time.monotonic() - self._killed_at
            self._screen.note(f'all {len(self._stranded)} are taken over, {seconds:.1f} s later')

    def _judge(self, views: list[board.View], seconds: float) -> int:
        found = verdict.judge(
            self._expected, views, self._stranded, self._killed,
            _get(self.cloud_url, 'inventory'), _get(self.cloud_url, 'ledger'))
        print(f'\n{screen.table(found.rows)}\n')
        for complaint in found.complaints:
            print(f'  wrong: {complaint}')
        print(f'{"NOT OK" if found.complaints else "OK"}: {JOBS} jobs in {seconds:.1f} s')
        return 1 if found.complaints else 0


def _job_name(number: int) -> str:
    return f'web-{number:02}' + (f'-{cloud.REFUSE_ATTACH}' if number % REFUSED_EVERY == 0 else '')


def _program(name: str) -> str:
    return str(environment.VENV / 'bin' / name)


def _command(name: str, *arguments: str) -> None:
    done = subprocess.run(
        [_program(name), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors='replace', timeout=COMMAND_LIMIT)
    if done.returncode:
        raise _Broken(f'{done.stdout}\n{name}: exit status {done.returncode}')


def _get(url: str, path: str) -> Any:
    with urllib.request.urlopen(f'{url}/{path}', timeout=REQUEST_LIMIT) as answer:
        return json.loads(answer.read())


def _tell_how_to_talk(stage: _Stage) -> None:
    """Print the commands for what is left running, and write the one that ends it."""
    groups = stage.running.groups()
    script = stage.work / 'stop'
    script.write_text('#!/bin/sh\n' + ''.join(
        _STOP.format(name=name, pid=pid) for name, pid in reversed(groups.items())))
    script.chmod(0o755)
    tfd = f'{_program("tfd")} --config-file {stage.configuration}'
    print(f"""
left running (process groups): {', '.join(f'{name} {pid}' for name, pid in groups.items())}
  {tfd} job list
  {tfd} conductor list
  {stage.cloud_url}/inventory
  {stage.cloud_url}/ledger
logs and data: {stage.work}
stop it all:   {script}; rm -r {stage.work}""")
