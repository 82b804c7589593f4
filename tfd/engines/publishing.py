# SPDX-License-Identifier: Apache-2.0
"""Tells listeners of an engine what was recorded."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tfd.plan import NOBODY, Kind
from tfd.scheduler import Code, Moved, Step
from tfd.scheduler.vocabulary import STATE_NAMES
from tfd.storage.columns import NOTHING, Columns
from tfd.task import EVENT_UPDATE_PROGRESS, PROGRESS_SINK

if TYPE_CHECKING:
    from tfd.engines.engine import ActionEngine

__all__ = ['LOG', 'Publisher']

LOG = logging.getLogger(__name__)

_RETRY, _SUCCESS = int(Kind.RETRY), int(Code.SUCCESS)
#: What the details of a change call the atom's name and UUID.
_TASK_KEYS, _RETRY_KEYS = ('task_name', 'task_uuid'), ('retry_name', 'retry_uuid')
_BEGINS = frozenset((Code.RUNNING, Code.REVERTING))
#: Where a task has got to its end; one that failed got as far as it told.
_COMPLETE = frozenset((Code.SUCCESS, Code.REVERTED))


class Publisher:
    """Notifies on behalf of one engine. Costs nothing while nobody listens."""

    def __init__(self, engine: ActionEngine) -> None:
        self._engine = engine
        self._notifier = engine.atom_notifier
        #: Values of the run; there once the engine is prepared.
        self.columns: Columns
        #: Nodes of tasks that have listeners of their own.
        self.watched: set[int] = set()
        # The node that was told of last, and its UUID: most begin and end with nothing in between.
        self._latest = NOBODY
        self._uuid = ''

    def news(self, step: Step) -> list[tuple[int, int, int, Any]]:
        """Return what there is to tell of a step, as ``(node, old, new, outcome)``.

        To be called before the step is recorded: a scope that is reset in the same step forgets its outcomes then.
        """
        shown = self.columns.states
        latest: dict[int, int] = {}
        news = []
        for item in step.transitions:
            if type(item) is Moved and item.code not in _BEGINS:
                old = latest.get(item.node, shown[item.node])
                if old != item.code:
                    news.append((item.node, old, item.code, self._outcome(item.node, item.code)))
                latest[item.node] = item.code
        return news

    def _outcome(self, node: int, code: int) -> Any:
        """Return the ``result`` that goes with a state, NOTHING where none does."""
        columns = self.columns
        if code == _SUCCESS:
            return columns.results[node]
        outcomes: dict[int, Mapping[int, Any]] = {
            Code.FAILURE: columns.failures, Code.REVERTED: columns.revert_results,
            Code.REVERT_FAILURE: columns.revert_failures}
        return outcomes[code].get(node) if code in outcomes else NOTHING

    def atom(self, node: int, old: int, new: int, outcome: Any = NOTHING) -> None:
        """Tell that an atom went from one state to another."""
        columns = self.columns
        plan = columns.plan
        if self._latest != node:
            self._latest, self._uuid = node, columns.uuid_of(node)
        name, uuid = _RETRY_KEYS if plan.kinds[node] == _RETRY else _TASK_KEYS
        details = {name: plan.atoms[node].name, uuid: self._uuid, 'old_state': STATE_NAMES[old]}
        if outcome is not NOTHING:
            details['result'] = outcome
        self._notifier.notify(STATE_NAMES[new], details)

    def flow(self, state: str) -> None:
        """Show, and tell, that the flow is in a state that is not recorded."""
        old = self._engine.storage.get_flow_state()
        if old != state:
            self._engine.storage.show_flow_state(state)
            self.tell_flow(state, old)

    def tell_flow(self, state: str, old: str) -> None:
        """Tell that the flow went from one state to another."""
        engine = self._engine
        engine.notifier.notify(state, {
            'engine': engine, 'flow_name': engine.storage.flow_name, 'flow_uuid': engine.storage.flow_uuid,
            'old_state': old})

    def watch(self) -> None:
        """Find out, at the begin of a run, which tasks have listeners of their own."""
        self._latest = NOBODY
        self.watched = {
            node for node, atom in enumerate(self.columns.plan.atoms) if getattr(atom, '_made_notifier', None)}

    def begins(self, node: int) -> None:
        """Tell a task's own listeners that it is at its begin, also where it has told of progress before."""
        if node in self.columns.metas:
            self._engine.storage.restart_progress(node)
        if node in self.watched:
            self._tell_task(node, 0.0)

    def end(self, node: int, code: int) -> None:
        """Show, and tell, how an atom ended: at once, where no record is to be waited for."""
        columns = self.columns
        old = columns.states[node]
        columns.states[node] = code
        columns.open_attempts.discard(node)
        if self._notifier.topics:
            self.atom(node, old, code, columns.results[node] if code == _SUCCESS else self._outcome(node, code))
        if node in self.watched and code in _COMPLETE:
            self._tell_task(node, 1.0)

    def ended(self, step: Step) -> None:
        """Tell the listeners of watched tasks that a recorded step brought to their end."""
        for item in step.transitions:
            if isinstance(item, Moved) and item.code in _COMPLETE and item.node in self.watched:
                self._tell_task(item.node, 1.0)

    def _tell_task(self, node: int, progress: float) -> None:
        """Tell a task's own listeners; it is not the task that tells, so nothing is kept of it."""
        token = PROGRESS_SINK.set(None)
        try:
            self.columns.plan.atoms[node].notifier.notify(EVENT_UPDATE_PROGRESS, {'progress': progress})
        finally:
            PROGRESS_SINK.reset(token)

    def progress(self, task: Any, progress: float, details: Mapping[str, Any] | None = None) -> None:
        """Keep what a task told of its progress; once it has ended there is none."""
        columns = self.columns
        node = columns.plan.by_name.get(task.name)
        # None: a task of a flow that a task of this one runs.
        if node is None or columns.states[node] not in _BEGINS:
            return
        try:
            self._engine.storage.set_task_progress(task.name, progress, details)
        except Exception:
            LOG.warning('progress of task %s of flow %s cannot be kept now', task.name,
                        self._engine.storage.flow_uuid, exc_info=True)


