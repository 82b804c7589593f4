# SPDX-License-Identifier: Apache-2.0
"""A database as TaskFlow 6.5 leaves it: its tables and rows, as they were seen there."""

from __future__ import annotations

import datetime
import json
from typing import Any

import sqlalchemy as sa

__all__ = ['BOOK', 'FLOWS', 'fill']

BOOK = 'f3cd2471-1898-4305-96a5-8fd64ea8f53e'
#: By what each is an example of.
FLOWS = {
    name: f'22222222-0000-4000-8000-00000000000{number}' for number, name in enumerate((
        'finished', 'suspended', 'retrying', 'reverting', 'crashed', 'pickled', 'unknown'))
}

_metadata = sa.MetaData()


def _table(name: str, *columns: sa.Column[Any]) -> sa.Table:
    times = [sa.Column(column, sa.DateTime) for column in ('created_at', 'updated_at')]
    return sa.Table(
        name, _metadata, *times, sa.Column('meta', sa.Text), sa.Column('name', sa.String(255)),
        sa.Column('uuid', sa.String(64), primary_key=True), *columns)


_books = _table('logbooks')
_flows = _table('flowdetails', sa.Column('parent_uuid', sa.String(64)), sa.Column('state', sa.String(255)))
_atoms = _table(
    'atomdetails', sa.Column('parent_uuid', sa.String(64)), sa.Column('version', sa.String(64)),
    sa.Column('state', sa.String(255)), sa.Column('intention', sa.String(7)), sa.Column('atom_type', sa.String(12)),
    *(sa.Column(column, sa.Text) for column in ('failure', 'results', 'revert_results', 'revert_failure')))

FAILURE = {
    'exception_str': 'no', 'traceback_str': '  File "flows.py", line 15, in execute\n    raise ValueError(\'no\')\n',
    'exc_type_names': ['ValueError', 'Exception'], 'version': 1, 'exc_args': ['no'], 'causes': []}

_TASK, _RETRY = 'TASK_DETAIL', 'RETRY_DETAIL'
_INPUTS = ('_TaskFlow_INJECTOR', _TASK, 'SUCCESS', 'EXECUTE', {'results': {'x': 3}})

#: Of each flow: its state, its metadata, and name, kind, state, intention and values of its atoms.
_ROWS: dict[str, tuple[str, dict[str, Any], list[tuple[str, str, str | None, str, dict[str, Any]]]]] = {
    'finished': ('SUCCESS', {}, [
        _INPUTS, ('a', _TASK, 'SUCCESS', 'EXECUTE', {'results': [1, 'two'], 'meta': {'progress': 1.0}})]),
    'suspended': (
        'SUSPENDED', {'factory': {'name': 'tests.functional.sql.taskflow_flows.plain', 'args': [], 'kwargs': {}}}, [
            _INPUTS, ('a', _TASK, 'SUCCESS', 'EXECUTE', {'results': 'a!'}),
            ('b', _TASK, 'PENDING', 'EXECUTE', {'meta': {
                'progress': 0.5, 'progress_details': {'at_progress': 0.5, 'details': {'half': 'done'}}}})]),
    'retrying': ('SUSPENDED', {}, [
        _INPUTS, ('o', _TASK, 'SUCCESS', 'EXECUTE', {'results': 'o!'}),
        ('a', _TASK, 'SUCCESS', 'REVERT', {'results': 'a!'}),
        ('b', _TASK, 'REVERTED', 'REVERT', {'failure': FAILURE}),
        ('r', _RETRY, 'SUCCESS', 'RETRY', {'results': [['one', {'b': FAILURE}]]}),
        ('z', _TASK, 'PENDING', 'REVERT', {})]),
    'reverting': ('SUSPENDED', {}, [
        _INPUTS, ('a', _TASK, 'SUCCESS', 'REVERT', {'results': 'a!'}),
        ('b', _TASK, 'REVERTED', 'REVERT', {'failure': FAILURE, 'revert_results': 'undone b'})]),
    # Of an atom that was reset, what it did before is left in its row.
    'crashed': ('RUNNING', {}, [
        _INPUTS, ('o', _TASK, 'SUCCESS', 'EXECUTE', {'results': 'o!'}),
        ('a', _TASK, 'SUCCESS', 'EXECUTE', {'results': 'a!'}),
        ('b', _TASK, 'RUNNING', 'EXECUTE', {'failure': FAILURE}),
        ('r', _RETRY, 'SUCCESS', 'EXECUTE', {'results': [['one', {'b': FAILURE}], ['two', {}]]}),
        ('z', _TASK, 'PENDING', 'EXECUTE', {'results': 'z!'})]),
    'pickled': ('SUSPENDED', {}, [('a', _TASK, 'SUCCESS', 'EXECUTE', {'results': None})]),
    'unknown': ('SUSPENDED', {}, [('a', 'TIMER_DETAIL', 'SUCCESS', 'EXECUTE', {})]),
}


def fill(url: str) -> None:
    """Make the tables and rows in an empty database."""
    engine = sa.create_engine(
        sa.make_url(url).set(drivername={'mysql': 'mysql+pymysql', 'postgresql': 'postgresql+psycopg'}.get(
            sa.make_url(url).get_backend_name(), 'sqlite')), poolclass=sa.NullPool)
    with engine.begin() as connection:
        _metadata.create_all(connection)
        times = {'created_at': datetime.datetime(2026, 2, 3, 4, 5, 6), 'updated_at': datetime.datetime(2026, 2, 3, 5)}
        connection.execute(sa.insert(_books), {'uuid': BOOK, 'name': 'book', 'meta': '{"m": 1}', **times})
        for name, (state, meta, atoms) in _ROWS.items():
            connection.execute(sa.insert(_flows), {
                'uuid': FLOWS[name], 'parent_uuid': BOOK, 'name': name, 'state': state, 'meta': json.dumps(meta),
                **times})
            for number, atom in enumerate(atoms):
                connection.execute(sa.insert(_atoms), {**_atom(FLOWS[name], number, *atom), **times})
        connection.execute(
            sa.update(_atoms).where(_atoms.c.parent_uuid == FLOWS['pickled']).values(results='\x80\x04K\x01.'[1:]))


def _atom(flow: str, number: int, name: str, kind: str, state: str | None, intention: str, values: dict[str, Any]
          ) -> dict[str, Any]:
    row: dict[str, Any] = {
        'uuid': f'{flow[:-8]}{number:04}{flow[-4:]}', 'parent_uuid': flow, 'name': name, 'atom_type': kind,
        'state': state, 'intention': intention, 'version': None if name.startswith('_') else '1.0',
        'failure': None, 'results': None, 'revert_results': None, 'revert_failure': None, 'meta': '{}'}
    return {**row, **{column: json.dumps(value) for column, value in values.items()}}
