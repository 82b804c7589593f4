# SPDX-License-Identifier: Apache-2.0
"""How a daemon is, judged by what its workers say of themselves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from tfd.service.notices import Notice, Phase

__all__ = ['Health', 'judge']

#: What a worker has said by when it has started, so that systemd need not wait for it any more. Waiting for a server
#: counts: it needs nothing but that server.
_STARTED = frozenset((Phase.WAITING, Phase.CONDUCTING, Phase.DRAINING, Phase.ENDED))


@dataclasses.dataclass(frozen=True, slots=True)
class Health:
    """A judgement.

    :ivar well: whether every worker claims and runs jobs, with all that it needs.
    :ivar started: whether every worker has come so far that it conducts, or says what it waits for.
    :ivar alive: whether no worker's loop has been silent for too long.
    :ivar summary: all of it in a line.
    :ivar answer: what ``GET /healthz`` says of it.
    """

    well: bool
    started: bool
    alive: bool
    summary: str
    answer: Mapping[str, Any]


def judge(said: Sequence[Notice | None], now: float, max_silence: float) -> Health:
    """Return how a daemon is.

    :param said: what each worker said last; None for one that died while it said it.
    :param now: on the clock of the workers.
    :param max_silence: seconds after which a worker counts as hung.
    """
    workers = [_worker(notice or Notice(Phase.RESTARTING), now, max_silence) for notice in said]
    well = not any(worker['reasons'] for worker in workers)
    hung = [worker for worker in workers if worker['hung']]
    good = sum(not worker['reasons'] for worker in workers)
    summary = f'{good} of {len(workers)} workers conduct, {sum(worker["running"] for worker in workers)} jobs run'
    reasons = sorted({reason for worker in workers for reason in worker['reasons']})
    if reasons:
        summary += f': {"; ".join(reasons)}'
    return Health(
        well, all(notice is not None and notice.phase in _STARTED for notice in said), not hung, summary,
        {'status': 'ok' if well else 'unavailable', 'summary': summary, 'workers': workers})


def _worker(notice: Notice, now: float, max_silence: float) -> dict[str, Any]:
    silent = max(0.0, now - notice.alive) if notice.alive else None
    # One that has not begun, or has ended, has no loop. A dead one is the parent's to replace.
    hung = silent is not None and silent > max_silence and notice.phase not in (Phase.ENDED, Phase.UNFIT)
    reasons = [f'{name}: {why}' for name, why in sorted(notice.away.items())]
    if notice.phase != Phase.CONDUCTING:
        reasons.append(f'worker is {notice.phase}')
    if hung:
        reasons.append('worker is hung')
    return {
        'phase': notice.phase, 'pid': notice.pid, 'running': notice.running, 'deaths': notice.deaths,
        'last_loop': None if silent is None else round(silent, 1), 'hung': hung,
        'database': notice.away.get('database', 'ok'), 'coordinator': notice.away.get('coordinator', 'ok'),
        'schema': notice.away.get('schema', 'ok'), 'draining': notice.phase == Phase.DRAINING,
        'reasons': reasons,
    }
