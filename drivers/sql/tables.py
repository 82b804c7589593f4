# SPDX-License-Identifier: Apache-2.0
"""The tables, made from the fields of the records: a field that a record gets is a column here.

Nothing refers to anything by foreign key: checking one locks the row referred to, and every transaction already
begins by writing the row that owns all others, its job.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from tfd import exceptions
from tfd.jobs import record as jobs_record
from tfd.persistence import record
from tfd_drivers.sql.columns import Name, text

__all__ = [
    'OF_FLOW', 'atoms', 'board', 'check_lengths', 'conductors', 'decisions', 'flows', 'history', 'jobs', 'locks',
    'logbooks', 'members', 'metadata',
]

#: Characters of a UUID, or of whatever takes its place.
_ID = 64
#: Characters of a name or token.
_NAME = 255


metadata = sa.MetaData(naming_convention={'ix': 'ix_%(table_name)s_%(column_0_N_name)s', 'pk': 'pk_%(table_name)s'})

_INNODB: dict[str, Any] = {'mysql_engine': 'InnoDB', 'mysql_charset': 'utf8mb4'}
_TYPES: Mapping[str, Any] = {'int': sa.BigInteger, 'float': sa.Double}


def _column(field: dataclasses.Field[Any], lengths: Mapping[str, int | None], keys: tuple[str, ...]) -> sa.Column[Any]:
    kind, _, rest = str(field.type).partition(' | ')
    column_type: Any
    if field.name in lengths:
        length = lengths[field.name]
        column_type = text() if length is None else Name(length)
    elif kind in _TYPES:
        column_type = _TYPES[kind]()
    else:
        column_type = Name(_NAME) if kind == 'str' else text()
    nullable = rest == 'None' or kind == 'Any'
    return sa.Column(field.name, column_type, primary_key=field.name in keys, autoincrement=False, nullable=nullable)


def _table(
    name: str, cls: type[Any], keys: tuple[str, ...], lengths: Mapping[str, int | None], *more: sa.schema.SchemaItem
) -> sa.Table[Any]:
    columns = [_column(field, lengths, keys) for field in dataclasses.fields(cls)]
    return sa.Table(name, metadata, *columns, *more, **_INNODB)


logbooks = _table('logbooks', record.BookRecord, ('uuid',), {'uuid': _ID})

flows = _table(
    'flows', record.FlowRecord, ('uuid',), {'uuid': _ID, 'book': _ID, 'state': 32, 'digest': 128},
    sa.Index('ix_flows_book', 'book', 'created_at'))

atoms = _table(
    'atoms', record.AtomRecord, ('flow', 'number'),
    {'flow': _ID, 'uuid': _ID, 'kind': 16, 'version': 64, 'state': 32, 'intention': 32},
    sa.Index('uq_atoms_flow_name', 'flow', 'name', unique=True), sa.Index('ix_atoms_uuid', 'uuid'))
# Room for the versions that the next steps write: one in the page of the row before needs no entry in any index.
atoms.dialect_options['postgresql']['with'] = {'fillfactor': 50}

history = _table('history', record.StepRecord, ('flow', 'seq', 'job'), {'flow': _ID, 'job': _ID, 'what': None})
history.dialect_options['sqlite']['with_rowid'] = False

decisions = _table('decisions', record.DecisionRecord, ('flow', 'subject'), {'flow': _ID, 'subject': 300, 'answer': 64})

#: Whose rows belong to a flow, and go with it; named by their column ``flow``.
OF_FLOW = (history, decisions, atoms)

jobs = _table(
    'jobs', jobs_record.Job, ('id',),
    {'id': _ID, 'version': 64, 'state': 32, 'outcome': 32, 'claim_id': _ID, 'book_uuid': _ID, 'flow_uuid': _ID,
     'reason': None, 'connections': None})
sa.Index('uq_jobs_token', jobs.c.token, unique=True)
# Pending jobs of a shard: those that never had to wait, in the order in which they are claimed; then those that had or
# have to, by their time.
sa.Index(
    'ix_jobs_pending', jobs.c.state, jobs.c.shard, jobs.c.not_before, jobs.c.priority.desc(), jobs.c.created_at,
    jobs.c.id)
# An owner's jobs, and those whose owner is dead: only claimed jobs have an owner.
sa.Index('ix_jobs_owner', jobs.c.owner, jobs.c.created_at, jobs.c.id)
# Those that are done, by how they ended: what has been kept for long enough.
sa.Index('ix_jobs_finished', jobs.c.state, jobs.c.outcome, jobs.c.updated_at, jobs.c.id)
# The job of a flow, for who looks at its logbook.
sa.Index('ix_jobs_flow_uuid', jobs.c.flow_uuid)
# Pages of a list, with and without a state.
sa.Index('ix_jobs_newest', jobs.c.created_at, jobs.c.id)
sa.Index('ix_jobs_state', jobs.c.state, jobs.c.created_at, jobs.c.id)

conductors = _table(
    'conductors', jobs_record.Incarnation, ('incarnation',), {'version': 64},
    # Who was seen last, and who was not for long.
    sa.Index('ix_conductors_seen_at', 'seen_at', 'incarnation'))

#: What is known of the board as a whole, by name.
board = sa.Table(
    'board', metadata, sa.Column('name', Name(_ID), primary_key=True), sa.Column('value', Name(_NAME), nullable=False),
    **_INNODB)

#: Members of the lease coordinator: alive until ``expires_at``, in seconds since 1970 by the database's clock.
members = sa.Table(
    'members', metadata, sa.Column('incarnation', Name(_NAME), primary_key=True), sa.Column('info', text(),
        nullable=False),
    sa.Column('expires_at', sa.Double(), nullable=False), **_INNODB)

#: Locks of the lease coordinator: held as long as their owner is a living member.
locks = sa.Table(
    'locks', metadata, sa.Column('name', Name(_NAME), primary_key=True), sa.Column('owner', Name(_NAME),
        nullable=False),
    sa.Index('ix_locks_owner', 'owner'), **_INNODB)


def _limits(table: sa.Table[Any]) -> tuple[tuple[str, int], ...]:
    return tuple((column.name, column.type.length) for column in table.c if isinstance(column.type, Name))


_LIMITS = {table: _limits(table) for table in (logbooks, flows, atoms, decisions, jobs, conductors)}


def check_lengths(table: sa.Table[Any], row: Any) -> None:
    """Check that the short texts of a record fit their columns, as SQLite does not.

    :raises StorageFailure: one does not; it names the field.
    """
    for name, limit in _LIMITS[table]:
        value = getattr(row, name)
        if value is not None and len(value) > limit:
            raise exceptions.StorageFailure(
                f'{name} of a row in {table.name} has {len(value)} characters, expected at most {limit}:'
                f' {value[:80]!r}…')
