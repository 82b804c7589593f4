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
    (UNCLAIMED, PARKED), (PARKED, UNCLAIMED),
))

_FLOW_TRANSITIONS = frozenset((
    (PENDING, RUNNING),
    (RUNNING, SUCCESS), (RUNNING, FAILURE), (RUNNING, REVERTED), (RUNNING, SUSPENDING), (RUNNING, RESUMING),
    (SUCCESS, RUNNING), (FAILURE, RUNNING), (REVERTED, PENDING), (SUCCESS, PENDING), (FAILURE, PENDING),
    (SUSPENDING, SUSPENDED), (SUSPENDING, SUCCESS), (SUSPENDING, FAILURE), (SUSPENDING, REVERTED),
    (SUSPENDING, RESUMING), (SUSPENDED, RUNNING), (RESUMING, SUSPENDED),
))

# What has come to rest need not be suspended, nor be taken up again by whoever finds it: no change, and no error.
_IGNORED_FLOW_TRANSITIONS = frozenset(
    (old, new) for old in (PENDING, SUCCESS, FAILURE, REVERTED, SUSPENDED)
    for new in (SUSPENDING, SUSPENDED, RESUMING) if old != new)

_TASK_TRANSITIONS = frozenset((
    (PENDING, RUNNING), (PENDING, IGNORE),
    (RUNNING, SUCCESS), (RUNNING, FAILURE),
    (FAILURE, REVERTING), (SUCCESS, REVERTING),
    (REVERTING, REVERTED), (REVERTING, REVERT_FAILURE),
    (REVERTED, PENDING), (IGNORE, PENDING),
))

_RETRY_TRANSITIONS = _TASK_TRANSITIONS | frozenset(((SUCCESS, RETRYING), (RETRYING, RUNNING)))


def check_job_transition(old_state: str, new_state: str) -> bool:
    """Tell whether a job's state changes by going to ``new_state``.

    :returns: False where it is there already.
    :raises InvalidState: a job never goes from ``old_state`` to ``new_state``.
    """
    return old_state != new_state and _checked('Job', _JOB_TRANSITIONS, old_state, new_state)


def check_flow_transition(old_state: str, new_state: str) -> bool:
    """Tell whether a flow's state changes by going to ``new_state``.

    :returns: False where it is there already, or where a flow at rest is to be suspended or resumed.
    :raises InvalidState: a flow never goes from ``old_state`` to ``new_state``.
    """
    if old_state == new_state or (old_state, new_state) in _IGNORED_FLOW_TRANSITIONS:
        return False
    return _checked('Flow', _FLOW_TRANSITIONS, old_state, new_state)


def check_task_transition(old_state: str, new_state: str) -> bool:
    """Tell whether a task goes from ``old_state`` to ``new_state``; False, not an error, where it never does."""
    return (old_state, new_state) in _TASK_TRANSITIONS


def check_retry_transition(old_state: str, new_state: str) -> bool:
    """Tell whether a retry goes from ``old_state`` to ``new_state``; False, not an error, where it never does."""
    return (old_state, new_state) in _RETRY_TRANSITIONS


check_atom_transition = check_task_transition


def _checked(what: str, table: frozenset[tuple[str, str]], old: str, new: str) -> bool:
    if (old, new) in table:
        return True
    allowed = sorted(to for frm, to in table if frm == old)
    raise exceptions.InvalidState(
        f'{what} transition from {old!r} to {new!r} is not allowed (from {old!r} it can go to {allowed})')
