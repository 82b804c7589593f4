# SPDX-License-Identifier: Apache-2.0
"""Flows of six steps that write down what they do, in a file that any process can append to."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

from tfd import task
from tfd.patterns import linear_flow

__all__ = ['STEPS', 'deadly', 'fails', 'forward', 'note', 'waits']

STEPS = 6


def _nothing(name: str) -> None:
    """Go on."""


#: Called with the name of each point that a step comes to; ``host`` puts something deadly here.
point: Callable[[str], None] = _nothing


def note(ledger: str, *words: object) -> None:
    """Append a line in one write: lines of several processes do not mix, and have one order."""
    line = ' '.join(str(word) for word in words) + '\n'
    file = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


class _Step(task.Task):
    """Writes down that it is executed or reverted, under which epoch, and by whom."""

    def __init__(self, number: int, fails: bool = False) -> None:
        super().__init__(f'step-{number}')
        self._number = number
        self._fails = fails

    def execute(self, options: Mapping[str, Any], tfd_job_id: str, tfd_epoch: int) -> None:
        self._act('execute', options, tfd_job_id, tfd_epoch)
        if self._fails:
            raise ValueError('told to fail')

    def revert(self, options: Mapping[str, Any], tfd_job_id: str, tfd_epoch: int, **kwargs: Any) -> None:
        self._act('revert', options, tfd_job_id, tfd_epoch)

    def _act(self, action: str, options: Mapping[str, Any], job: str, epoch: int) -> None:
        note(options['ledger'], job, epoch, action, self._number, os.getpid())
        point(f'{action}:{self._number}')
        time.sleep(options.get('pause', 0.0))


def forward() -> linear_flow.Flow:
    """Return a flow that succeeds."""
    return linear_flow.Flow('forward').add(*(_Step(number) for number in range(1, STEPS + 1)))


def fails() -> linear_flow.Flow:
    """Return a flow whose last step fails after it had its effect."""
    return linear_flow.Flow('fails').add(
        *(_Step(number, fails=number == STEPS) for number in range(1, STEPS + 1)))


class _Deadly(task.Task):
    """Ends the process that runs it, every time."""

    def execute(self) -> None:
        os.kill(os.getpid(), 9)


def deadly() -> linear_flow.Flow:
    """Return a flow that no conductor survives."""
    return linear_flow.Flow('deadly').add(_Deadly())


class _Wait(task.Task):
    """Waits until a server at a socket says something."""

    default_provides = 'heard'

    def execute(self, options: Mapping[str, Any]) -> str:
        with socket.create_connection(('127.0.0.1', options['port'])) as connection:
            return connection.recv(100).decode()


class _Check(task.Task):
    """Fails unless something was heard."""

    def execute(self, heard: str) -> None:
        if heard != 'go':
            raise ValueError(heard)


def waits() -> linear_flow.Flow:
    """Return a flow that waits on a socket."""
    return linear_flow.Flow('waits').add(_Wait(), _Check())
