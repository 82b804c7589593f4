# SPDX-License-Identifier: Apache-2.0
"""The first tables: logbooks, flows, atoms, decisions, jobs; board, members and locks."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from tfd_drivers.sql.columns import Name, text

revision = '0001'
down_revision = None


def _column(name: str, kind: Any, nullable: bool = False, key: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=nullable, primary_key=key, autoincrement=False)


def _create(name: str, *columns: sa.Column[Any]) -> None:
    keys = [column.name for column in columns if column.primary_key]
    for column in columns:
        column.primary_key = False
    op.create_table(
        name, *columns, sa.PrimaryKeyConstraint(*keys, name=f'pk_{name}'), mysql_engine='InnoDB',
        mysql_charset='utf8mb4')


def upgrade() -> None:
    """Create every table."""
    _logbooks()
    _jobs()
    _leases()


def _logbooks() -> None:
    _create(
        'logbooks', _column('uuid', Name(64), key=True), _column('name', Name(255)), _column('meta', text(), True),
        _column('created_at', sa.Double(), True), _column('updated_at', sa.Double(), True))
    _create(
        'flows', _column('uuid', Name(64), key=True), _column('book', Name(64), True), _column('name', Name(255)),
        _column('state', Name(32), True), _column('meta', text(), True), _column('digest', Name(128)),
        _column('created_at', sa.Double(), True), _column('updated_at', sa.Double(), True))
    op.create_index('ix_flows_book', 'flows', ['book', 'created_at'])
    _create(
        'atoms', _column('flow', Name(64), key=True), _column('number', sa.BigInteger(), key=True), _column('uuid',
            Name(64)),
        _column('name', Name(255)), _column('kind', Name(16)), _column('version', Name(64)), _column('state', Name(32),
            True),
        _column('intention', Name(32)), _column('result', text(), True), _column('failure', text(), True),
        _column('revert_result', text(), True), _column('revert_failure', text(), True), _column('meta', text(), True))
    op.create_index('uq_atoms_flow_name', 'atoms', ['flow', 'name'], unique=True)
    op.create_index('ix_atoms_uuid', 'atoms', ['uuid'])
    _create(
        'decisions', _column('flow', Name(64), key=True), _column('subject', Name(300), key=True),
        _column('attempt', sa.BigInteger()), _column('answer', Name(64)))


def _jobs() -> None:
    _create(
        'jobs', _column('id', Name(64), key=True), _column('token', Name(255)), _column('name', Name(255)),
        _column('flow', Name(255)), _column('version', Name(64)), _column('store', text()), _column('state', Name(32)),
        _column('outcome', Name(32)), _column('priority', sa.BigInteger()), _column('not_before', sa.Double()),
        _column('owner', Name(255)), _column('claim_id', Name(64)), _column('epoch', sa.BigInteger()),
        _column('seq', sa.BigInteger()), _column('claimed_seq', sa.BigInteger()), _column('attempts', sa.BigInteger()),
        _column('claims', sa.BigInteger()), _column('shard', sa.BigInteger()), _column('book_uuid', Name(64)),
        _column('flow_uuid', Name(64)), _column('reason', text()), _column('connections', text()),
        _column('created_at', sa.Double()), _column('updated_at', sa.Double()))
    op.create_index('uq_jobs_token', 'jobs', ['token'], unique=True)
    op.create_index(
        'ix_jobs_pending', 'jobs', ['state', 'shard', 'not_before', sa.text('priority DESC'), 'created_at', 'id'])
    op.create_index('ix_jobs_owner', 'jobs', ['owner', 'created_at', 'id'])
    op.create_index('ix_jobs_flow_uuid', 'jobs', ['flow_uuid'])
    op.create_index('ix_jobs_newest', 'jobs', ['created_at', 'id'])
    op.create_index('ix_jobs_state', 'jobs', ['state', 'created_at', 'id'])


def _leases() -> None:
    _create('board', _column('name', Name(64), key=True), _column('value', Name(255)))
    _create(
        'members', _column('incarnation', Name(255), key=True), _column('info', text()),
        _column('expires_at', sa.Double()))
    _create('locks', _column('name', Name(255), key=True), _column('owner', Name(255)))
    op.create_index('ix_locks_owner', 'locks', ['owner'])
