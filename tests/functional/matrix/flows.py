# SPDX-License-Identifier: Apache-2.0
"""Flows, and factories, that no daemon must die of."""

from __future__ import annotations

import os
import signal
from typing import Any, NoReturn

from tfd import task
from tfd.patterns import graph_flow, linear_flow

__all__ = ['deadly', 'duplicate', 'exits', 'good', 'no_flow', 'quits', 'raises', 'unstorable']


class _Do(task.Task):
    """Does one thing."""

    def __init__(self, deed: Any, name: str = 'do') -> None:
        super().__init__(name)
        self._deed = deed

    def execute(self) -> Any:
        return self._deed()


def _flow(deed: Any) -> linear_flow.Flow:
    return linear_flow.Flow('bad').add(_Do(deed))


def _exit() -> NoReturn:
    raise SystemExit(3)


def good() -> linear_flow.Flow:
    """Return a flow that succeeds."""
    return _flow(lambda: None)


def raises() -> NoReturn:
    """Break in the factory."""
    raise ValueError('a factory that raises')


def exits() -> NoReturn:
    """Leave the process from the factory."""
    raise SystemExit(3)


def no_flow() -> str:
    """Return something else."""
    return 'a flow'


def duplicate() -> graph_flow.Flow:
    """Return a flow that cannot be compiled."""
    flow = linear_flow.Flow('duplicate')
    return flow.add(_Do(None, 'twin'), linear_flow.Flow('inner').add(_Do(None, 'twin')))


def unstorable() -> linear_flow.Flow:
    """Return a flow whose task returns what cannot be stored."""
    return _flow(object)


def quits() -> linear_flow.Flow:
    """Return a flow whose task leaves the process, as it thinks."""
    return _flow(_exit)


def deadly() -> linear_flow.Flow:
    """Return a flow that no process survives."""
    return _flow(lambda: os.kill(os.getpid(), signal.SIGKILL))
