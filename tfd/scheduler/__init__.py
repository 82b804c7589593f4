# SPDX-License-Identifier: Apache-2.0
"""Decides what happens next in a run: a pure machine of events, transitions and commands."""

from tfd.scheduler.machine import Scheduler
from tfd.scheduler.vocabulary import (
    Answered,
    Ask,
    Asked,
    ChainExecuted,
    ChainReverted,
    Code,
    Decide,
    Decided,
    Event,
    Execute,
    ExecuteChain,
    Executed,
    Gated,
    GatedAll,
    Judged,
    Moved,
    MovedAll,
    Options,
    Progress,
    Resolved,
    Revert,
    RevertChain,
    Reverted,
    Step,
    Suspended,
)

__all__ = [
    'Answered', 'Ask', 'Asked', 'ChainExecuted', 'ChainReverted', 'Code', 'Decide', 'Decided', 'Event', 'Execute',
    'ExecuteChain', 'Executed', 'Gated', 'GatedAll', 'Judged', 'Moved', 'MovedAll', 'Options', 'Progress', 'Resolved',
    'Revert', 'RevertChain', 'Reverted', 'Scheduler', 'Step', 'Suspended',
]
