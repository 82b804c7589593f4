# SPDX-License-Identifier: Apache-2.0
"""Flows whose tasks write down their calls, for tests of engines."""

from __future__ import annotations

import logging
from typing import Any

import testtools

from tfd import task
from tfd.patterns import linear_flow

__all__ = ['KINDS', 'EngineTestCase', 'Traced', 'raising']

KINDS = ('serial', 'parallel')


class Traced(task.Task):
    """Writes down its calls; does what it is told."""

    def __init__(self, name: str, calls: list[str], execute: Any = None, revert: Any = None, **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        self.calls = calls
        self.on_execute = execute
        self.on_revert = revert

    def execute(self) -> Any:
        self.calls.append(f'{self.name}.x')
        return self.on_execute() if self.on_execute is not None else self.name

    def revert(self, **kwargs: Any) -> Any:
        self.calls.append(f'{self.name}.r')
        return self.on_revert() if self.on_revert is not None else None


def raising(error: BaseException) -> Any:
    def call() -> None:
        raise error

    return call


class EngineTestCase(testtools.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.calls: list[str] = []
        logging.disable(logging.CRITICAL)
        self.addCleanup(logging.disable, logging.NOTSET)

    def linear(self, *names: str, **executes: Any) -> linear_flow.Flow:
        flow = linear_flow.Flow('f')
        return flow.add(*(Traced(name, self.calls, executes.get(name), provides=f'{name}-out') for name in names))

    def states(self, engine: Any, *names: str) -> list[str]:
        return [engine.storage.get_atom_state(name) for name in names]
