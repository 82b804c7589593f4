# SPDX-License-Identifier: Apache-2.0
"""The way from a process to a server: it takes time, and what goes over it can be lost."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import greenlet

from tests.simulation.hub import Hub, Process

__all__ = ['Wire']

#: Seconds after which a broken connection is noticed, at least.
_NOTICED = 0.05


class Wire:
    """Carries requests of every process to one server, each of which is performed in one moment.

    A request that was sent is performed even where its sender is killed or stopped meanwhile; one
    whose answer does not come in time has been performed by then, or never will be.

    :param away: what is raised where there is no answer.
    :ivar down: nobody gets an answer.
    :ivar cut: processes that cannot reach the server.
    :ivar slow: seconds that a request takes at most; they are drawn anew for each.
    :ivar loss: the chance of a request, and that of an answer, to be lost.
    :ivar counts: how often each request was sent, by its name.
    """

    def __init__(self, hub: Hub, name: str, away: Callable[[str], Exception]) -> None:
        self.name = name
        self.down = False
        self.cut: set[Process] = set()
        self.slow = 0.0
        self.loss = 0.0
        self.counts: collections.Counter[str] = collections.Counter()
        self._hub = hub
        self._away = away
        self._chance = hub.rng.random

    def reaches(self, process: Process) -> bool:
        """Tell whether anything passes between a process and the server now."""
        return not self.down and process not in self.cut

    def delay(self) -> float:
        """Return for how long a message is under way."""
        chance = self._chance()
        if self.slow:
            return chance * self.slow
        if chance < 0.6:
            return 0.0002 + 0.004 * self._chance()
        return 0.05 * self._chance() if chance < 0.95 else 0.5 * self._chance()

    def call(self, process: Process, what: str, timeout: float, perform: Callable[[], Any]) -> Any:
        """Have a request performed, and return its answer.

        :param timeout: seconds after which it is taken for lost.
        """
        hub = self._hub
        thread = greenlet.getcurrent()
        if not process.alive:
            raise greenlet.GreenletExit
        self.counts[what] += 1
        ticket = thread.ticket
        there = min(self.delay(), 0.9 * timeout)
        if not self.reaches(process) or self._chance() < self.loss:
            hub.tell(process, '%s %s: lost', self.name, what)
            late = timeout if self._chance() < 0.5 else min(timeout, _NOTICED)
            hub.after(late, hub.resume, thread, ticket, (None, self._away(f'{what}: lost')))
        else:
            ends = hub.now + timeout
            hub.after(there, self._arrive, process, thread, ticket, what, ends, perform)
        answer, error = hub.pause()
        if error is not None:
            raise error
        return answer

    def send(self, process: Process, what: str, perform: Callable[[], Any]) -> None:
        """Have a request performed for whose answer nobody waits."""
        self.counts[what] += 1
        if process.alive and self.reaches(process) and self._chance() >= self.loss:
            self._hub.after(self.delay(), perform)

    def _arrive(self, process: Process, thread: Any, ticket: int, what: str, ends: float,
                perform: Callable[[], Any]) -> None:
        hub = self._hub
        answer, error = None, None
        if not self.reaches(process):
            hub.tell(process, '%s %s: lost on its way', self.name, what)
            hub.at(ends, hub.resume, thread, ticket, (None, self._away(f'{what}: lost')))
            return
        try:
            answer = perform()
        except Exception as err:
            error = err
        back = hub.now + self.delay()
        if back > ends or self._chance() < self.loss:
            hub.tell(process, '%s %s: performed, the answer is lost', self.name, what)
            back = min(ends, hub.now + _NOTICED) if self._chance() < 0.5 else ends
            answer, error = None, self._away(f'{what}: the answer is lost')
        elif hub.lines is not None:
            hub.tell(process, '%s %s%s', self.name, what, '' if error is None else f': {type(error).__name__}')
        hub.at(back, hub.resume, thread, ticket, (answer, error))
