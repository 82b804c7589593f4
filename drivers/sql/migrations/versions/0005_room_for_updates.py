# SPDX-License-Identifier: Apache-2.0
"""Leave room in the pages of atoms, on PostgreSQL, for the versions that the next steps write."""

from __future__ import annotations

from alembic import op

revision = '0005'
down_revision = '0004'


def upgrade() -> None:
    """Set the fill factor; it counts for pages that are filled from now on."""
    if op.get_bind().dialect.name == 'postgresql':
        # Each atom is changed when it begins and when it ends. A version that fits into the page of the one before
        # needs no entries in the table's indexes.
        op.execute('ALTER TABLE atoms SET (fillfactor = 50)')
