# SPDX-License-Identifier: Apache-2.0
"""Migration scripts: applied one at a time, and made up."""

from __future__ import annotations

import importlib.util
import pathlib

import alembic.migration
import alembic.operations
import sqlalchemy as sa

__all__ = ['apply', 'write']


def apply(connection: sa.Connection, script: pathlib.Path) -> None:
    """Run one script, whatever the database is at."""
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    context = alembic.migration.MigrationContext.configure(connection)
    with alembic.operations.Operations.context(context):
        module.upgrade()


def write(folder: pathlib.Path, revision: str, after: str | None, *statements: str) -> None:
    """Make a script that runs these statements."""
    lines = [
        'from alembic import op', f'revision = {revision!r}', f'down_revision = {after!r}', 'def upgrade():',
        *(f'    op.execute({text!r})' for text in statements),
    ]
    (folder / f'{revision}.py').write_text('\n'.join(lines) + '\n')
