# SPDX-License-Identifier: Apache-2.0
"""A worker in a program of its own: what a forked worker becomes where threads are not what it runs its jobs on.

Whoever starts it has made its waiting what it is to be; here it is an ordinary program with ordinary threads. It obeys
the signals that a forked worker obeys, and ends as one where its parent is gone.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import select
import signal
import sys
import threading
from collections.abc import Callable

import cotyledon
from cotyledon import types as cotyledon_types

from tfd.conf import deployment, load
from tfd.service import logs, notices, report, worker

__all__ = ['LoneWorker', 'main']

_MODULE = 'tfd.service.lone'
LOG = logging.getLogger(_MODULE)

#: Seconds between two looks whether the parent is still there.
_LOOK = 1.0
_HANDLED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2)


@dataclasses.dataclass(frozen=True, slots=True)
class _Orders:
    """What a program is told that takes a worker's place.

    :ivar fd: the open file of the notices of all workers.
    :ivar arguments: the command line that the configuration was read by.
    """

    number: int
    workers: int
    fd: int
    parent: int
    pause: float
    arguments: list[str]
    prog: str


class LoneWorker(cotyledon.Service):
    """A forked worker that replaces its program by :mod:`tfd.service.lone`, under the same process id.

    The frame goes on to look after it by that. Nothing has been claimed by then, no server connected to.
    """

    name = 'conductor'

    def __init__(self, worker_id: cotyledon_types.WorkerId, conf: load.Configuration, place: notices.Notices,
                 pause: Callable[[int], float], parent: int) -> None:
        super().__init__(worker_id)
        self._conf = conf
        self._place = place
        self._orders = _Orders(
            worker_id, place.workers, place.fd, parent, pause(worker_id), list(conf.given[0]), conf.given[1])
        self._guard = threading.Lock()
        self._ending = False

    def run(self) -> None:
        """Become the other program, unless the end has come."""
        command = deployment.command(self._conf, _MODULE, [json.dumps(dataclasses.asdict(self._orders))])
        with self._guard:
            if not self._ending:
                os.set_inheritable(self._place.fd, True)
                os.execv(command[0], command)

    def terminate(self) -> None:
        """See to it that it does not become the other program any more."""
        with self._guard:
            self._ending = True

    def reload(self) -> None:
        """Do nothing: the other program reads the configuration anew."""


def main() -> None:
    """Be a worker until SIGTERM."""
    orders = _Orders(**json.loads(sys.argv[1]))
    os.set_inheritable(orders.fd, False)
    signals = _Signals()
    logs.quieten()
    conf = load.load(orders.arguments, prog=orders.prog)
    logs.set_up(conf)
    made = worker.ConductorWorker(
        cotyledon_types.WorkerId(orders.number), conf, notices.Notices(orders.workers, orders.fd),
        lambda _: orders.pause)
    threading.Thread(target=_run, args=(made,), name='conductor', daemon=True).start()
    ending = False
    while True:
        for number in signals.wait(_LOOK):
            if number == signal.SIGHUP:
                _begin(made.reload)
            elif number == signal.SIGUSR2:
                _begin(lambda: report.write(conf, made.sections()))
            elif number == signal.SIGTERM and not ending:
                ending = True
                signal.alarm(made.graceful_shutdown_timeout or 0)
                _begin(lambda: _end(made))
        if os.getppid() != orders.parent and not ending:
            LOG.info('the parent process has died')
            os.kill(os.getpid(), signal.SIGTERM)


class _Signals:
    """Signals as something that can be waited for: a handler may run in the midst of anything."""

    def __init__(self) -> None:
        self._read, write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write)
        for number in _HANDLED:
            signal.signal(number, lambda number, frame: None)
        for number in (signal.SIGINT, signal.SIGALRM):
            signal.signal(number, lambda number, frame: os._exit(1))

    def wait(self, seconds: float) -> list[int]:
        """Return the signals that came, after so many seconds at most."""
        if not select.select([self._read], [], [], seconds)[0]:
            return []
        return list(os.read(self._read, 4096))


def _begin(work: Callable[[], object]) -> None:
    threading.Thread(target=work, daemon=True).start()


def _run(made: worker.ConductorWorker) -> None:
    try:
        made.run()
    except BaseException:
        LOG.exception('unexpected error')
        os._exit(2)


def _end(made: worker.ConductorWorker) -> None:
    status = 1
    try:
        made.terminate()
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    except Exception:
        LOG.exception('unexpected error')
    finally:
        logging.shutdown()
        os._exit(status)


if __name__ == '__main__':
    main()
