# SPDX-License-Identifier: Apache-2.0
"""Simulated time, and the threads that live in it: one runs at a time, until it waits."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from typing import Any

import greenlet

__all__ = ['Event', 'Hub', 'Process', 'Stuck', 'Thread']

#: The time of day at which every schedule begins.
_WALL = 1767225600.0
#: Steps after which a schedule is taken for one that spins.
_MOST_STEPS = 60_000
#: Steps between two questions whether it is enough.
_SELDOM = 10


class Stuck(AssertionError):
    """Something waits for ever, or spins without any time passing."""


class Thread(greenlet.greenlet):
    """A simulated thread. What wakes it carries the ticket of the wait that it is for."""

    def __init__(self, process: Process, name: str, target: Callable[[], object]) -> None:
        super().__init__(self._main, process.hub.main)
        self.process = process
        self.name = name
        self.ticket = 0
        self._target = target

    def _main(self, _value: object = None) -> None:
        try:
            self._target()
        except Exception as error:
            self.process.hub.broken.append(error)


class Hub:
    """Lets what is due happen, in the order of time; what is due at once in an order of chance.

    :ivar now: seconds since the schedule began.
    :ivar rng: the source of all chance in the schedule.
    :ivar lines: what happened, where it is traced, else None.
    :ivar broken: errors that ended a thread.
    """

    def __init__(self, seed: int, traced: bool = False) -> None:
        self.now = 0.0
        self.rng = random.Random(seed)
        self.main = greenlet.getcurrent()
        self.lines: list[str] | None = [] if traced else None
        self.broken: list[Exception] = []
        self.threads: list[Thread] = []
        self.steps = 0
        self._chance = self.rng.random
        self._numbers = itertools.count()
        self._due: list[tuple[float, float, int, Callable[..., object], tuple[Any, ...]]] = []

    def wall(self) -> float:
        """Return the time of day, for clocks that do not belong to a process."""
        return _WALL + self.now

    def at(self, when: float, action: Callable[..., object], *args: Any) -> None:
        """Have ``action(*args)`` called at a time, in no thread; it must not wait."""
        heapq.heappush(self._due, (when, self._chance(), next(self._numbers), action, args))

    def after(self, seconds: float, action: Callable[..., object], *args: Any) -> None:
        """Have ``action(*args)`` called after so many seconds."""
        self.at(self.now + seconds, action, *args)

    def tell(self, who: object, what: str, *args: object) -> None:
        """Add a line to the trace."""
        if self.lines is not None:
            self.lines.append(f'{self.now:10.4f}  {who!s:<14} {what % args if args else what}')

    def run(self, until: Callable[[], bool], deadline: float) -> None:
        """Let things happen until ``until``, asked now and then, says that it is enough.

        :raises Stuck: it does not come to that by the deadline.
        :raises Exception: what ended a thread.
        """
        due, seldom = self._due, itertools.count()
        while next(seldom) % _SELDOM or not until():
            if not due:
                if until():
                    return
                raise Stuck('nothing will ever happen any more')
            if due[0][0] > deadline:
                raise Stuck(f'not at rest by {deadline:.1f} s')
            if self.steps > _MOST_STEPS:
                raise Stuck(f'{self.steps} steps, and no end')
            self._step()

    def run_for(self, seconds: float) -> None:
        """Let things happen for some time."""
        ends = self.now + seconds
        while self._due and self._due[0][0] <= ends:
            self._step()
        self.now = ends

    def _step(self) -> None:
        self.steps += 1
        when, _, _, action, args = heapq.heappop(self._due)
        if when > self.now:
            self.now = when
        action(*args)
        if self.broken:
            raise self.broken[0]

    def resume(self, thread: Thread, ticket: int, value: Any = None) -> None:
        """Let a thread go on, unless something else did, or when its process goes on, or never."""
        process = thread.process
        if thread.ticket != ticket or not process.alive or thread.dead:
            return
        if process.stopped_until > self.now:
            self.at(process.stopped_until, self.resume, thread, ticket, value)
            return
        thread.ticket = ticket + 1
        thread.switch(value)

    def pause(self) -> Any:
        """Wait until the current thread is resumed; return the value that comes with it."""
        thread = greenlet.getcurrent()
        if not thread.process.alive:
            raise greenlet.GreenletExit
        return self.main.switch()

    def sleep(self, seconds: float) -> None:
        """Let time pass for the current thread."""
        thread = greenlet.getcurrent()
        self.at(self.now + seconds, self.resume, thread, thread.ticket)
        self.pause()

    def close(self) -> list[str]:
        """End every thread: each unwinds, and what it calls on the way does nothing any more.

        :returns: the trace up to here.
        """
        lines = self.lines or []
        self.lines = None
        for thread in self.threads:
            thread.process.alive = False
        for thread in self.threads:
            if not thread.dead:
                thread.throw()
        self.threads.clear()
        self._due.clear()
        return lines


class Process:
    """A simulated process, and its clock; it can be stopped, continued, and killed.

    :ivar stopped_until: when it goes on, where it is stopped.
    :param died: called when it is killed; must not wait.
    """

    def __init__(self, hub: Hub, name: str, died: Callable[[], object] = lambda: None) -> None:
        self.hub = hub
        self.name = name
        self._died = died
        self.alive = True
        self.stopped_until = 0.0

    def __str__(self) -> str:
        return self.name

    def now(self) -> float:
        """Return the seconds of its clock."""
        return self.hub.now

    def wall(self) -> float:
        """Return its time of day."""
        return self.hub.wall()

    def spawn(self, name: str, target: Callable[[], object]) -> Thread:
        """Start a thread."""
        thread = Thread(self, name, target)
        self.hub.threads.append(thread)
        self.hub.at(self.hub.now, self.hub.resume, thread, 0)
        return thread

    def stop(self, seconds: float) -> None:
        """Let none of its threads run for some time, as SIGSTOP and SIGCONT do."""
        self.stopped_until = max(self.stopped_until, self.hub.now + seconds)

    def kill(self) -> None:
        """End it, as SIGKILL does. Does not return where it is called from one of its own threads."""
        if self.alive:
            self.alive = False
            self._died()
        current = greenlet.getcurrent()
        if isinstance(current, Thread) and current.process is self:
            self.hub.main.switch()


class Event:
    """A :class:`tfd.conductors.threads.Event` of simulated threads."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._set = False
        self._waiting: list[tuple[Thread, int]] = []

    def is_set(self) -> bool:
        """Return whether it is set."""
        return self._set

    def set(self) -> None:
        """Set it, and wake whoever waits."""
        self._set = True
        waiting, self._waiting = self._waiting, []
        for thread, ticket in waiting:
            self._hub.at(self._hub.now, self._hub.resume, thread, ticket)

    def clear(self) -> None:
        """Take it back."""
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set; tell whether it was."""
        if self._set:
            return True
        thread = greenlet.getcurrent()
        self._waiting.append((thread, thread.ticket))
        if timeout is not None:
            self._hub.at(self._hub.now + timeout, self._hub.resume, thread, thread.ticket)
        self._hub.pause()
        return self._set
