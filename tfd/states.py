# SPDX-License-Identifier: Apache-2.0
"""The words for states, and the tables of the transitions between them.

The words and the transitions are TaskFlow's; ``PARKED`` is tfd's own: a job that waits for an operator.
"""

from __future__ import annotations

from tfd import exceptions

__all__ = [
    'check_atom_transition', 'check_flow_transition', 'check_job_transition',
    'check_retry_transition', 'check_task_transition',
]

# Jobs.
CLAIMED = 'CLAIMED'
COMPLETE = 'COMPLETE'
UNCLAIMED = 'UNCLAIMED'
PARKED = 'PARKED'

# Flows and atoms.
FAILURE = 'FAILURE'
IGNORE = 'IGNORE'
PENDING = 'PENDING'
REVERTED = 'REVERTED'
REVERTING = 'REVERTING'
REVERT_FAILURE = 'REVERT_FAILURE'
RETRYING = 'RETRYING'
RUNNING = 'RUNNING'
SUCCESS = 'SUCCESS'
SUSPENDED = 'SUSPENDED'
SUSPENDING = 'SUSPENDING'
RESUMING = 'RESUMING'

# What is to happen to an atom.
EXECUTE = 'EXECUTE'
NO_ACTION = 'NO_ACTION'
REVERT = 'REVERT'
RETRY = 'RETRY'
INTENTIONS = (EXECUTE, IGNORE, REVERT, RETRY, NO_ACTION)

# What the engine is doing.
ANALYZING = 'ANALYZING'
GAME_OVER = 'GAME_OVER'
SCHEDULING = 'SCHEDULING'
UNDEFINED = 'UNDEFINED'
WAITING = 'WAITING'

_JOB_TRANSITIONS = frozenset((
    (UNCLAIMED, CLAIMED), (CLAIMED, COMPLETE), (CLAIMED, UNCLAIMED), (CLAIMED, PARKED),
    (UNCLAIMED, PARKED), (PARKED, UNCLAIMED), (CLAIMED, CLAIMED),
))

_FLOW_TRANSITIONS = frozenset((
    (PENDING, RUNNING),
    (RUNNING, SUCCESS), (RUNNING, FAILURE), (RUNNING, REVERTED), (RUNNING, SUSPENDING), (RUNNING, RESUMING),
    (SUCCESS, RUNNING), (FAILURE, RUNNING), (REVERTED, PENDING), (SUCCESS, PENDING), (FAILURE, PENDING),
    (SUSPENDING, SUSPENDED), (SUSPENDING, SUCCESS), (SUSPENDING, FAILURE), (SUSPENDING, REVERTED),
    (SUSPENDING, RESUMING), (SUSPENDED, RUNNING),
    (RESUMING, SUSPENDED), (RESUMING, PENDING),
    (RESUMING, RUNNING),
))

_TASK_TRANSITIONS = frozenset((
    (PENDING, RUNNING), (PENDING, IGNORE), (PENDING, REVERTING),
    (RUNNING, SUCCESS), (RUNNING, FAILURE), (RUNNING, RUNNING), (RUNNING, PENDING),
    (FAILURE, REVERTING), (SUCCESS, REVERTING),
    (REVERTING, REVERTED), (REVERTING, REVERT_FAILURE), (REVERTING, REVERTING),
    (REVERTED, PENDING), (IGNORE, PENDING), (RUNNING, REVERTING),
))

_RETRY_TRANSITIONS = _TASK_TRANSITIONS | frozenset((
    (SUCCESS, RETRYING), (RETRYING, RUNNING), (RETRYING, REVERTING), (FAILURE, RETRYING),
))


def check_job_transition(old_state: str, new_state: str) -> bool:
    """Tell whether a job's state changes by going to ``new_state``.

    :returns: False where it is there already.
    :raises InvalidState: a job never goes from ``old_state`` to ``new_state``.
    """
    if old_state == new_state:
        return False
    return _checked('job', _JOB_TRANSITIONS, old_state, new_state)


def check_flow_transition(old_state: str, new_state: str) -> bool:
    """Tell whether a flow's state changes by going to ``new_state``.

    :returns: False where it is there already.
    :raises InvalidState: a flow never goes from ``old_state`` to ``new_state``.
    """
    if old_state == new_state:
        return False
    return _checked('flow', _FLOW_TRANSITIONS, old_state, new_state)


def check_task_transition(old_state: str, new_state: str) -> bool:
    """Tell whether a task may go to ``new_state``.

    :raises InvalidState: a task never goes from ``old_state`` to ``new_state``.
    """
    return _checked('task', _TASK_TRANSITIONS, old_state, new_state)


def check_retry_transition(old_state: str, new_state: str) -> bool:
    """Tell whether a retry may go to ``new_state``.

    :raises InvalidState: a retry never goes from ``old_state`` to ``new_state``.
    """
    return _checked('retry', _RETRY_TRANSITIONS, old_state, new_state)


check_atom_transition = check_task_transition


def _checked(what: str, table: frozenset[tuple[str, str]], old: str, new: str) -> bool:
    if (old, new) in table:
        return True
    allowed = sorted(to for frm, to in table if frm == old)
    raise exceptions.InvalidState(
        f'a {what} cannot go from {old!r} to {new!r} (from {old!r} it can go to {allowed})')
