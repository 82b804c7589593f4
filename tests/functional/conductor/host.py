# SPDX-License-Identifier: Apache-2.0
"""A host of workers that die, or stand still, at the point that the job's ``options['at']`` names.

``python -m tests.functional.conductor.host CONFIG-FILE WORKERS``. The workers are those of the daemon,
forked by a parent that starts another one at once where one dies: a supervisor with no throttle, for
tests in which dozens die. Points are ``execute:N`` and ``revert:N`` (inside a step, after its effect),
``before-check:N`` (before the own clock is asked for the N-th time) and ``before-commit:N`` and
``after-commit:N`` (the N-th transaction of the job's run), and only the first claim of a job comes to
them.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import Any

from oslo_log import log
from sqlalchemy.engine import default

from tests.functional.conductor import flows
from tfd.conductors.runner import JobRun
from tfd.conf import load
from tfd.jobs.claim import ClaimedJob
from tfd.service import daemon
from tfd.service.notices import Notices
from tfd.service.worker import ConductorWorker

_here = threading.local()


def _point(name: str) -> None:
    """Do what the job of this thread says about this point."""
    options = getattr(_here, 'options', None)
    if options and options.get('at') == name:
        flows.note(options['ledger'], _here.job, 1, 'struck', name, os.getpid())
        os.kill(os.getpid(), getattr(signal, options.get('signal', 'SIGKILL')))
        # Another thread may be the one that takes the signal: this one would run on for a moment.
        time.sleep(0.1)


def _watch_runs() -> None:
    run = JobRun.__call__

    def watched(self: JobRun) -> Any:
        job = self.claimed.job
        _here.job, _here.commits, _here.checks = job.id, 0, 0
        _here.options = job.store.get('options') if job.epoch == 1 else None
        try:
            return run(self)
        finally:
            _here.options = None

    JobRun.__call__ = watched  # type: ignore[method-assign]


def _watch_checks() -> None:
    check = ClaimedJob.check

    def watched(self: ClaimedJob) -> None:
        if getattr(_here, 'options', None) is not None:
            _here.checks += 1
            _point(f'before-check:{_here.checks}')
        check(self)

    ClaimedJob.check = watched  # type: ignore[method-assign]


def _watch_commits() -> None:
    commit = default.DefaultDialect.do_commit

    def watched(self: default.DefaultDialect, connection: Any) -> None:
        if getattr(_here, 'options', None) is None:
            commit(self, connection)
            return
        _here.commits += 1
        _point(f'before-commit:{_here.commits}')
        commit(self, connection)
        _point(f'after-commit:{_here.commits}')

    default.DefaultDialect.do_commit = watched  # type: ignore[method-assign]


def _work(number: int, file: str) -> None:
    conf = load.load(load.arguments([file]))
    log.setup(conf, 'tfd')
    worker = ConductorWorker(number, conf, Notices(number + 1), lambda _: 0.0)
    signal.signal(signal.SIGTERM, lambda *args: threading.Thread(target=worker.terminate).start())
    runner = threading.Thread(target=worker.run)
    runner.start()
    while runner.is_alive():
        # A signal is handled between two waits at the latest.
        runner.join(0.1)


def _fork(number: int, file: str) -> int:
    """Start a worker. A SIGTERM that comes meanwhile is handled when its pid is known."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        _work(number, file)
        status = 0
    finally:
        os._exit(status)


def main() -> int:
    """Keep the workers alive until SIGTERM; then return when all have ended."""
    file, count = sys.argv[1], int(sys.argv[2])
    # As in the daemon; it imports the drivers too, once for all workers to come.
    daemon.preflight(load.load(load.arguments([file])))
    flows.point = _point
    _watch_runs()
    _watch_checks()
    _watch_commits()
    stopping: list[int] = []
    workers: dict[int, int] = {}

    def stop(number: int, frame: object) -> None:
        stopping.append(number)
        for pid in workers:
            os.kill(pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    workers.update((_fork(number, file), number) for number in range(count))
    while workers:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        pid, _ = os.waitpid(-1, 0)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        number = workers.pop(pid)
        if not stopping:
            workers[_fork(number, file)] = number
    return 0


if __name__ == '__main__':
    sys.exit(main())
