# SPDX-License-Identifier: Apache-2.0
"""The release whose schema is revision 0001: its tables, rows as it left them, and its writer."""

from __future__ import annotations

import pathlib
from typing import Any

import sqlalchemy as sa

__all__ = ['ATOMS', 'DECISIONS', 'JOBS', 'Release']

_HERE = pathlib.Path(__file__).parent

#: Ids of jobs, flows and books end in the same digit; the third job's flow stopped half-way, in a retry.
_ID = '00000000-0000-4000-8000-{}0000000000{}'
_NOW = 1789000000.25

_FAILURE = (
    '{"$":["failure",{"exception_str":"no room","traceback_str":"  File \\"flows.py\\", line 7, in execute\\n",'
    '"exc_type_names":["ValueError","Exception"],"version":1,"exc_args":["no room"],"causes":[]}]}')

JOBS = [
    {'n': n, 'state': state, 'outcome': outcome, 'owner': owner, 'epoch': epoch, 'seq': seq, 'reason': reason}
    for n, (state, outcome, owner, epoch, seq, reason) in enumerate((
        ('COMPLETE', 'SUCCESS', '', 2, 9, ''),
        ('UNCLAIMED', '', '', 0, 0, ''),
        ('CLAIMED', '', 'host-a/0/5f1c', 3, 7, ''),
        ('PARKED', 'FAILURE', '', 4, 12, 'the revert of create failed: ValueError: no room'),
    ), start=1)
]

_NOTHING: dict[str, Any] = {
    'version': '1.0', 'intention': 'EXECUTE', 'result': None, 'failure': None, 'revert_result': None,
    'revert_failure': None, 'meta': None,
}

ATOMS = [
    {**_NOTHING, **values} for values in (
        {'number': 0, 'name': 'try-it', 'kind': 'retry', 'state': 'SUCCESS', 'intention': 'RETRY',
         'result': f'[{{"$":["tuple","v1",{{"create":{_FAILURE}}}]}}]'},
        {'number': 1, 'name': 'create', 'kind': 'task', 'state': 'FAILURE', 'intention': 'REVERT',
         'failure': _FAILURE, 'meta': '{"progress":0.5}'},
        {'number': 2, 'name': 'attach', 'kind': 'task', 'state': 'PENDING'},
        {'number': 3, 'name': 'größer', 'kind': 'task', 'state': 'SUCCESS', 'result': '{"$":["tuple",1,"zwei"]}'},
    )
]

DECISIONS = [
    {'subject': 'scope:try-it', 'attempt': 1, 'answer': 'RETRY'},
    {'subject': 'asked:create', 'attempt': 1, 'answer': '1'},
]

_JOB_COLUMNS = (
    'id', 'token', 'name', 'flow', 'version', 'store', 'state', 'outcome', 'priority', 'not_before', 'owner',
    'claim_id', 'epoch', 'seq', 'claimed_seq', 'attempts', 'claims', 'shard', 'book_uuid', 'flow_uuid', 'reason',
    'connections', 'created_at', 'updated_at')
_ATOM_COLUMNS = (
    'flow', 'number', 'uuid', 'name', 'kind', 'version', 'state', 'intention', 'result', 'failure', 'revert_result',
    'revert_failure', 'meta')


def _insert(table: str, *columns: str) -> str:
    return f'INSERT INTO {table} ({", ".join(columns)}) VALUES ({", ".join(f":{name}" for name in columns)})'


_STATEMENTS = {
    'post': _insert('jobs', *_JOB_COLUMNS),
    'book': _insert('logbooks', 'uuid', 'name', 'meta', 'created_at', 'updated_at'),
    'flow': _insert('flows', 'uuid', 'book', 'name', 'state', 'meta', 'digest', 'created_at', 'updated_at'),
    'atom': _insert('atoms', *_ATOM_COLUMNS),
    'decision': _insert('decisions', 'flow', 'subject', 'attempt', 'answer'),
    'board': _insert('board', 'name', 'value'),
    'claim':
        'UPDATE jobs SET attempts=CASE WHEN (seq > claimed_seq) THEN 1 ELSE attempts + 1 END, claimed_seq=seq,'
        " claims=(claims + 1), epoch=(epoch + 1), state='CLAIMED', owner=:owner, claim_id=:claim_id,"
        " connections='', updated_at=:now WHERE id = :id AND epoch = :epoch"
        " AND (state = 'UNCLAIMED' OR state = 'CLAIMED')",
    'guard': 'UPDATE jobs SET seq=(seq + 1) WHERE id = :id AND epoch = :epoch',
    'settle':
        'UPDATE jobs SET state=:state, outcome=:outcome, reason=:reason, owner=:owner, connections=:connections,'
        ' updated_at=:now, epoch=(epoch + 1), seq=(seq + 1) WHERE id = :id AND epoch = :epoch',
    'change': 'UPDATE atoms SET state=:state, result=:result WHERE flow = :flow AND number = :number',
    'rest': 'UPDATE flows SET state=:state, updated_at=:now WHERE uuid = :flow',
    'job': f'SELECT {", ".join(_JOB_COLUMNS)} FROM jobs WHERE id = :id',
    'atoms': f'SELECT {", ".join(_ATOM_COLUMNS)} FROM atoms WHERE flow = :flow ORDER BY number',
    'decisions': 'SELECT flow, subject, attempt, answer FROM decisions WHERE flow = :flow',
    'pending':
        "SELECT id, epoch FROM jobs WHERE state = 'UNCLAIMED' AND shard = :shard AND not_before = 0"
        ' ORDER BY priority DESC, created_at, id',
}


class Release:
    """The release at work on a database: each method is one of its transactions.

    :param kind: ``sqlite``, ``mariadb`` or ``postgresql``.
    :param url: of the database.
    """

    def __init__(self, kind: str, url: str) -> None:
        self._ddl = (_HERE / f'0001_{kind}.sql').read_text()
        found = sa.make_url(url)
        drivers = {'mysql': 'mysql+pymysql', 'postgresql': 'postgresql+psycopg'}
        name = found.get_backend_name()
        self._engine = sa.create_engine(found.set(drivername=drivers.get(name, name)), poolclass=sa.NullPool)

    def _run(self, *steps: tuple[str, dict[str, Any]]) -> list[Any]:
        with self._engine.begin() as connection:
            done: list[Any] = []
            for name, row in steps:
                result = connection.execute(sa.text(_STATEMENTS[name]), row)
                done.append(result.mappings().all() if result.returns_rows else result.rowcount)
            return done

    # -- as an operator left it ------------------------------------------------------------------

    def create(self) -> None:
        """Make the schema."""
        with self._engine.begin() as connection:
            connection.exec_driver_sql(
                'CREATE TABLE tfd_schema (version_num VARCHAR(32) NOT NULL,'
                ' CONSTRAINT tfd_schema_pkc PRIMARY KEY (version_num))')
            for statement in self._ddl.split(';'):
                if statement.strip():
                    connection.exec_driver_sql(statement)
            connection.exec_driver_sql("INSERT INTO tfd_schema (version_num) VALUES ('0001')")

    def fill(self) -> None:
        """Leave a job in every state, the third with a flow that stopped half-way."""
        for job in JOBS:
            self.post(**job)
        self.record(3)
        self._run(('board', {'name': 'id', 'value': 'board-1'}))

    # -- its transactions --------------------------------------------------------------------------

    def post(self, n: int, **values: Any) -> str:
        """Post a job; return its id."""
        row = {
            'id': _ID.format(0, n), 'token': f'token-{n}', 'name': f'job {n}', 'flow': 'a-flow', 'version': '1.0',
            'store': '{"image":"img-1","count":3}', 'state': 'UNCLAIMED', 'outcome': '', 'priority': 0,
            'not_before': 0.0, 'owner': '', 'claim_id': '', 'epoch': 0, 'seq': 0, 'claimed_seq': 0, 'attempts': 0,
            'claims': 0, 'shard': n, 'book_uuid': _ID.format(1, n), 'flow_uuid': _ID.format(2, n), 'reason': '',
            'connections': '', 'created_at': _NOW + n, 'updated_at': _NOW + n, **values,
        }
        self._run(('post', row))
        return str(row['id'])

    def record(self, n: int, guard: dict[str, Any] | None = None) -> None:
        """Record the flow of a job, with its atoms and what was decided."""
        book, flow = _ID.format(1, n), _ID.format(2, n)
        times = {'created_at': _NOW, 'updated_at': _NOW}
        self._run(
            *([('guard', guard)] if guard else []),
            ('book', {'uuid': book, 'name': f'job {n}', 'meta': '{"of":"whom"}', **times}),
            ('flow', {'uuid': flow, 'book': book, 'name': 'a-flow', 'state': 'RUNNING', 'meta': None,
                      'digest': 'sha256:0', **times}),
            *(('atom', {**atom, 'flow': flow, 'uuid': _ID.format(3 + atom['number'], n)}) for atom in ATOMS),
            *(('decision', {**decision, 'flow': flow}) for decision in DECISIONS))

    def claim(self, n: int, owner: str) -> dict[str, Any]:
        """Claim a job; return its row."""
        job = _ID.format(0, n)
        (before,), = self._run(('job', {'id': job}))
        met, (row,) = self._run(
            ('claim', {'id': job, 'epoch': before['epoch'], 'owner': owner, 'claim_id': f'claim-{n}', 'now': _NOW}),
            ('job', {'id': job}))
        assert met == 1
        return dict(row)

    def step(self, job: dict[str, Any], number: int, state: str, result: str | None) -> int:
        """Record the end of one atom; return how many rows the guard met, 0 where the job is lost."""
        guarded = ('guard', {'id': job['id'], 'epoch': job['epoch']})
        change = {'flow': job['flow_uuid'], 'number': number, 'state': state, 'result': result}
        if not self._run(guarded)[0]:
            return 0
        return int(self._run(('change', change))[0])

    def settle(self, job: dict[str, Any], state: str, outcome: str) -> int:
        """Give a job back with the flow's last state; return how many rows the guard met."""
        met, _ = self._run(
            ('settle', {'id': job['id'], 'epoch': job['epoch'], 'state': state, 'outcome': outcome, 'reason': '',
                        'owner': '', 'connections': '', 'now': _NOW}),
            ('rest', {'flow': job['flow_uuid'], 'state': outcome, 'now': _NOW}))
        return int(met)

    def atoms(self, flow: str) -> list[dict[str, Any]]:
        """Return the rows of a flow's atoms."""
        return [dict(row) for row in self._run(('atoms', {'flow': flow}))[0]]

    def job(self, job: str) -> dict[str, Any]:
        """Return the row of a job."""
        return dict(self._run(('job', {'id': job}))[0][0])

    def pending(self, shard: int) -> list[str]:
        """Return the ids of the unclaimed jobs of a shard."""
        return [str(row['id']) for row in self._run(('pending', {'shard': shard}))[0]]
