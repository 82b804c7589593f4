# SPDX-License-Identifier: Apache-2.0
"""Run by alembic: the migrations of one database, on the connection that :mod:`tfd_drivers.sql.schema` gives."""

from alembic import context

from tfd_drivers.sql import schema, tables

connection = context.config.attributes.get('connection')
if connection is None:
    raise SystemExit("the schema is migrated with 'tfd-manage db sync', which knows the database")
context.configure(connection=connection, target_metadata=tables.metadata, version_table=schema.VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()
