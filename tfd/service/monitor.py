# SPDX-License-Identifier: Apache-2.0
"""The monitor: a process of the daemon that tells others how its workers are. It has no connection to any server."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import threading
from collections.abc import Callable, Mapping
from typing import Any

import cotyledon
from cotyledon import types as cotyledon_types

from tfd.conf import load
from tfd.service import health, listener, notices, report, systemd, worker
from tfd.types import clock as clocks

__all__ = ['NUMBER', 'Monitor', 'is_wanted']

LOG = logging.getLogger(__name__)

#: Seconds between two looks at the workers.
_LOOK = 0.5
#: Seconds between two tries to listen where that is not possible.
_AGAIN = 5.0
#: Its number among those that are started again; workers have theirs from 0 on.
NUMBER = -1
_OVER = frozenset((notices.Phase.ENDED, notices.Phase.UNFIT))


def is_wanted(conf: load.Configuration, notifier: systemd.Notifier) -> bool:
    """Tell whether anybody wants to know."""
    return bool(conf.healthz.bind or notifier)


class Monitor(cotyledon.Service):
    """Answers ``GET /healthz``, and tells systemd, until the last worker has ended.

    systemd is told READY when every worker conducts or has said what it waits for, and that the daemon lives for as
    long as the loop of every worker comes around.
    """

    name = 'monitor'

    def __init__(self, worker_id: cotyledon_types.WorkerId, conf: load.Configuration, place: notices.Notices,
                 notifier: systemd.Notifier, pause: Callable[[int], float]) -> None:
        super().__init__(worker_id)
        self._conf = conf
        self._place = place
        self._notifier = notifier
        self._pause = pause(NUMBER)
        self._clock = clocks.BootClock()
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._told = ''
        self._ready = False
        self._lived = float('-inf')

    def run(self) -> None:
        """Watch the workers until :meth:`terminate`, and until they have ended."""
        self._stopping.wait(self._pause)
        try:
            asyncio.run(self._watch())
        finally:
            self._ended.set()

    def terminate(self) -> None:
        """Return when every worker has ended: until then it is asked how they get on."""
        self._stopping.set()
        self._notifier.tell('STOPPING=1')
        self._ended.wait()

    def reload(self) -> None:
        """Read the configuration again."""
        worker.reread(self._conf)

    def sections(self) -> report.Sections:
        """Return what this process adds to its report."""
        return {'Workers': lambda: report.workers(self._place.all())}

    # -- watching ----------------------------------------------------------------------------------

    async def _watch(self) -> None:
        serving = asyncio.create_task(self._serve()) if self._conf.healthz.bind else None
        while not (self._stopping.is_set() and self._all_ended()):
            self.look()
            await asyncio.sleep(_LOOK)
        if serving is not None:
            serving.cancel()

    async def _serve(self) -> None:
        options = self._conf.healthz
        made = listener.Listener(self._answer, options.timeout, options.max_connections)
        while True:
            try:
                async with made.listening(options.bind) as server:
                    await server.serve_forever()
            except OSError as err:
                LOG.error('GET /healthz cannot be answered at %s: %s', options.bind, err)
            await asyncio.sleep(_AGAIN)

    def look(self) -> None:
        """Tell systemd what is new."""
        found = self._judge()
        if not self._ready and found.started:
            self._ready = True
            self._notifier.tell('READY=1')
        if self._told != found.summary:
            self._told = found.summary
            self._notifier.tell(f'STATUS={found.summary}')
        interval, now = self._notifier.interval, self._clock.now()
        if interval is not None and found.alive and now - self._lived >= interval:
            self._lived = now
            self._notifier.tell('WATCHDOG=1')

    def _answer(self) -> tuple[bool, Mapping[str, Any]]:
        found = self._judge()
        return found.well, found.answer

    def _judge(self) -> health.Health:
        return health.judge(self._place.all(), self._clock.now(), self._conf.healthz.max_silence)

    def _all_ended(self) -> bool:
        return all(said is None or said.phase in _OVER or _is_gone(said.pid) for said in self._place.all())


def _is_gone(pid: int) -> bool:
    """Tell whether a process has ended, also where its parent has not asked for its status yet."""
    if not pid:
        return True
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], 0)[0])
    finally:
        os.close(process)
