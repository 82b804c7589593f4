# SPDX-License-Identifier: Apache-2.0
"""Decides what happens next in a run: a pure machine of events, transitions and commands."""

from tfd.scheduler.machine import Scheduler
from tfd.scheduler.vocabulary import (
    Answered,
    Ask,
    Asked,
    Code,
    Decide,
    Decided,
    Event,
    Execute,
    Executed,
    Gated,
    Judged,
    Moved,
    Options,
    Progress,
    Resolved,
    Revert,
    Reverted,
    Step,
    Suspended,
)

__all__ = [
    'Answered', 'Ask', 'Asked', 'Code', 'Decide', 'Decided', 'Event', 'Execute', 'Executed', 'Gated',
    'Judged', 'Moved', 'Options', 'Progress', 'Resolved', 'Revert', 'Reverted', 'Scheduler', 'Step',
    'Suspended',
]
