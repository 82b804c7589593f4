# SPDX-License-Identifier: Apache-2.0
"""Decides what happens next in a run: a pure machine of events, transitions and commands."""

from tfd.scheduler.machine import Scheduler
from tfd.scheduler.vocabulary import Answered
from tfd.scheduler.vocabulary import Ask
from tfd.scheduler.vocabulary import Asked
from tfd.scheduler.vocabulary import Code
from tfd.scheduler.vocabulary import Decide
from tfd.scheduler.vocabulary import Decided
from tfd.scheduler.vocabulary import Event
from tfd.scheduler.vocabulary import Execute
from tfd.scheduler.vocabulary import Executed
from tfd.scheduler.vocabulary import Gated
from tfd.scheduler.vocabulary import Judged
from tfd.scheduler.vocabulary import Moved
from tfd.scheduler.vocabulary import Options
from tfd.scheduler.vocabulary import Progress
from tfd.scheduler.vocabulary import Resolved
from tfd.scheduler.vocabulary import Revert
from tfd.scheduler.vocabulary import Reverted
from tfd.scheduler.vocabulary import Step
from tfd.scheduler.vocabulary import Suspended

__all__ = [
    'Answered', 'Ask', 'Asked', 'Code', 'Decide', 'Decided', 'Event', 'Execute', 'Executed', 'Gated', 'Judged', 'Moved', 'Options',
    'Progress', 'Resolved', 'Revert', 'Reverted', 'Scheduler', 'Step', 'Suspended',
]
