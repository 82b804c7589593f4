# SPDX-License-Identifier: Apache-2.0
"""What each step of a job's flow did."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tfd_drivers.sql.columns import Name, text

revision = '0004'
down_revision = '0003'


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        'history',
        sa.Column('flow', Name(64), nullable=False),
        sa.Column('seq', sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column('job', Name(64), nullable=False),
        sa.Column('epoch', sa.BigInteger(), nullable=False),
        sa.Column('owner', Name(255), nullable=False),
        sa.Column('at', sa.Double(), nullable=False),
        sa.Column('what', text(), nullable=False),
        sa.PrimaryKeyConstraint('flow', 'seq', 'job', name='pk_history'), mysql_engine='InnoDB',
        mysql_charset='utf8mb4',
        # One page that changes in place of two: the rows are in the index.
        sqlite_with_rowid=False)
