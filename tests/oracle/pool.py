# SPDX-License-Identifier: Apache-2.0
"""Processes that have TaskFlow, in an environment of their own."""

from __future__ import annotations

import contextlib
import json
import pathlib
import queue
import subprocess
from collections.abc import Iterable, Iterator
from concurrent import futures
from typing import Any

from tests.oracle import play, wire
from tests.reference.spec import Spec

__all__ = ['Pool', 'WorkerFailed']

_TOP = pathlib.Path(__file__).parents[2]


class WorkerFailed(Exception):
    """A process could not play a spec: not even TaskFlow's errors make it so."""


class _Worker:
    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, '-m', 'tests.oracle.worker'], cwd=_TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def play(self, spec: Spec, kind: str) -> play.Trace:
        assert self._process.stdin is not None and self._process.stdout is not None
        line = ''
        # A process that has ended takes no order either.
        with contextlib.suppress(OSError):
            self._process.stdin.write(json.dumps({'spec': wire.encode(spec), 'kind': kind}) + '\n')
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            raise WorkerFailed(f'the process that has TaskFlow has ended; it was given {spec}')
        answer: play.Trace = json.loads(line)
        if 'failed' in answer:
            raise WorkerFailed(f'{answer["failed"]}\n{spec}')
        return answer

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            # What it was not given any more is still to be written.
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        self._process.kill()
        self._process.wait()


class Pool:
    """Some such processes, until it is closed.

    :param python: the Python that has TaskFlow.
    """

    def __init__(self, python: str, size: int = 2) -> None:
        self._workers = [_Worker(python) for _ in range(size)]
        self._free: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._threads = futures.ThreadPoolExecutor(size)
        for worker in self._workers:
            self._free.put(worker)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes."""
        self._threads.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.close()

    def play(self, spec: Spec, kind: str) -> play.Trace:
        """Return what TaskFlow does with a spec.

        :raises WorkerFailed: it cannot be told.
        """
        worker = self._free.get()
        try:
            return worker.play(spec, kind)
        finally:
            self._free.put(worker)

    def play_all(self, orders: Iterable[tuple[Spec, str]]) -> Iterator[futures.Future[Any]]:
        """Yield the traces to come of many specs, in their order; some of them are played ahead."""
        ahead: list[futures.Future[Any]] = []
        for spec, kind in orders:
            ahead.append(self._threads.submit(self.play, spec, kind))
            if len(ahead) > 8:
                yield ahead.pop(0)
        yield from ahead
