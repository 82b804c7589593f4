# SPDX-License-Identifier: Apache-2.0
"""Find jobs that are done by how and when they ended."""

from __future__ import annotations

from alembic import op

revision = '0003'
down_revision = '0001'


def upgrade() -> None:
    """Create the index."""
    op.create_index('ix_jobs_finished', 'jobs', ['state', 'outcome', 'updated_at', 'id'])
