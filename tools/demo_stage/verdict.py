# SPDX-License-Identifier: Apache-2.0
"""Whether everything is as it should be in the end: the jobs, and what the cloud holds."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from demo_stage import board

__all__ = ['Verdict', 'judge']

Inventory = Mapping[str, Sequence[Mapping[str, Any]]]
_READY = {'servers': 'ACTIVE', 'volumes': 'available', 'attachments': 'attached'}


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """The table of the end, and what is wrong.

    :ivar rows: (what, expected, found).
    :ivar complaints: one line for each thing that is not right; empty if all is well.
    """

    rows: tuple[tuple[str, str, str], ...]
    complaints: tuple[str, ...]


def judge(
    expected: Mapping[str, str], views: Sequence[board.View], stranded: Collection[str],
    killed: str, inventory: Inventory, ledger: Iterable[Mapping[str, Any]],
) -> Verdict:
    """Compare what is with what should be.

    :param expected: name of job: SUCCESS or REVERTED.
    :param views: the jobs at the end.
    :param stranded: names of the jobs that the killed daemon left unfinished.
    :param killed: its name.
    :param inventory: kind: what the cloud holds.
    :param ledger: what the cloud did.
    """
    wanted = Counter(expected.values())
    found = Counter(view.outcome or view.state for view in views)
    taken = [view for view in views
             if view.name in stranded and view.daemon != killed and view.claims > 1]
    kept = {name for name, outcome in expected.items() if outcome == 'SUCCESS'}
    orphans = list(_orphans(kept, inventory))
    complaints = [*_wrong_jobs(expected, views), *_missing(kept, inventory), *orphans]
    if not stranded:
        complaints.append('the killed daemon left no job: the takeover was not shown')
    if len(taken) != len(stranded):
        complaints.append(f'of {len(stranded)} jobs that the killed daemon left, '
                          f'{len(taken)} were taken over')
    rows = [
        ('jobs that made their server', wanted['SUCCESS'], found['SUCCESS']),
        ('jobs that were reverted', wanted['REVERTED'], found['REVERTED']),
        ('jobs that ended otherwise', 0,
         len(views) - found['SUCCESS'] - found['REVERTED']),
        ('jobs taken over from the dead daemon', len(stranded), len(taken)),
        *((f'{kind} in the cloud', len(kept), len(inventory[kind])) for kind in _READY),
        ('orphans in the cloud', 0, len(orphans)),
    ]
    repeated = sum(entry['effect'] == 'repeated' for entry in ledger)
    shown = [(what, str(should), str(is_)) for what, should, is_ in rows]
    shown.append(('steps run again after the kill, made once', '', str(repeated)))
    return Verdict(tuple(shown), tuple(complaints))


def _wrong_jobs(expected: Mapping[str, str], views: Sequence[board.View]) -> Iterable[str]:
    seen = {view.name: view for view in views}
    for name, outcome in expected.items():
        view = seen.get(name)
        if view is None:
            yield f'{name}: there is no such job'
        elif (view.state, view.outcome) != ('done', outcome):
            yield (f'{name}: {view.state} {view.outcome} {view.reason}'.rstrip()
                   + f', not done {outcome}')
    for name in sorted(set(seen) - set(expected)):
        yield f'{name}: nobody posted this job'


def _missing(kept: Collection[str], inventory: Inventory) -> Iterable[str]:
    """Say which servers and volumes are not there, or not joined."""
    ready = {kind: {item['id']: item for item in inventory[kind] if item['status'] == status}
             for kind, status in _READY.items()}
    joined = {
        (ready['servers'].get(item['server_id'], {}).get('name'),
         ready['volumes'].get(item['volume_id'], {}).get('name'))
        for item in ready['attachments'].values()}
    for name in sorted(kept):
        for kind in ('servers', 'volumes'):
            if not any(item['name'] == name for item in ready[kind].values()):
                yield f'{name}: its {kind[:-1]} is missing'
        if (name, name) not in joined:
            yield f'{name}: its volume is not attached to its server'


def _orphans(kept: Collection[str], inventory: Inventory) -> Iterable[str]:
    """Say what is there and should not be: of a job that was reverted, or there twice."""
    names = {item['id']: item['name'] for kind in ('servers', 'volumes')
             for item in inventory[kind]}
    for kind in _READY:
        seen: set[str] = set()
        for item in inventory[kind]:
            name = item['name'] if 'name' in item else names.get(item['volume_id'], '?')
            if name not in kept or name in seen:
                yield f'{kind[:-1]} {item["id"]} of {name} ({item["status"]}) is an orphan'
            seen.add(name)
