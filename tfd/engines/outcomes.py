# SPDX-License-Identifier: Apache-2.0
"""What a run that has come to rest raises."""

from __future__ import annotations

from tfd import exceptions, states
from tfd.storage import Storage
from tfd.types import failure as ft

__all__ = ['failures', 'raise_failures']

_ENDED_WELL = frozenset((states.SUCCESS, states.SUSPENDED))


def failures(storage: Storage, state: str) -> dict[str, ft.Failure]:
    """Return the failures that a flow ended with in this state, by the names of the atoms."""
    if state in _ENDED_WELL:
        return {}
    reverts, executes = storage.get_revert_failures(), storage.get_execute_failures()
    # All of a flow that is REVERTED is undone: what could not be undone at first has been by now.
    return executes or reverts if state == states.REVERTED else reverts or executes


def raise_failures(storage: Storage) -> None:
    """Raise what the flow ended with, if it did not end well.

    :raises Exception: the single failure's; WrappedFailure where there are several, or it was recorded elsewhere.
    """
    state = storage.get_flow_state()
    ft.Failure.reraise_if_any(failures(storage, state).values())
    if state not in _ENDED_WELL:
        raise exceptions.ExecutionFailure(f'flow {storage.flow_name!r} ended in {state}, and no failure is recorded')
