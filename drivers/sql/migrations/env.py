# SPDX-License-Identifier: Apache-2.0
"""Run by alembic: the migrations of one database, on the connection that :mod:`tfd_drivers.sql.schema` gives."""

from alembic import context

from tfd_drivers.sql import schema, tables

attributes = context.config.attributes
if 'connection' not in attributes:
    raise SystemExit("the schema is migrated with 'tfd-manage db sync', which knows the database")
context.configure(
    connection=attributes['connection'], target_metadata=tables.metadata, version_table=schema.VERSION_TABLE,
    on_version_apply=lambda step, **_: attributes['applied'].append(step.up_revision_id))
with context.begin_transaction():
    context.run_migrations()
