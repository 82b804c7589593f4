# SPDX-License-Identifier: Apache-2.0
"""The directive ``tables``: every table of the SQL driver, as it is in the code at the time of the build.

What a table is for is said here; a table that nothing is said about, or words about no table, end the build.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from docutils import nodes
from docutils.parsers.rst import Directive
from sqlalchemy.dialects import mysql, postgresql, sqlite

from tfd_drivers.sql import tables

__all__ = ['setup']

_ABOUT = {
    'logbooks': 'A name for several flows.',
    'flows': 'A flow: its state, and the digest of the plan under which it was last run.',
    'atoms': 'A task or retry of a flow; a retry\'s result is its history. The inputs of a flow are an atom too.',
    'decisions': 'What was decided about a scope, a failure or the deciders before an atom; see '
                 ':doc:`/contributor/adr/a-table-of-decisions`.',
    'jobs': 'A job: what it runs, how far it is, and who owns it under which epoch.',
    'conductors': 'Who has conducted: a worker process under one session, whom jobs and histories name as owner.',
    'board': 'What is known of the board as a whole.',
    'members': 'Who lives, by the lease coordinator.',
    'locks': 'Who holds which lock, by the lease coordinator.',
    'history': 'What was done with a job, and by whom. Rows are only added.',
}


def _dialects() -> dict[str, sa.Dialect]:
    mariadb: Any = mysql.dialect()
    mariadb.is_mariadb = True
    return {'SQLite': sqlite.dialect(), 'MariaDB': mariadb, 'PostgreSQL': postgresql.dialect()}


def _type(column: sa.Column[Any], dialect: sa.Dialect) -> str:
    # The character set and collation are the same for all; they are said once, above.
    return str(column.type.compile(dialect=dialect)).partition(' CHARACTER')[0].partition(' COLLATE')[0]


def _row(cells: list[str], literal: bool) -> nodes.row:
    row = nodes.row()
    for cell in cells:
        content: nodes.Node = nodes.literal('', cell) if literal and cell else nodes.Text(cell)
        row += nodes.entry('', nodes.paragraph('', '', content))
    return row


def _columns(table: sa.Table) -> nodes.table:
    dialects = _dialects()
    head = ['column', *dialects, 'null', 'key']
    group = nodes.tgroup(cols=len(head))
    for _ in head:
        group += nodes.colspec(colwidth=1)
    group += nodes.thead('', _row(head, literal=False))
    body = nodes.tbody()
    for column in table.columns:
        types = [_type(column, dialect) for dialect in dialects.values()]
        body += _row([
            column.name, *types, 'yes' if column.nullable else '', 'yes' if column.primary_key else ''], literal=True)
    group += body
    return nodes.table('', group, classes=['schema'])


def _indexes(table: sa.Table) -> nodes.bullet_list:
    items = nodes.bullet_list()
    for index in sorted(table.indexes, key=lambda each: str(each.name)):
        parts = ', '.join(str(part).rpartition('.')[2] for part in index.expressions)
        line = nodes.paragraph('', '', nodes.literal('', str(index.name)), nodes.Text(
            f' on {parts}{" (unique)" if index.unique else ""}'))
        items += nodes.list_item('', line)
    return items


class _Tables(Directive):
    """Describes every table."""

    def run(self) -> list[nodes.Node]:
        """Return a section for each table, in the order of what is said about them.

        :raises DirectiveError: a table is not told of, or there is no such table.
        """
        known = {table.name: table for table in tables.metadata.tables.values()}
        if known.keys() != _ABOUT.keys():
            raise self.error(
                f'nothing is said about the tables {sorted(known.keys() - _ABOUT.keys())}, and there are no tables'
                f' {sorted(_ABOUT.keys() - known.keys())}')
        found: list[nodes.Node] = []
        for name, about in _ABOUT.items():
            section = nodes.section(ids=[f'table-{name}'])
            section += nodes.title('', name)
            text, messages = self.state.inline_text(about, self.lineno)
            section += nodes.paragraph('', '', *text)
            section += messages
            section += _columns(known[name])
            if known[name].indexes:
                section += _indexes(known[name])
            found.append(section)
        return found


def setup(app: Any) -> dict[str, Any]:
    """Make the directive known to Sphinx."""
    app.add_directive('tables', _Tables)
    return {'parallel_read_safe': True, 'parallel_write_safe': True}
