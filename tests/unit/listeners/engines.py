# SPDX-License-Identifier: Apache-2.0
"""Engines to listen to, and what is heard of them."""

from __future__ import annotations

from typing import Any

from tfd import engines, retry, task
from tfd.engines.base import Engine
from tfd.listeners import base
from tfd.patterns import linear_flow


class Give(task.Task):
    """Returns 1."""

    def execute(self) -> int:
        return 1

    def revert(self, **kwargs: Any) -> str:
        return 'undone'


class Fail(task.Task):
    """Raises ValueError."""

    def execute(self) -> None:
        raise ValueError('no')


class Recorder(base.Listener):
    """Keeps what it hears."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heard: list[tuple[str, str, dict[str, Any]]] = []

    def _flow_receiver(self, state: str, details: dict[str, Any]) -> None:
        self.heard.append(('flow', state, details))

    def _task_receiver(self, state: str, details: dict[str, Any]) -> None:
        self.heard.append((details['task_name'], state, details))

    def _retry_receiver(self, state: str, details: dict[str, Any]) -> None:
        self.heard.append((details['retry_name'], state, details))

    def told(self) -> list[tuple[str, str]]:
        return [(name, state) for name, state, _ in self.heard]


def succeeding() -> Engine:
    return engines.load(linear_flow.Flow('f').add(Give('a', provides='q')))


def failing() -> Engine:
    """Return an engine of a flow that gives, then fails, under a retry that gives up at once."""
    flow = linear_flow.Flow('f', retry=retry.Times(1, 'r'))
    return engines.load(flow.add(Give('a'), Fail('b')))


def run(engine: Engine) -> None:
    try:
        engine.run()
    except ValueError:
        pass
