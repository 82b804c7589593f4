# SPDX-License-Identifier: Apache-2.0
"""Tells a coordinator's listeners what happened, on a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from tfd.jobs.ports import Ring

__all__ = ['Ringer']

LOG = logging.getLogger(__name__)


class Ringer:
    """Calls listeners, one after the other, from one thread that only does this.

    A listener that is slow delays other listeners and nothing else: neither heartbeats nor watches.
    Rings of one kind that come in while it runs are told once. The thread starts with the first
    listener, so that nothing runs before a fork.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._changed = threading.Condition()
        self._listeners: list[Callable[[Ring], None]] = []
        self._waiting: dict[Ring, None] = {}
        self._thread: threading.Thread | None = None
        self._closed = False

    def listen(self, listener: Callable[[Ring], None]) -> None:
        """Call ``listener`` on every ring from now on."""
        with self._changed:
            self._listeners.append(listener)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def ring(self, kind: Ring) -> None:
        """Have the listeners called. Never blocks."""
        with self._changed:
            if self._listeners and not self._closed:
                self._waiting[kind] = None
                self._changed.notify()

    def close(self, timeout: float = 1.0) -> None:
        """Call nobody any more; wait up to ``timeout`` seconds for a listener that is being called."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            kinds, listeners = batch
            for kind in kinds:
                for listener in listeners:
                    self._call(listener, kind)

    def _next(self) -> tuple[list[Ring], list[Callable[[Ring], None]]] | None:
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            kinds = list(self._waiting)
            self._waiting.clear()
            return kinds, list(self._listeners)

    def _call(self, listener: Callable[[Ring], None], kind: Ring) -> None:
        try:
            listener(kind)
        except Exception:
            LOG.exception('listener %r failed on %s', listener, kind)
