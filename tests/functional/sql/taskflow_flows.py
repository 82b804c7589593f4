# SPDX-License-Identifier: Apache-2.0
"""The flows whose rows are in :mod:`tests.functional.sql.taskflow_rows`."""

from __future__ import annotations

from typing import Any

from tfd import retry, task
from tfd.patterns import linear_flow

__all__ = ['CALLS', 'plain', 'with_retry']

#: What was called, in order.
CALLS: list[str] = []


class Step(task.Task):

    def execute(self, x: int) -> str:
        CALLS.append(self.name)
        return f'{self.name}!'

    def revert(self, result: Any, **_: Any) -> str:
        CALLS.append(f'-{self.name}')
        return f'undone {self.name}'


class Tried(Step):

    def execute(self, x: int, v: str) -> str:
        CALLS.append(f'{self.name} {v}')
        return f'{self.name}!'


def plain() -> linear_flow.Flow:
    """Return a flow of two tasks."""
    return linear_flow.Flow('plain').add(Step('a'), Step('b'))


def with_retry() -> linear_flow.Flow:
    """Return a flow with a part that is tried with one value after the other."""
    tried = linear_flow.Flow('tried', retry=retry.ForEach(['one', 'two'], 'r', provides='v'))
    return linear_flow.Flow('with retry').add(Step('o'), tried.add(Step('a'), Tried('b')), Step('z'))
