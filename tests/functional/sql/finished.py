# SPDX-License-Identifier: Apache-2.0
"""Many finished jobs, made by bulk statements."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from tfd import states
from tfd.jobs import record
from tfd_drivers.sql import tables
from tfd_drivers.sql.database import Database

__all__ = ['analyze', 'fill']

_AT_ONCE = 5000
_ATOMS = 2


def fill(
    database: Database, count: int, now: float, outcomes: Sequence[str] = (states.SUCCESS,), spacing: float = 1.0
) -> None:
    """Add jobs that are COMPLETE, each with a flow of two atoms in a logbook of its own.

    :param outcomes: of the first, the second, …; from the start again.
    :param now: when the newest one ended; each before it ended ``spacing`` seconds earlier.
    """
    for first in range(0, count, _AT_ONCE):
        numbers = range(first, min(count, first + _AT_ONCE))
        rows = [_rows(outcomes[n % len(outcomes)], now - n * spacing) for n in numbers]

        def insert(connection: sa.Connection, rows: list[dict[str, Any]] = rows) -> None:
            for table in (
                    tables.jobs, tables.logbooks, tables.flows, tables.atoms, tables.decisions, tables.history):
                connection.execute(sa.insert(table), [row for each in rows for row in each[table.name]])

        database.run(insert)


def _rows(outcome: str, ended: float) -> dict[str, list[dict[str, Any]]]:
    job, book, flow = (str(uuid.uuid4()) for _ in range(3))
    times = {'created_at': ended - 1, 'updated_at': ended}
    return {
        'jobs': [{
            'id': job, 'token': job, 'name': 'a job', 'flow': 'a-flow', 'version': '', 'store': '{}',
            'state': states.COMPLETE, 'outcome': outcome, 'priority': 0, 'not_before': 0.0, 'owner': '',
            'claim_id': job, 'epoch': 2, 'seq': 4, 'claimed_seq': 1, 'attempts': 1, 'claims': 1,
            'shard': record.shard_of(job), 'book_uuid': book, 'flow_uuid': flow, 'reason': '', 'connections': '',
            **times}],
        'logbooks': [{'uuid': book, 'name': 'a job', 'meta': None, **times}],
        'flows': [{
            'uuid': flow, 'book': book, 'name': 'a-flow', 'state': outcome, 'meta': None, 'digest': '', **times}],
        'atoms': list(_atoms(flow)),
        'decisions': [{'flow': flow, 'subject': 'gate:b', 'attempt': 1, 'answer': 'yes'}],
        'history': [{
            'flow': flow, 'seq': seq, 'job': job, 'epoch': 1, 'owner': 'host/0/1', 'at': ended, 'what': '[]',
        } for seq in range(2, 5)],
    }


def _atoms(flow: str) -> Iterator[dict[str, Any]]:
    for number in range(_ATOMS):
        yield {
            'flow': flow, 'number': number, 'uuid': str(uuid.uuid4()), 'name': f'a{number}', 'kind': 'task',
            'version': '1.0', 'state': 'SUCCESS', 'intention': 'EXECUTE', 'result': '1', 'failure': None,
            'revert_result': None, 'revert_failure': None, 'meta': None}


def analyze(database: Database) -> None:
    """Let the database count what it has, as it does by itself after a while."""
    words = {'sqlite': 'ANALYZE', 'mysql': 'ANALYZE TABLE {}', 'postgresql': 'ANALYZE {}'}[database.engine.dialect.name]

    def work(connection: sa.Connection) -> None:
        for table in tables.metadata.sorted_tables:
            connection.exec_driver_sql(words.format(table.name)).close()

    database.run(work)
