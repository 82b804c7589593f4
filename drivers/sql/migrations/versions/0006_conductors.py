# SPDX-License-Identifier: Apache-2.0
"""Who has conducted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from tfd_drivers.sql.columns import Name

revision = '0006'
down_revision = '0005'


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        'conductors',
        sa.Column('incarnation', Name(255), nullable=False),
        sa.Column('hostname', Name(255), nullable=False),
        sa.Column('pid', sa.BigInteger(), nullable=False),
        sa.Column('version', Name(64), nullable=False),
        sa.Column('started_at', sa.Double(), nullable=False),
        sa.Column('seen_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('incarnation', name='pk_conductors'), mysql_engine='InnoDB', mysql_charset='utf8mb4')
    op.create_index('ix_conductors_seen_at', 'conductors', ['seen_at', 'incarnation'])
